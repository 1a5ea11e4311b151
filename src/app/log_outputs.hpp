#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "gpuwarden/app/database_log.hpp"
#include "gpuwarden/app/logging.hpp"
#include "gpuwarden/app/webhook_alerts.hpp"

#include "services.hpp"

namespace gpuwarden::app {

/// Everywhere the daemon's log lines go: standard error and file, and where asked for the alert webhook and
/// the database. The level holds for lines, in whatever place; alerts are chosen from all of them.
class LogOutputs : public ports::Log {
 public:
  LogOutputs(const LogSettings& settings, World& world, const config::Config& config,
             std::function<std::uint64_t()> tick);
  void write(ports::LogLevel level, std::string_view event, std::string_view message,
             const ports::LogFields& fields) override;

  /// debug, info, warning or error: less important lines are left out.
  void set_level(std::string_view name) { least_ = log_level(name); }
  /// Lets the slow outputs work in the background.
  void start(const boost::asio::any_io_executor& executor);
  /// Their last words, within `limit`.
  boost::asio::awaitable<void> finish(Duration limit);

 private:
  ports::LogLevel least_;
  std::unique_ptr<ports::Log> lines_;  ///< writes whatever it gets
  std::unique_ptr<WebhookAlerts> alerts_;
  std::unique_ptr<DatabaseLog> database_;
};

}  // namespace gpuwarden::app
