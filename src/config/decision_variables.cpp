#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "gpuwarden/config/nearest.hpp"

#include "checks.hpp"
#include "variable.hpp"

namespace gpuwarden::config {
namespace {

/// Two values that it takes lead to different settings of the decisions.
bool decides(const Variable& variable) {
  constexpr std::array<std::string_view, 4> kGroups{"Scaling", "Times", "Tasks", "Breaker"};
  if (std::find(kGroups.begin(), kGroups.end(), variable.group) == kGroups.end()) return false;
  std::vector<policy::Settings> seen;
  for (const std::string_view value : {"1", "2", "0.5", "a*", "b*"}) {
    Draft draft;
    if (variable.type.store(value, draft).empty()) seen.push_back(draft.config.policy);
  }
  return std::any_of(seen.begin(), seen.end(), [&](const auto& one) { return one != seen.front(); });
}

const Variable* variable_named(std::string_view name) {
  const auto found =
      std::find_if(table().begin(), table().end(), [&](const Variable& one) { return one.name == name; });
  return found == table().end() ? nullptr : &*found;
}

}  // namespace

std::vector<std::string> decision_variables() {
  std::vector<std::string> names;
  for (const Variable& variable : table()) {
    if (decides(variable)) names.push_back(variable.name);
  }
  return names;
}

Result<void> set_decision_variable(policy::Settings& settings, std::string_view name,
                                   std::string_view value) {
  const std::vector<std::string> names = decision_variables();
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    const auto like = nearest(name, names);
    const std::string hint = like ? fmt::format(". Did you mean {}?", *like) : std::string();
    return fail(ErrorKind::invalid_input, variable_named(name) != nullptr
                                              ? fmt::format("{} does not enter into decisions{}", name, hint)
                                              : fmt::format("{} is not known{}", name, hint));
  }
  Draft draft;
  draft.config.policy = settings;
  const std::string wrong = variable_named(name)->type.store(value, draft);
  if (!wrong.empty()) return fail(ErrorKind::invalid_input, fmt::format("{} {}", name, wrong));
  share(draft.config);
  settings = std::move(draft.config.policy);
  return {};
}

}  // namespace gpuwarden::config
