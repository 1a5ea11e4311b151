#include "wire.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/http/retry.hpp"

namespace gpuwarden::runpod {
namespace {

namespace asio = boost::asio;

constexpr Duration kPauseWithoutHeader = std::chrono::seconds(5);  // after a 429 that does not say how long

/// False: cancelled.
asio::awaitable<bool> sleep_for(Duration duration) {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  if (cancellation.cancelled() != asio::cancellation_type::none) co_return false;
  asio::steady_timer timer(co_await asio::this_coro::executor, duration);
  boost::system::error_code cancelled;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
  co_return !cancelled;
}

}  // namespace

RunpodProvider::Wire::Wire(http::Client& client, const ports::Clock& clock, Settings settings)
    : client_(client), clock_(clock), settings_(std::move(settings)), random_(std::random_device{}()) {
  while (settings_.url.ends_with('/')) settings_.url.pop_back();
}

http::Request RunpodProvider::Wire::request(std::string method, const std::string& path) const {
  http::Request request;
  request.method = std::move(method);
  request.url = settings_.url + path;
  request.headers.emplace_back("Authorization", fmt::format("Bearer {}", settings_.api_key.reveal()));
  request.timeout = settings_.read_timeout;
  request.connect_timeout = std::min(request.connect_timeout, settings_.read_timeout);
  request.max_body = 64U << 20U;  // a page of 1,000 pods with their environments
  return request;
}

ports::Async<http::Response> RunpodProvider::Wire::exchange(http::Request request) {
  request.on_headers = [this, next = std::move(request.on_headers)](const http::Response& head) {
    learn(head);
    if (next) next(head);
  };
  co_return co_await client_.fetch(std::move(request));
}

void RunpodProvider::Wire::learn(const http::Response& head) {
  budget_.learn(head.header("RateLimit").value_or(""), head.header("RateLimit-Policy").value_or(""),
                clock_.now());
  if (head.status == 429) budget_.blocked(retry_after(head).value_or(kPauseWithoutHeader), clock_.now());
}

ports::Async<std::string> RunpodProvider::Wire::read(http::Priority priority, std::string path) {
  const MonoTime ends = now() + settings_.deadline;
  for (int made = 1;; ++made) {
    if (const Duration wait = try_turn(priority); wait > Duration{0}) {
      Error error;
      error.kind = ErrorKind::rate_limited;
      error.message = fmt::format("the request budget has no room for {}", format_duration(wait));
      error.retry_after = wait;
      co_return fail(std::move(error));
    }
    http::Request get = request("GET", path);
    get.headers.emplace_back("Accept", "application/json");
    get.timeout = std::clamp(ends - now(), Duration{1}, settings_.read_timeout);
    auto response = co_await exchange(std::move(get));
    Error error;
    if (!response) {
      error = std::move(response.error());
      if (error.kind == ErrorKind::ambiguous) error.kind = ErrorKind::unavailable;
    } else if (response->status != 200) {
      error = error_of(*response, retry_after(*response));
    } else if (!response->is_json()) {
      error.kind = ErrorKind::malformed;
      error.http_status = response->status;
      error.message = "the answer is not JSON";
    } else {
      co_return std::move(response->body);
    }
    // After a 429 the budget is shut: the caller is told how long instead of waiting here.
    const bool again = is_transient(error) && error.kind != ErrorKind::rate_limited;
    if (!again || !co_await pause(error, made, ends)) co_return fail(std::move(error));
  }
}

Duration RunpodProvider::Wire::try_turn(http::Priority priority) {
  return budget_.try_spend(priority, clock_.now());
}

asio::awaitable<Duration> RunpodProvider::Wire::take_turn(http::Priority priority) {
  const MonoTime ends = now() + settings_.budget_wait;
  for (;;) {
    const Duration wait = try_turn(priority);
    if (wait <= Duration{0}) co_return Duration{0};
    if (now() + wait > ends || !co_await sleep_for(wait)) co_return wait;
  }
}

asio::awaitable<bool> RunpodProvider::Wire::pause(const Error& error, int attempts_made, MonoTime ends) {
  http::RetryPolicy policy;
  policy.max_attempts = settings_.max_attempts;
  policy.base = settings_.retry_base;
  const auto length = http::pause_before_retry(policy, error, attempts_made, random_());
  if (!length || now() + *length >= ends) co_return false;
  co_return co_await sleep_for(*length);
}

std::optional<Duration> RunpodProvider::Wire::retry_after(const http::Response& response) const {
  return response.retry_after(clock_.wall());
}

std::vector<BudgetWindow> RunpodProvider::Wire::budget() const {
  const MonoTime now = clock_.now();
  std::vector<BudgetWindow> out;
  for (const auto& window : budget_.windows(now)) {
    out.push_back(
        {window.name, window.limit, window.remaining, std::max(Duration{0}, window.resets_at - now)});
  }
  return out;
}

}  // namespace gpuwarden::runpod
