#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gpuwarden/domain/failure_cause.hpp"
#include "gpuwarden/domain/worker.hpp"

namespace gpuwarden::bootstrap {

/// One `@gpuwarden {...}` line of the startup script or the agent.
struct StatusLine {
  enum class Event { begin, end, fail };
  std::string worker;
  BootStep step{BootStep::preflight};
  Event event{Event::begin};
  std::string time;  ///< as printed by the pod
  std::optional<int> exit_code;
  std::string signal;
  std::vector<std::string> tail;
  std::string
      check;  ///< preflight: which check failed ("gpu", "memory", "disk", "mount", "network", "credentials")
  std::string commit;  ///< fetch end: git commit
};

/// Bytes; longer lines are no status lines.
inline constexpr std::size_t kLongestStatusLine = std::size_t{64} * 1024;

/// nullopt for anything that is not a well-formed status line. Bounded: lines over 64 KB are refused.
std::optional<StatusLine> parse_status_line(std::string_view line);

/// The line again, as it stands in the evidence; broken UTF-8 is replaced.
std::string format_status_line(const StatusLine& status);

/// What a line of the event `fail` says by itself: the check of preflight that failed, else the step.
FailureCause cause_of(const StatusLine& line);

/// Cuts a byte stream into lines, tolerating chunks, CR and very long lines (cut at 64 KB); counts consumed
/// bytes so that reading can go on at `offset()` after a dropped connection.
class StatusStream {
 public:
  /// Complete lines that became available with this chunk.
  std::vector<std::string> feed(std::string_view chunk);
  /// Bytes up to the end of the last complete line.
  std::size_t offset() const { return offset_; }

 private:
  std::string partial_;
  std::size_t pending_{0};  ///< bytes of the line that has not ended yet
  std::size_t offset_{0};
};

}  // namespace gpuwarden::bootstrap
