#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gpuwarden::diagnosis {

/// The part of an `@gpuwarden {...}` line that diagnosis needs.
struct StatusText {
  std::string step, event, check;
  std::optional<int> exit_code;
  std::vector<std::string> tail;
};

/// Reads a status line leniently, also one that was cut; nothing when the line is none.
std::optional<StatusText> read_status(std::string_view line);

}  // namespace gpuwarden::diagnosis
