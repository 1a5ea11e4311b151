#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gpuwarden::config {

/// Fewest insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`; upper and lower
/// case are the same.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate most like `word`, or none when nothing is like it (more than a third of the letters differ).
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace gpuwarden::config
