#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "command.hpp"

namespace gpuwarden::cli {

/// A configuration problem in two parts, without the final full stop of the first.
struct Advice {
  std::string problem, remedy;
};
/// The first sentence is the problem, what follows the remedy; `otherwise` where nothing follows. Full stops
/// in quoted values end no sentence.
Advice advice(std::string_view message, std::string_view otherwise);

/// [{name, problem, remedy}, ...]
Json problems_json(const std::vector<config::Problem>& problems);

/// "2 errors", "1 warning"
std::string counted(std::size_t number, std::string_view what);

}  // namespace gpuwarden::cli
