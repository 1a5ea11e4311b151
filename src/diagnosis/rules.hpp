#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "trouble.hpp"

namespace gpuwarden::diagnosis {

/// How much a line says. Of two lines the stronger decides; of equals the earlier.
enum class Strength : std::uint8_t {
  warning = 1,  ///< only when there is nothing else
  consequence,  ///< speaks of something that failed before
  error_line,   ///< says that something went wrong, not what
  shell,        ///< one tool's complaint, or a network error that may have been retried
  exception,    ///< ends the program that printed it
  specific,     ///< names what a step could not do
  root          ///< names what has to be mended, whatever step it happened in
};

/// One known message. Patterns are lower case and match anywhere in the line: `*` = anything between,
/// leading `^` = where the message begins (behind time stamps and levels), leading `=` = the whole message.
/// The text before the first `*` has at least four characters.
struct Rule {
  std::string_view pattern;
  Trouble trouble;
  Strength strength;
};

/// Messages that name what has to be mended, whatever the step: providers, GPU, memory, disk, images.
std::span<const Rule> root_rules();
/// Messages of single steps and tools, from specific ones down to consequences.
std::span<const Rule> step_rules();

}  // namespace gpuwarden::diagnosis
