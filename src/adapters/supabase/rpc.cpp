#include "rpc.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/http/retry.hpp"

namespace gpuwarden::supabase {
namespace {

namespace asio = boost::asio;

/// The client's errors in the light of what the call would have done.
Error transport_error(Error error, Effect effect) {
  if (effect == Effect::read && error.kind == ErrorKind::ambiguous) error.kind = ErrorKind::unavailable;
  if (effect == Effect::write && error.kind == ErrorKind::timeout) error.kind = ErrorKind::ambiguous;
  return error;
}

/// The API does not know the function or table: it is missing, or the API's schema cache is older than it.
/// Nothing ran.
bool is_unknown_to_schema(const Error& error) {
  constexpr std::array<std::string_view, 4> kCodes{"PGRST202", "PGRST204", "PGRST205", "42P01"};
  return std::find(kCodes.begin(), kCodes.end(), error.code) != kCodes.end();
}

bool may_repeat(const Error& error, const Call& call, int attempts_made) {
  switch (error.kind) {
    case ErrorKind::rate_limited:
      return true;
    case ErrorKind::unavailable:
      return error.code != "25006";  // a read-only database stays so for longer than a pause
    case ErrorKind::timeout:
      return error.code != "57014" || attempts_made == 1;
    case ErrorKind::ambiguous:
      return call.repeatable;
    case ErrorKind::invalid_input:
    case ErrorKind::unauthorized:
    case ErrorKind::not_found:
    case ErrorKind::conflict:
    case ErrorKind::malformed:
    case ErrorKind::refused:
    case ErrorKind::cancelled:
    case ErrorKind::internal:
      return false;
  }
  return false;
}

}  // namespace

SupabaseStore::Rpc::Rpc(http::Client& client, Settings settings)
    : client_(client),
      settings_(std::move(settings)),
      slots_(settings_.max_concurrent),
      random_(std::random_device{}()) {
  while (settings_.url.ends_with('/')) settings_.url.pop_back();
}

ports::Async<std::string> SupabaseStore::Rpc::attempt(const Call& call, Progress& progress) {
  const Slots::Permit permit = co_await slots_.acquire();
  if (!permit) co_return fail(ErrorKind::cancelled, "cancelled");
  http::Request request;
  request.method = "POST";
  request.url = settings_.url + call.path;
  request.body = call.body;
  request.headers = key_headers(settings_.key);
  request.headers.emplace_back("Content-Type", "application/json");
  request.headers.emplace_back("Accept", "application/json");
  request.timeout = settings_.attempt_timeout;
  request.connect_timeout = settings_.attempt_timeout;
  request.max_body = call.max_body;
  progress.sent = true;
  auto response = co_await client_.fetch(std::move(request));
  if (!response) co_return fail(transport_error(std::move(response.error()), call.effect));
  if (response->status < 200 || response->status > 299) co_return fail(error_of(*response, call.effect));
  if (!response->is_json()) {
    Error error;
    error.kind = ErrorKind::malformed;
    error.http_status = response->status;
    error.message =
        fmt::format("the answer is {}, not JSON",
                    ellipsize(printable(response->header("Content-Type").value_or("untyped")), 60));
    co_return fail(std::move(error));
  }
  co_return std::move(response->body);
}

std::optional<Duration> SupabaseStore::Rpc::pause_after(const Error& error, const Call& call,
                                                        int attempts_made) {
  if (is_unknown_to_schema(error)) {
    if (attempts_made > 1) return std::nullopt;
    // Three quarters to five quarters of the pause, so that not all calls come back together.
    const Duration::rep half = settings_.schema_pause.count() / 2;
    const auto part = static_cast<Duration::rep>(random_() % static_cast<std::uint64_t>(half + 1));
    return settings_.schema_pause - Duration(half / 2) + Duration(part);
  }
  if (!may_repeat(error, call, attempts_made)) return std::nullopt;
  http::RetryPolicy policy;
  policy.max_attempts = settings_.max_attempts;
  policy.base = settings_.retry_base;
  return http::pause_before_retry(policy, error, attempts_made, random_());
}

ports::Async<Answer> SupabaseStore::Rpc::attempts(const Call& call, Progress& progress) {
  Answer answer;
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  for (int made = 1;; ++made) {
    auto body = co_await attempt(call, progress);
    if (body) {
      answer.body = std::move(*body);
      co_return answer;
    }
    const Error& error = body.error();
    if (error.kind == ErrorKind::ambiguous) answer.after_ambiguous = true;
    // An attempt that the deadline cut off ends as cancelled: what it sent stays in doubt.
    if (error.kind != ErrorKind::cancelled) progress.sent = answer.after_ambiguous;
    asio::steady_timer timer(co_await asio::this_coro::executor);
    const auto pause = pause_after(error, call, made);
    if (pause) timer.expires_after(*pause);
    // A pause beyond the deadline would only put off the same answer and forget what it says.
    if (!pause || timer.expiry() >= progress.ends) {
      Error last = error;
      // What an earlier attempt may have done outweighs what the last one certainly did not.
      if (answer.after_ambiguous && call.effect == Effect::write) last.kind = ErrorKind::ambiguous;
      co_return fail(std::move(last));
    }
    progress.last = error;
    // A cancellation that arrives in the turn in which the attempt or the pause ended would make the next
    // co_await throw.
    const auto cancelled = [&] { return cancellation.cancelled() != asio::cancellation_type::none; };
    if (cancelled()) co_return fail(ErrorKind::cancelled, "cancelled");
    boost::system::error_code woken;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    if (cancelled()) co_return fail(ErrorKind::cancelled, "cancelled");
  }
}

ports::Async<Answer> SupabaseStore::Rpc::post(Call call) {
  using namespace asio::experimental::awaitable_operators;
  asio::steady_timer deadline(co_await asio::this_coro::executor, settings_.deadline);
  Progress progress{.ends = deadline.expiry(), .sent = false, .last = {}};
  auto ended = co_await (attempts(call, progress) || deadline.async_wait(asio::use_awaitable));
  if (ended.index() == 0) {
    auto& answer = std::get<0>(ended);
    if (!answer) co_return fail(answer.error().within(call.name));
    co_return std::move(*answer);
  }
  Error error;
  if (call.effect == Effect::read) {
    error.kind = ErrorKind::timeout;
  } else {
    error.kind = progress.sent ? ErrorKind::ambiguous : ErrorKind::unavailable;
  }
  error.message = fmt::format("{}: no answer within {}", call.name, format_duration(settings_.deadline));
  if (!progress.last.message.empty()) {
    error.http_status = progress.last.http_status;
    error.code = progress.last.code;
    error.message += fmt::format(" (before: {})", progress.last.message);
  }
  co_return fail(std::move(error));
}

}  // namespace gpuwarden::supabase
