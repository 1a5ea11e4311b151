#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gpuwarden/base/time.hpp"
#include "gpuwarden/ports/log.hpp"

namespace gpuwarden::supabase {

/// One row of system_logs. Texts are stored as they are: without secrets.
struct LogRow {
  WallTime at{};
  std::string source;  ///< which daemon: its owner
  std::string level;   ///< DEBUG, INFO, WARNING, ERROR
  std::string message;
  std::string worker, task;  ///< empty = none; `task` counts only when it is a uuid
  std::uint64_t cycle{0};    ///< number of the tick
  ports::LogFields fields;   ///< become `metadata`
};

/// What the database made of a batch.
struct LogsStored {
  int stored{0}, refused{0};
};

/// Argument of func_insert_logs_batch.
std::string insert_logs_request(const std::vector<LogRow>& rows);
/// Its answer. A project may have its own function with another answer: what it does not say counts as
/// stored.
LogsStored parse_logs_stored(std::string_view body, std::size_t sent);

}  // namespace gpuwarden::supabase
