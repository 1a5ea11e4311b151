#include "connection.hpp"

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <sys/socket.h>

#include "failure.hpp"

namespace gpuwarden::ssh {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using boost::system::error_code;

constexpr int kSilentIntervals = 3;
constexpr std::size_t kGreeting = 4096;            // holds the lists of what a peer can do
constexpr std::size_t kMostReadAhead = 8U << 20U;  // far more than a channel's window lets a peer send

void initialize_libssh2() {
  static const int once = libssh2_init(0);
  if (once != 0) throw std::bad_alloc();
}

}  // namespace

Connection::Connection(const asio::any_io_executor& executor)
    : socket_(executor), clock_(executor), peer_watch_(executor) {
  initialize_libssh2();
  session_ = libssh2_session_init_ex(nullptr, nullptr, nullptr, this);
  if (session_ == nullptr) throw std::bad_alloc();
  libssh2_session_set_blocking(session_, 0);
  libssh2_session_callback_set(session_, LIBSSH2_CALLBACK_RECV, reinterpret_cast<void*>(&on_receive));
  libssh2_session_callback_set(session_, LIBSSH2_CALLBACK_SEND, reinterpret_cast<void*>(&on_send));
}

Connection::~Connection() {
  aborted_ = true;
  // libssh2 frees what belongs to a key exchange only when the exchange itself finds out that it has failed.
  if (handshaking) (void)libssh2_session_handshake(session_, socket_.native_handle());
  // The callbacks refuse at once, so this neither sends nor waits. The socket closes after it: libssh2 must
  // not meet a descriptor number that belongs to somebody else by then.
  while (libssh2_session_free(session_) == LIBSSH2_ERROR_EAGAIN) {
  }
}

void Connection::start_clock(Duration time) {
  const unsigned turn = ++clock_turn_;
  expired_ = false;
  clock_.expires_after(std::max(time, Duration{0}));
  clock_.async_wait([weak = weak_from_this(), turn](error_code) {
    const auto alive = weak.lock();
    if (!alive || turn != alive->clock_turn_) return;
    alive->expired_ = true;
    alive->wake();
  });
}

Duration Connection::stop_clock() {
  ++clock_turn_;
  const auto left = clock_.expiry() - asio::steady_timer::clock_type::now();
  clock_.cancel();
  return std::max(std::chrono::duration_cast<Duration>(left), Duration{0});
}

void Connection::watch_peer(Duration interval) {
  ++watch_turn_;
  silent_for_ = 0;
  ping_due_ = false;
  received_before_ = received_;
  peer_watch_.cancel();
  if (interval <= Duration{0}) return;
  const auto whole = std::chrono::ceil<std::chrono::seconds>(interval).count();
  libssh2_keepalive_config(session_, 1, static_cast<unsigned>(whole));
  arm_peer_watch(interval);
}

void Connection::arm_peer_watch(Duration interval) {
  peer_watch_.expires_after(interval);
  peer_watch_.async_wait([weak = weak_from_this(), interval, turn = watch_turn_](error_code) {
    const auto alive = weak.lock();
    if (!alive || turn != alive->watch_turn_) return;
    const bool quiet = alive->received_ == std::exchange(alive->received_before_, alive->received_);
    alive->silent_for_ = quiet ? alive->silent_for_ + 1 : 0;
    if (quiet) {
      alive->ping_due_ = true;
      alive->wake();
    }
    alive->arm_peer_watch(interval);
  });
}

int Connection::ping() {
  int seconds_to_next = 0;
  return libssh2_keepalive_send(session_, &seconds_to_next);
}

void Connection::wake() {
  error_code ignored;
  socket_.cancel(ignored);
}

void Connection::abort() {
  aborted_ = true;
  ++clock_turn_;
  ++watch_turn_;
  clock_.cancel();
  peer_watch_.cancel();
  wake();
}

bool Connection::half_sent() const {
  return (libssh2_session_block_directions(session_) & LIBSSH2_SESSION_BLOCK_OUTBOUND) != 0;
}

Wake Connection::why_awake(const asio::cancellation_state& cancellation) {
  if (aborted_) return Wake::aborted;
  if (cancellation.cancelled() != asio::cancellation_type::none) return Wake::cancelled;
  if (expired_) return Wake::deadline;
  if (silent_for_ >= kSilentIntervals) return Wake::silent;
  return std::exchange(ping_due_, false) ? Wake::ping_due : Wake::ready;
}

awaitable<Wake> Connection::ready() {
  const auto self = shared_from_this();
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  if (const Wake already = why_awake(cancellation); already != Wake::ready) co_return already;
  error_code ended;
  if (half_sent()) {
    co_await wait_writable();
  } else if (inbox_at_ == inbox_.size()) {
    co_await socket_.async_wait(asio::socket_base::wait_read,
                                asio::redirect_error(asio::use_awaitable, ended));
  }
  co_return why_awake(cancellation);
}

awaitable<Wake> Connection::breathe() {
  const auto self = shared_from_this();
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  co_await asio::post(socket_.get_executor(), asio::use_awaitable);
  co_return why_awake(cancellation);
}

/// A peer that cannot get rid of its own output stops reading ours. Input is therefore taken in while a
/// packet is half sent, which libssh2 itself could not do.
awaitable<void> Connection::wait_writable() {
  using namespace asio::experimental::awaitable_operators;
  error_code read_ended, write_ended;
  if (input_ended_ || inbox_.size() - inbox_at_ >= kMostReadAhead) {
    co_await socket_.async_wait(asio::socket_base::wait_write,
                                asio::redirect_error(asio::use_awaitable, write_ended));
    co_return;
  }
  const auto first = co_await (socket_.async_wait(asio::socket_base::wait_write,
                                                  asio::redirect_error(asio::use_awaitable, write_ended)) ||
                               socket_.async_wait(asio::socket_base::wait_read,
                                                  asio::redirect_error(asio::use_awaitable, read_ended)));
  if (first.index() == 1 && !read_ended && !aborted_) fetch_input();
}

void Connection::fetch_input() {
  constexpr std::size_t kPiece = 65536;
  inbox_.erase(0, std::exchange(inbox_at_, 0));
  const std::size_t had = inbox_.size();
  inbox_.resize(had + kPiece);
  const ssize_t got = ::recv(socket_.native_handle(), inbox_.data() + had, kPiece, MSG_DONTWAIT);
  inbox_.resize(had + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  received_ += inbox_.size() - had;
  // The end itself, or the error, is found by the next read of libssh2.
  input_ended_ = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

awaitable<Result<int>> Connection::drive(std::function<int()> step) {
  const auto self = shared_from_this();
  for (;;) {
    if (aborted_) co_return fail(error(Wake::aborted));
    const int code = step();
    if (code != LIBSSH2_ERROR_EAGAIN) co_return code;
    const Wake wake = co_await ready();
    if (wake != Wake::ready && wake != Wake::ping_due) co_return fail(error(wake));
  }
}

ssize_t Connection::on_receive(libssh2_socket_t socket, void* buffer, std::size_t length, int /*flags*/,
                               void** abstract) {
  auto& self = *static_cast<Connection*>(*abstract);
  if (self.aborted_) return -ECONNRESET;
  if (const std::size_t left = self.inbox_.size() - self.inbox_at_; left > 0) {
    const std::size_t taken = std::min(left, length);
    std::copy_n(self.inbox_.data() + self.inbox_at_, taken, static_cast<char*>(buffer));
    self.remember(self.inbox_.data() + self.inbox_at_, taken);
    self.inbox_at_ += taken;
    if (self.inbox_at_ == self.inbox_.size()) self.inbox_.resize(std::exchange(self.inbox_at_, 0));
    return static_cast<ssize_t>(taken);
  }
  const ssize_t got = ::recv(socket, buffer, length, MSG_DONTWAIT);
  if (got > 0) {
    self.received_ += static_cast<std::size_t>(got);
    self.remember(static_cast<const char*>(buffer), static_cast<std::size_t>(got));
  }
  if (got < 0) return errno == EINTR ? -EAGAIN : -errno;
  return got;
}

void Connection::remember(const char* bytes, std::size_t count) {
  if (handshaking)
    greeting_.append(bytes, std::min(count, kGreeting - std::min(kGreeting, greeting_.size())));
}

ssize_t Connection::on_send(libssh2_socket_t socket, const void* buffer, std::size_t length, int /*flags*/,
                            void** abstract) {
  auto& self = *static_cast<Connection*>(*abstract);
  if (self.aborted_) return -ECONNRESET;
  const ssize_t put = ::send(socket, buffer, length, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (put < 0) return errno == EINTR ? -EAGAIN : -errno;
  return put;
}

Error Connection::error(int code, std::string_view doing) {
  return failure_of(session_, code, doing);
}

Error Connection::error(Wake wake) {
  return failure_of(wake);
}

}  // namespace gpuwarden::ssh
