#pragma once

#include <string>
#include <string_view>

#include <fmt/format.h>

namespace gpuwarden::policy {

/// "1 worker", "3 workers"; regular plurals only.
inline std::string counted(long count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

/// "1 worker is", "3 workers are".
inline std::string counted_are(long count, std::string_view noun) {
  return fmt::format("{} {}", counted(count, noun), count == 1 ? "is" : "are");
}

}  // namespace gpuwarden::policy
