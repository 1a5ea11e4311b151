#include "transfer.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/string.hpp>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "multi.hpp"

namespace gpuwarden::http {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kMostHeaderBytes = 256U << 10U;
constexpr long kMostIdleSeconds = 30;        // servers close idle connections; an older one is likelier dead
constexpr unsigned kUnackedLimitMs = 20000;  // a peer that acknowledges nothing for so long is gone
constexpr Duration kSilence = std::chrono::seconds(2);          // of a connection that may then count as dead
constexpr Duration kUnderWay = std::chrono::milliseconds(250);  // what comes so soon after is no sign of life
constexpr Duration kCurlsTurn = std::chrono::milliseconds(250);  // so much later than curl we end an exchange

long milliseconds(Duration duration) {
  return static_cast<long>(std::clamp<Duration::rep>(duration.count(), 1, std::numeric_limits<int>::max()));
}

/// True: since the request was sent nothing at all has come on the connection, and that was long ago.
bool is_dead(CURL* easy, curl_socket_t socket) {
  curl_off_t sent_at = 0;
  curl_off_t ended_at = 0;
  curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &sent_at);
  curl_easy_getinfo(easy, CURLINFO_TOTAL_TIME_T, &ended_at);
  const auto waited = std::chrono::duration_cast<Duration>(std::chrono::microseconds(ended_at - sent_at));
  tcp_info info{};
  socklen_t length = sizeof info;
  if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return false;
  return waited >= kSilence && Duration(info.tcpi_last_data_recv) >= waited - kUnderWay;
}

/// A repeat of these is harmless, so curl may send them again on a fresh connection.
bool is_safe(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS";
}

std::string_view trim(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

Transfer::Transfer(std::shared_ptr<Multi> multi, Request request, UrlParts url, const ClientOptions& options)
    : multi_(std::move(multi)),
      request_(std::move(request)),
      url_(std::move(url)),
      wake_(multi_->executor(), asio::steady_timer::time_point::max()),
      easy_(multi_->take_handle()) {
  configure(options);
}

Transfer::~Transfer() {
  if (added_) multi_->remove(*this);
  multi_->give_back_handle(easy_);
  curl_slist_free_all(headers_);
}

void Transfer::configure(const ClientOptions& options) {
  curl_easy_setopt(easy_, CURLOPT_PRIVATE, this);
  curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, message_);
  curl_easy_setopt(easy_, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy_, CURLOPT_URL, request_.url.c_str());
  curl_easy_setopt(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy_, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy_, CURLOPT_TIMEOUT_MS, milliseconds(request_.timeout));
  curl_easy_setopt(easy_, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(request_.connect_timeout));
  // What a proxy says while it connects us is no answer.
  curl_easy_setopt(easy_, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  // Leaving must not wait for a resolver thread.
  curl_easy_setopt(easy_, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(easy_, CURLOPT_WRITEFUNCTION, &Transfer::on_body);
  curl_easy_setopt(easy_, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy_, CURLOPT_HEADERFUNCTION, &Transfer::on_header);
  curl_easy_setopt(easy_, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy_, CURLOPT_PREREQFUNCTION, &Transfer::on_send);
  curl_easy_setopt(easy_, CURLOPT_PREREQDATA, this);
  configure_route();
  configure_method();
  configure_headers(options.user_agent);
  if (!options.ca_file.empty()) {
    curl_easy_setopt(easy_, CURLOPT_CAINFO, options.ca_file.c_str());
    curl_easy_setopt(easy_, CURLOPT_CAPATH, nullptr);
  }
}

void Transfer::configure_route() {
  curl_easy_setopt(easy_, CURLOPT_MAXAGE_CONN, kMostIdleSeconds);
  curl_easy_setopt(easy_, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(easy_, CURLOPT_HTTP_VERSION,
                   static_cast<long>(url_.tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
  // Rather share a connection that is being set up than open one for each of several calls.
  if (url_.tls) curl_easy_setopt(easy_, CURLOPT_PIPEWAIT, 1L);
  if (!request_.unix_socket.empty()) {
    curl_easy_setopt(easy_, CURLOPT_UNIX_SOCKET_PATH, request_.unix_socket.c_str());
  } else {
    curl_easy_setopt(easy_, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy_, CURLOPT_TCP_KEEPIDLE, 15L);
    curl_easy_setopt(easy_, CURLOPT_TCP_KEEPINTVL, 5L);
    curl_easy_setopt(easy_, CURLOPT_SOCKOPTFUNCTION, &Transfer::on_socket);
  }
  if (url_.loopback || !request_.unix_socket.empty()) curl_easy_setopt(easy_, CURLOPT_PROXY, "");
}

void Transfer::configure_method() {
  const std::string& method = request_.method;
  if (method == "HEAD") {
    curl_easy_setopt(easy_, CURLOPT_NOBODY, 1L);
    return;
  }
  if (method == "POST" || !request_.body.empty()) {
    curl_easy_setopt(easy_, CURLOPT_POST, 1L);
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDS, request_.body.c_str());
  }
  if (method != "GET" && method != "POST") {
    curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST, method.c_str());
  } else if (method == "GET" && !request_.body.empty()) {
    curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST, "GET");
  }
}

void Transfer::configure_headers(const std::string& user_agent) {
  const auto append = [this](const std::string& line) {
    if (curl_slist* grown = curl_slist_append(headers_, line.c_str())) headers_ = grown;
  };
  for (const auto& [name, value] : request_.headers) {
    std::string line = name;
    line += value.empty() ? ";" : ": ";
    line += value;
    append(line);
  }
  append("Expect:");  // no pause of a second before a long body
  if (!has_header("Content-Type")) append("Content-Type:");
  if (!has_header("User-Agent")) curl_easy_setopt(easy_, CURLOPT_USERAGENT, user_agent.c_str());
  curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, headers_);
}

bool Transfer::has_header(std::string_view name) const {
  return std::any_of(request_.headers.begin(), request_.headers.end(), [&](const auto& header) {
    return boost::beast::iequals(header.first, {name.data(), name.size()});
  });
}

asio::awaitable<Result<Response>> Transfer::run() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  const auto stopped = [&] { return given_up_ || cancellation.cancelled() != asio::cancellation_type::none; };
  if (!stopped()) {
    added_ = multi_->add(*this);
    if (!added_) co_return fail(ErrorKind::cancelled, "the HTTP client is closed");
  }
  // curl counts no time while an exchange waits for a connection, so the deadline is ours.
  start_clock(Duration(milliseconds(request_.timeout)) + kCurlsTurn);
  for (;;) {
    while (!has_news() && !stopped() && !time_up_) {
      boost::system::error_code woken;
      co_await wake_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
      time_up_ = !woken;
    }
    if (head_complete_ && !head_told_) tell_head();
    if (!pending_.empty()) {
      const std::string chunk = std::exchange(pending_, std::string());
      if (!request_.on_chunk(chunk)) co_return std::move(response_);
    }
    if (ended_) co_return result(*ended_);
    if (stopped()) {
      co_return fail(ErrorKind::cancelled, request_.method + " " + url_.host + url_.path + ": cancelled");
    }
    if (time_up_) co_return result(CURLE_OPERATION_TIMEDOUT);
  }
}

bool Transfer::has_news() const {
  return ended_ || !pending_.empty() || (head_complete_ && !head_told_);
}

void Transfer::start_clock(Duration time) {
  wake_.expires_after(time);
  time_up_ = false;
}

void Transfer::tell_head() {
  head_told_ = true;
  if (request_.on_headers) request_.on_headers(response_);
  if (request_.on_chunk && request_.listen > Duration{0}) start_clock(request_.listen);
}

/// curl leaves an HTTP/2 connection as it is when an exchange on it runs out of time. One that the other side
/// has forgotten would take in request after request; once it is shut, curl opens another.
void Transfer::leave_dead_connection() {
  curl_socket_t socket = CURL_SOCKET_BAD;
  curl_easy_getinfo(easy_, CURLINFO_ACTIVESOCKET, &socket);
  if (socket != CURL_SOCKET_BAD && is_dead(easy_, socket)) (void)shutdown(socket, SHUT_RDWR);
}

Result<Response> Transfer::result(CURLcode code) {
  if (code == CURLE_OPERATION_TIMEDOUT && begun() && !head_complete_) leave_dead_connection();
  const bool left_a_stream = code == CURLE_OPERATION_TIMEDOUT && request_.on_chunk && head_complete_;
  if (code != CURLE_OK && !left_a_stream) return fail(failure_of(*this, code));
  return std::move(response_);
}

void Transfer::ended(CURLcode code) {
  ended_ = code;
  wake_.cancel();
}

void Transfer::give_up() {
  given_up_ = true;
  wake_.cancel();
}

std::size_t Transfer::on_body(char* data, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const std::size_t length = size * count;
  if (transfer.request_.on_chunk) {
    transfer.pending_.append(data, length);
    transfer.wake_.cancel();
    return length;
  }
  if (length > transfer.request_.max_body - transfer.response_.body.size()) {
    transfer.too_long_ = true;
    return 0;
  }
  transfer.response_.body.append(data, length);
  return length;
}

std::size_t Transfer::on_header(char* data, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const std::size_t length = size * count;
  const std::string_view line(data, length);
  transfer.header_bytes_ += length;
  if (transfer.header_bytes_ > kMostHeaderBytes) {
    transfer.head_too_long_ = true;
    return 0;
  }
  if (line.starts_with("HTTP/")) {  // also after an interim answer
    transfer.response_.headers.clear();
    long status = 0;
    curl_easy_getinfo(transfer.easy_, CURLINFO_RESPONSE_CODE, &status);
    transfer.response_.status = static_cast<int>(status);
    return length;
  }
  if (trim(line).empty() && transfer.response_.status >= 200) {
    transfer.head_complete_ = true;
    transfer.wake_.cancel();
    return length;
  }
  if (const auto colon = line.find(':'); colon != std::string_view::npos) {
    transfer.response_.headers.emplace_back(trim(line.substr(0, colon)), trim(line.substr(colon + 1)));
  }
  return length;
}

/// curl is about to send the request. When a kept connection dies without an answer, curl sends the request
/// again on a new one; for a request that creates something this must not happen behind our back.
int Transfer::on_send(void* self, char* /*peer*/, char* /*own*/, int /*peer_port*/, int /*own_port*/) {
  auto& transfer = *static_cast<Transfer*>(self);
  if (transfer.sends_ > 0 && !is_safe(transfer.request_.method)) {
    transfer.not_resent_ = true;
    return CURL_PREREQFUNC_ABORT;
  }
  ++transfer.sends_;
  return CURL_PREREQFUNC_OK;
}

/// A shared HTTP/2 connection to a host that vanished would swallow request after request until the kernel
/// gives up, which takes a quarter of an hour by default.
int Transfer::on_socket(void* /*self*/, curl_socket_t socket, curlsocktype purpose) {
  if (purpose == CURLSOCKTYPE_IPCXN) {
    (void)setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &kUnackedLimitMs, sizeof kUnackedLimitMs);
  }
  return CURL_SOCKOPT_OK;
}

}  // namespace gpuwarden::http
