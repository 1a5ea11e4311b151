#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gpuwarden/base/result.hpp"

namespace gpuwarden::sandbox {

enum class ScenarioKind {
  healthy,
  no_capacity,             ///< param: a GPU or data centre id; nothing = everywhere
  slow_provisioning,       ///< param: seconds until the container starts (20)
  create_500_but_created,  ///< param "drop": the connection closes instead of the 500
  list_lag,                ///< param: seconds that the list is behind (10)
  image_pull_failure,
  ssh_refused,      ///< param: "port" nothing listens, "auth" the key is refused, "hostkey" the log lies,
                    ///< "later" it ends once preflight is over
  script_failure,   ///< param: "setup", "fetch", "preflight" (no nvidia-smi)
  worker_crash,     ///< param: "argument" at start, "later" some seconds after it
  heartbeat_loss,   ///< pods cannot report to the database
  cut_off,          ///< after preflight neither SSH nor the database: only the container's log speaks
  supabase_outage,  ///< param: "down", "unreadable", "unwritable"
  rate_limit        ///< param: requests a minute (5)
};

struct Scenario {
  ScenarioKind kind{ScenarioKind::healthy};
  std::string param;  ///< never empty where the kind has a default
  bool operator==(const Scenario&) const = default;
};

/// "healthy", "supabase-outage:unwritable". invalid_input names what is allowed.
Result<Scenario> parse_scenario(std::string_view text);
/// The same text again; without a parameter where it is the default.
std::string to_string(const Scenario& scenario);
/// All names without parameters.
std::vector<std::string> scenario_names();
/// What people read: one line for each scenario, with its parameter and what it does.
std::string scenario_help();
/// The parameter as a number.
long param_number(const Scenario& scenario);

}  // namespace gpuwarden::sandbox
