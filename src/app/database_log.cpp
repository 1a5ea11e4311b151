#include "gpuwarden/app/database_log.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

namespace gpuwarden::app {
namespace {

using boost::asio::awaitable;
using supabase::LogRow;
using namespace std::chrono_literals;

constexpr Duration kLook = 500ms;
constexpr Duration kLookWhileStopping = 20ms;
constexpr Duration kFirstPause = 5s;
constexpr Duration kLongestPause = 60s;
constexpr std::size_t kLongestText = 4000;

std::string name_of(ports::LogLevel level) {
  switch (level) {
    case ports::LogLevel::debug:
      return "DEBUG";
    case ports::LogLevel::info:
      return "INFO";
    case ports::LogLevel::warning:
      return "WARNING";
    case ports::LogLevel::error:
      return "ERROR";
  }
  return "INFO";
}

}  // namespace

DatabaseLog::DatabaseLog(DatabaseLogSettings settings, Insert insert, std::function<std::uint64_t()> tick,
                         ports::Clock& clock, const Redactor& redactor, ports::Log& log)
    : settings_(std::move(settings)),
      insert_(std::move(insert)),
      tick_(std::move(tick)),
      clock_(clock),
      redactor_(redactor),
      log_(log) {}

std::string DatabaseLog::clean(std::string_view text) const {
  return ellipsize(printable(redactor_.redact(text)), kLongestText);
}

void DatabaseLog::write(ports::LogLevel level, std::string_view event, std::string_view message,
                        const ports::LogFields& fields) {
  if (level < settings_.least) return;
  LogRow row;
  row.at = clock_.wall();
  row.source = settings_.source;
  row.level = name_of(level);
  row.message = clean(message);
  row.cycle = tick_();
  row.fields.emplace_back("event", event);
  for (const auto& [name, value] : fields) {
    if (value.empty()) continue;
    std::string text = clean(value);
    if (name == "worker") row.worker = text;
    if (name == "task") row.task = text;
    row.fields.emplace_back(name, std::move(text));
  }
  if (rows_.empty()) waiting_since_ = clock_.now();
  rows_.push_back(std::move(row));
  keep_within_capacity();
}

void DatabaseLog::keep_within_capacity() {
  while (rows_.size() > settings_.capacity) {
    rows_.pop_front();
    ++dropped_;
  }
}

awaitable<void> DatabaseLog::run() {
  while (!stopping_) {
    co_await clock_.sleep_for(kLook);
    const MonoTime now = clock_.now();
    const bool due = rows_.size() >= settings_.batch ||
                     (!rows_.empty() && waiting_since_ && now - *waiting_since_ >= settings_.every);
    if (due && now >= next_try_ && !stopping_) co_await flush(settings_.batch);
  }
}

awaitable<void> DatabaseLog::finish(Duration limit) {
  using namespace boost::asio::experimental::awaitable_operators;
  stopping_ = true;
  const auto rest = [this]() -> awaitable<void> {
    while (flushing_) co_await clock_.sleep_for(kLookWhileStopping);
    co_await flush(rows_.size());
  };
  co_await (rest() || clock_.sleep_for(limit));
}

std::vector<LogRow> DatabaseLog::take(std::size_t most) {
  const auto end = rows_.begin() + static_cast<std::ptrdiff_t>(std::min(most, rows_.size()));
  std::vector<LogRow> batch(std::make_move_iterator(rows_.begin()), std::make_move_iterator(end));
  rows_.erase(rows_.begin(), end);
  waiting_since_ = clock_.now();
  return batch;
}

LogRow DatabaseLog::notice(std::size_t lost) const {
  LogRow row;
  row.at = clock_.wall();
  row.source = settings_.source;
  row.level = name_of(ports::LogLevel::warning);
  row.message =
      fmt::format("{} log lines before this one were dropped: the database did not take them in time", lost);
  row.cycle = tick_();
  row.fields = {{"event", "log_lines_dropped"}, {"lines", std::to_string(lost)}};
  return row;
}

awaitable<void> DatabaseLog::flush(std::size_t most) {
  if (rows_.empty() || flushing_) co_return;
  flushing_ = true;
  const std::size_t lost = std::exchange(dropped_, 0);
  const std::vector<LogRow> batch = take(most);
  std::vector<LogRow> sent = batch;
  if (lost > 0) sent.insert(sent.begin(), notice(lost));
  const auto answer = co_await insert_(std::move(sent));
  flushing_ = false;
  if (answer) {
    stored(*answer);
  } else {
    dropped_ += lost;
    failed(answer.error(), batch);
  }
}

void DatabaseLog::stored(const supabase::LogsStored& answer) {
  pause_ = Duration{0};
  if (std::exchange(failing_, false)) log_.info("db_log_back", "system_logs takes log lines again");
  if (answer.refused == 0 || std::exchange(refused_told_, true)) return;
  log_.warning(
      "db_log_refused",
      fmt::format("system_logs refused {} of {} log lines: compare its columns with `gpuwarden migrate "
                  "--print`",
                  answer.refused, answer.refused + answer.stored));
}

void DatabaseLog::failed(const Error& error, const std::vector<LogRow>& rows) {
  pause_ = std::clamp(pause_ * 2, kFirstPause, kLongestPause);
  next_try_ = clock_.now() + pause_;
  if (error.kind == ErrorKind::unavailable || error.kind == ErrorKind::rate_limited) {
    rows_.insert(rows_.begin(), rows.begin(), rows.end());
    keep_within_capacity();
  } else {
    dropped_ += rows.size();  // stored or not storable: a second try makes duplicates or fails alike
  }
  if (std::exchange(failing_, true)) return;
  log_.warning("db_log_failed", fmt::format("log lines cannot be written into system_logs, up to {} wait: {}",
                                            settings_.capacity, error.message));
}

}  // namespace gpuwarden::app
