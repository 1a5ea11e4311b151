#pragma once

#include <deque>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "gpuwarden/base/redact.hpp"
#include "gpuwarden/http/client.hpp"
#include "gpuwarden/ops/alerts.hpp"
#include "gpuwarden/ports/clock.hpp"
#include "gpuwarden/ports/log.hpp"

namespace gpuwarden::app {

struct WebhookSettings {
  std::string url;    ///< a secret
  std::string owner;  ///< whose fleet it is
  Duration timeout{std::chrono::seconds(10)};
  Duration retry_pause{std::chrono::seconds(2)};  ///< before the one second try
  std::size_t capacity{50};                       ///< of the queue; the oldest alert is dropped
};

/// Sees every log line and posts those that are worth an alert to a webhook, one by one. Nobody waits for
/// it. That it cannot deliver is logged once, and once that it can again.
class WebhookAlerts : public ports::Log {
 public:
  /// `log` gets its own trouble. All references outlive this.
  WebhookAlerts(WebhookSettings settings, http::Client& http, ports::Clock& clock, const Redactor& redactor,
                ports::Log& log);
  void write(ports::LogLevel level, std::string_view event, std::string_view message,
             const ports::LogFields& fields) override;

  /// Delivers until `finish`.
  boost::asio::awaitable<void> run();
  /// Delivers what is queued, within `limit`, and stops.
  boost::asio::awaitable<void> finish(Duration limit);

 private:
  void push(ops::Alert alert);
  boost::asio::awaitable<void> deliver_queued();
  boost::asio::awaitable<void> deliver(ops::Alert alert);
  /// Empty: delivered. Else what went wrong, without the address.
  boost::asio::awaitable<std::string> post(const std::string& body, bool& again);

  WebhookSettings settings_;
  http::Client& http_;
  ports::Clock& clock_;
  const Redactor& redactor_;
  ports::Log& log_;
  ops::AlertRules rules_;
  std::deque<ops::Alert> queue_;
  int dropped_{0};  ///< since the last one that was delivered
  int failed_{0};   ///< the same
  bool delivering_{false}, stopping_{false};
};

}  // namespace gpuwarden::app
