#pragma once

#include <optional>
#include <string_view>

#include "rules.hpp"

namespace gpuwarden::diagnosis {

struct Match {
  const Rule* rule;
  std::size_t at;  ///< where in the line
};

/// The strongest rule that fits the line (lower case); of equals the one listed first. `message` is where the
/// line's message begins. Linear in the line's length.
std::optional<Match> best_match(std::string_view low, std::size_t message);

}  // namespace gpuwarden::diagnosis
