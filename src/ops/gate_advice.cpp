#include "gate_advice.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace gpuwarden::ops {
namespace {

struct Row {
  std::string_view gate;
  bool by_itself;
  std::string_view remedy;
};

constexpr std::array kRows{
    Row{"database", true, "gpuwarden doctor says whether Supabase answers and may be written"},
    Row{"leader", true, "nothing, while the other daemon lives; it takes over when that one's lease ends"},
    Row{"pods", true, "gpuwarden doctor says whether Runpod answers"},
    Row{"paused", false, "gpuwarden resume"},
    Row{"draining", false, "systemctl restart gpuwarden starts a daemon that does not drain"},
    Row{"observer", true, "gpuwarden doctor, and look at the database: many workers rarely die at once"},
    Row{"balance", false, "add funds at https://console.runpod.io/user/billing; it is tried again by itself"},
    Row{"request_quota", true, ""},
    Row{"breaker", true,
        "gpuwarden failures says why; when that is mended: gpuwarden breaker reset --reason \"...\""},
    Row{"places", true, "gpuwarden breaker shows each of them"},
    Row{"slow_start", true, ""},
    Row{"script_canary", true,
        "gpuwarden failures, where the canary of the new script does not come up; the last good one serves "
        "meanwhile"},
    Row{"ceiling", false, "raise MAX_ACTIVE_GPUS, then systemctl reload gpuwarden"},
    Row{"spawn_rate", true, "or raise MAX_SPAWNS_PER_MINUTE, then systemctl reload gpuwarden"},
    Row{"budget", false, "raise MAX_HOURLY_COST_USD or MAX_DAILY_COST_USD, then systemctl reload gpuwarden"},
    Row{"over_budget", false,
        "raise MAX_HOURLY_COST_USD or MAX_DAILY_COST_USD, then systemctl reload gpuwarden, or wait"},
    Row{"placement", true,
        "or name more GPU types, volumes or data centres (RUNPOD_GPU_TYPE, RUNPOD_STORAGE_NAME, "
        "RUNPOD_DATA_CENTERS), then systemctl reload gpuwarden"},
    Row{"rejected", false,
        "mend what Runpod refuses (gpuwarden doctor, gpuwarden config --check), then systemctl reload "
        "gpuwarden"},
    Row{"floor", true, "gpuwarden worker ID says what that worker does"},
    Row{"scale_up_delay", true, ""},
    Row{"scale_down_delay", true, ""},
    Row{"scale_down_grace", true, ""},
    Row{"replacement_rate", true, "gpuwarden workers shows the silent ones"},
    Row{"undeletable", false, "delete the pod at https://console.runpod.io/pods; it is billed until then"},
    Row{"foreign_name", false,
        "give the pod its worker's name again, or delete it at "
        "https://console.runpod.io/pods"},
};

}  // namespace

GateAdvice advice_for(const Gate& gate, const Snapshot* snapshot) {
  const bool held = snapshot != nullptr && snapshot->breaker_override &&
                    snapshot->breaker_override->kind == BreakerOverride::Kind::hold;
  if (gate.name == "breaker" && held) return {gate.opens_in.has_value(), "gpuwarden breaker clear"};
  const auto row =
      std::find_if(kRows.begin(), kRows.end(), [&](const Row& one) { return one.gate == gate.name; });
  // A gate that knows when it could open does so by itself.
  if (row == kRows.end()) return {true, ""};
  return {row->by_itself || gate.opens_in.has_value(), std::string(row->remedy)};
}

}  // namespace gpuwarden::ops
