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

/// One known message. Patterns are lower case and match anywhere in the line: `*` = at most 300 characters,
/// leading `^` = where the message begins (behind time stamps and levels), leading `=` = the whole message.
/// Patterns that begin with `error: ` do not match the end of an exception's name. The text before the first
/// `*` has at least four characters.
struct Rule {
  std::string_view pattern;
  Trouble trouble;
  Strength strength;
};

/// The tables by family; of equally strong rules that fit a line the one listed first decides.
std::span<const Rule> provider_rules();
std::span<const Rule> gpu_rules();
std::span<const Rule> storage_rules();
std::span<const Rule> ssh_git_rules();
std::span<const Rule> package_rules();
std::span<const Rule> program_rules();
std::span<const Rule> network_rules();
std::span<const Rule> generic_rules();

}  // namespace gpuwarden::diagnosis
