#pragma once

#include <string_view>

namespace gpuwarden {

/// A text file that was compiled into the program.
struct EmbeddedFile {
  std::string_view name;
  std::string_view text;
};

}  // namespace gpuwarden
