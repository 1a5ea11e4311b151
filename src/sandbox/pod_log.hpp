#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gpuwarden/base/result.hpp"
#include "gpuwarden/base/time.hpp"

namespace gpuwarden::sandbox {

struct LogLine {
  std::string source;  ///< "container" or "system"
  std::string text;
  WallTime time{};
  std::uint64_t number{0};  ///< counts up over the pod's life
};

/// What of a log a request asks for.
struct LogFilter {
  std::string source;  ///< empty = both
  std::size_t tail{100};
  std::optional<WallTime> since;  ///< later than this
  std::uint64_t after{0};         ///< line number; from Last-Event-ID
};
/// Reads source, tail and since; `last_event_id` wins over since. The errors are those of a 422.
tl::expected<LogFilter, std::vector<std::string>> parse_log_query(
    const std::multimap<std::string, std::string>& query, std::optional<std::string_view> last_event_id);

/// A pod's container and system log, the newest lines of it.
class PodLog {
 public:
  void add(std::string source, std::string text, WallTime time);
  /// The last `tail` lines that the filter lets through, oldest first.
  std::vector<LogLine> select(const LogFilter& filter) const;
  std::uint64_t last_number() const { return next_ - 1; }

 private:
  std::deque<LogLine> lines_;
  std::uint64_t next_{1};
};

/// One server-sent event.
std::string to_event(const LogLine& line);

}  // namespace gpuwarden::sandbox
