#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "gpuwarden/base/redact.hpp"
#include "gpuwarden/ports/clock.hpp"
#include "gpuwarden/ports/log.hpp"
#include "gpuwarden/ports/task_store.hpp"
#include "gpuwarden/supabase/log_rows.hpp"

namespace gpuwarden::app {

struct DatabaseLogSettings {
  ports::LogLevel least{ports::LogLevel::info};  ///< less important lines are left out
  std::string source;                            ///< system_logs.source_id: whose daemon this is
  Duration every{std::chrono::seconds(5)};
  std::size_t batch{100};      ///< so many lines are stored at once, and before the time is up
  std::size_t capacity{1000};  ///< lines that wait; the oldest are dropped
};

/// A copy of the log in the table system_logs, in batches. Nobody waits for it. Its own trouble goes to
/// `log` only, once, so that it never feeds itself.
class DatabaseLog : public ports::Log {
 public:
  using Insert = std::function<ports::Async<supabase::LogsStored>(std::vector<supabase::LogRow>)>;
  /// `tick` gives the number of the current tick. All references outlive this.
  DatabaseLog(DatabaseLogSettings settings, Insert insert, std::function<std::uint64_t()> tick,
              ports::Clock& clock, const Redactor& redactor, ports::Log& log);
  void write(ports::LogLevel level, std::string_view event, std::string_view message,
             const ports::LogFields& fields) override;

  /// Stores until `finish`.
  boost::asio::awaitable<void> run();
  /// Stores what waits, within `limit`, and stops.
  boost::asio::awaitable<void> finish(Duration limit);

 private:
  std::string clean(std::string_view text) const;
  void keep_within_capacity();
  std::vector<supabase::LogRow> take(std::size_t most);
  boost::asio::awaitable<void> flush(std::size_t most);
  supabase::LogRow notice(std::size_t lost) const;
  void failed(const Error& error, const std::vector<supabase::LogRow>& rows);
  void stored(const supabase::LogsStored& answer);

  DatabaseLogSettings settings_;
  Insert insert_;
  std::function<std::uint64_t()> tick_;
  ports::Clock& clock_;
  const Redactor& redactor_;
  ports::Log& log_;
  std::deque<supabase::LogRow> rows_;
  std::size_t dropped_{0};  ///< since the last row that said so
  std::optional<MonoTime> waiting_since_;
  Duration pause_{0};  ///< after failures
  MonoTime next_try_{};
  bool failing_{false}, refused_told_{false}, flushing_{false}, stopping_{false};
};

}  // namespace gpuwarden::app
