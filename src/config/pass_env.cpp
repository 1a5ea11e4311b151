#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "checks.hpp"
#include "lookup.hpp"
#include "text.hpp"

namespace gpuwarden::config {
namespace {

constexpr std::array kGivenAnyway{"WORKER_ID",         "GPUWARDEN_WORKER_TOKEN",   "SUPABASE_URL",
                                  "SUPABASE_ANON_KEY", "SUPABASE_PUBLISHABLE_KEY", "RUN_TYPE"};
constexpr std::array kPowerful{"SUPABASE_SECRET_KEY", "SUPABASE_SERVICE_ROLE_KEY", "RUNPOD_API_KEY"};

template <class Names>
bool holds(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

void resolve_pass_env(Draft& draft, const Source& source, Loaded& loaded) {
  const std::string self = "WORKER_PASS_ENV";
  for (const std::string& name : draft.pass_env) {
    if (holds(kGivenAnyway, name)) {
      loaded.warnings.push_back({self, fmt::format("{} need not be listed: every worker has it.", name)});
      continue;
    }
    if (holds(kPowerful, name))
      loaded.warnings.push_back(
          {self,
           fmt::format("gives {} to every pod: whoever controls a pod then controls all of it.", name)});
    if (const auto at = source.environment.find(name); at != source.environment.end()) {
      if (trimmed(at->second).empty())
        loaded.warnings.push_back({self, fmt::format("{} is empty in the environment.", name)});
      draft.config.bootstrap.pass_env[name] = at->second;
      continue;
    }
    Variable variable;
    variable.name = name;
    variable.secret = true;
    if (const auto given = find_value(variable, source, loaded)) {
      draft.config.bootstrap.pass_env[name] = given->value;
    } else {
      loaded.errors.push_back(
          {self, fmt::format("names {}, which is not set. Set {} (or {}_FILE) or take it out of the list.",
                             name, name, name)});
    }
  }
}

}  // namespace gpuwarden::config
