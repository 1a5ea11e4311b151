#include "gpuwarden/app/webhook_alerts.hpp"

#include <utility>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

namespace gpuwarden::app {
namespace {

using boost::asio::awaitable;
using namespace std::chrono_literals;

constexpr Duration kLook = 1s;
constexpr Duration kLookWhileStopping = 20ms;
constexpr std::size_t kLongestAnswer = std::size_t{64} * 1024;

std::string words_of(const Error& error, Duration timeout) {
  if (error.kind == ErrorKind::unavailable) return "cannot be reached";
  if (error.kind == ErrorKind::timeout)
    return fmt::format("gave no answer within {}", format_duration(timeout));
  return fmt::format("gave no usable answer ({})", to_string(error.kind));
}

}  // namespace

WebhookAlerts::WebhookAlerts(WebhookSettings settings, http::Client& http, ports::Clock& clock,
                             const Redactor& redactor, ports::Log& log)
    : settings_(std::move(settings)), http_(http), clock_(clock), redactor_(redactor), log_(log) {}

void WebhookAlerts::write(ports::LogLevel level, std::string_view event, std::string_view message,
                          const ports::LogFields& fields) {
  if (auto alert = rules_.of(level, event, message, fields, clock_.now(), clock_.wall()))
    push(std::move(*alert));
}

void WebhookAlerts::push(ops::Alert alert) {
  queue_.push_back(std::move(alert));
  if (queue_.size() <= settings_.capacity) return;
  queue_.pop_front();
  ++dropped_;
}

awaitable<void> WebhookAlerts::run() {
  while (!stopping_) {
    for (ops::Alert& alert : rules_.due(clock_.now(), clock_.wall())) push(std::move(alert));
    co_await deliver_queued();
    co_await clock_.sleep_for(kLook);
  }
}

awaitable<void> WebhookAlerts::finish(Duration limit) {
  using namespace boost::asio::experimental::awaitable_operators;
  stopping_ = true;
  const auto rest = [this]() -> awaitable<void> {
    while (delivering_) co_await clock_.sleep_for(kLookWhileStopping);
    co_await deliver_queued();
  };
  co_await (rest() || clock_.sleep_for(limit));
}

awaitable<void> WebhookAlerts::deliver_queued() {
  if (delivering_) co_return;
  delivering_ = true;
  while (!queue_.empty()) {
    ops::Alert alert = std::move(queue_.front());
    queue_.pop_front();
    if (dropped_ > 0)
      alert.text += fmt::format(" ({} older alerts were dropped.)", std::exchange(dropped_, 0));
    co_await deliver(std::move(alert));
  }
  delivering_ = false;
}

awaitable<void> WebhookAlerts::deliver(ops::Alert alert) {
  const std::string body = ops::alert_json(alert, settings_.owner, redactor_);
  bool again = false;
  std::string trouble = co_await post(body, again);
  if (again && !stopping_) {
    co_await clock_.sleep_for(settings_.retry_pause);
    trouble = co_await post(body, again);
  }
  if (trouble.empty()) {
    if (failed_ > 0)
      log_.info("alerts_back",
                fmt::format("the alert webhook works again; {} alerts were lost", std::exchange(failed_, 0)));
    co_return;
  }
  if (failed_++ > 0) co_return;
  log_.warning(
      "alert_failed",
      fmt::format("the alert webhook {}: alerts are lost until it works. Check ALERT_WEBHOOK_URL, then: "
                  "systemctl restart gpuwarden",
                  trouble),
      {{"alert", alert.event}});
}

awaitable<std::string> WebhookAlerts::post(const std::string& body, bool& again) {
  constexpr int kTooManyRequests = 429;
  constexpr int kServerTrouble = 500;
  http::Request request;
  request.method = "POST";
  request.url = settings_.url;
  request.body = body;
  request.headers = {{"Content-Type", "application/json"}};
  request.timeout = request.connect_timeout = settings_.timeout;
  request.max_body = kLongestAnswer;
  const auto response = co_await http_.fetch(std::move(request));
  again = !response || response->status == kTooManyRequests || response->status >= kServerTrouble;
  if (!response) co_return words_of(response.error(), settings_.timeout);
  if (response->status >= 200 && response->status < 300) co_return std::string();
  co_return fmt::format("answered {}", response->status);
}

}  // namespace gpuwarden::app
