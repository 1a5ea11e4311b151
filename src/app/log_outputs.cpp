#include "log_outputs.hpp"

#include <exception>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>

namespace gpuwarden::app {
namespace {

using boost::asio::awaitable;

void rethrow(const std::exception_ptr& failure) {
  if (failure) std::rethrow_exception(failure);
}

LogSettings unfiltered(LogSettings settings) {
  settings.level = "debug";
  return settings;
}

}  // namespace

LogOutputs::LogOutputs(const LogSettings& settings, World& world, const config::Config& config,
                       std::function<std::uint64_t()> tick)
    : least_(log_level(settings.level)), lines_(make_log(unfiltered(settings), world.redactor, world.clock)) {
  if (const std::string& url = config.daemon.alert_webhook_url; !url.empty()) {
    WebhookSettings webhook;
    webhook.url = url;
    webhook.owner = config.control.owner;
    alerts_ =
        std::make_unique<WebhookAlerts>(std::move(webhook), world.http, world.clock, world.redactor, *lines_);
  }
  if (config.supabase.db_logging) {
    DatabaseLogSettings database;
    database.least = ports::LogLevel::debug;
    database.source = config.control.owner;
    auto insert = [store = world.store](std::vector<supabase::LogRow> rows) {
      return store->insert_logs(std::move(rows));
    };
    database_ = std::make_unique<DatabaseLog>(std::move(database), std::move(insert), std::move(tick),
                                              world.clock, world.redactor, *lines_);
  }
}

void LogOutputs::write(ports::LogLevel level, std::string_view event, std::string_view message,
                       const ports::LogFields& fields) {
  if (alerts_) alerts_->write(level, event, message, fields);
  if (level < least_) return;
  lines_->write(level, event, message, fields);
  if (database_) database_->write(level, event, message, fields);
}

void LogOutputs::start(const boost::asio::any_io_executor& executor) {
  if (alerts_) boost::asio::co_spawn(executor, alerts_->run(), rethrow);
  if (database_) boost::asio::co_spawn(executor, database_->run(), rethrow);
}

awaitable<void> LogOutputs::finish(Duration limit) {
  using namespace boost::asio::experimental::awaitable_operators;
  const auto alerts = [&]() -> awaitable<void> {
    if (alerts_) co_await alerts_->finish(limit);
  };
  const auto database = [&]() -> awaitable<void> {
    if (database_) co_await database_->finish(limit);
  };
  co_await (alerts() && database());
}

}  // namespace gpuwarden::app
