#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gpuwarden/domain/breaker.hpp"
#include "gpuwarden/policy/settings.hpp"

namespace gpuwarden::policy {

/// What the outcomes of one generation say, newest start first. Uncounted causes, other generations and other
/// scripts are no evidence.
struct Tally {
  int outcomes{0}, failures{0};         ///< in the window
  int failures_in_a_row{0};             ///< newest ones, however old
  int successes{0};                     ///< of all ages
  int successes_since_trouble{0};       ///< newer than the newest two failures in a row
  bool had_trouble{false};              ///< two failures in a row were found
  std::optional<FailureCause> newest;   ///< cause of the newest failure
  std::optional<FailureCause> certain;  ///< a cause that repeats by nature was seen twice since a success
};
Tally tally(const std::vector<StartOutcome>& outcomes, const BreakerMemory& kept, const Settings& settings);

/// Unauthorized, invalid request, no balance, refused SSH key: the next try must fail the same way.
bool is_certain(FailureCause cause);

/// Why a closed breaker opens; none = it stays closed.
std::optional<std::string> reason_to_open(const Tally& tally, const Settings& settings);

/// What the fleet tells the breaker besides outcomes.
struct BreakerInput {
  BreakerMemory kept;
  std::optional<BreakerOverride> override_;  ///< in force
  Tally tally;                               ///< of kept.generation
  WorkerId canary_alive;                     ///< probe of this generation that is still on its way
  int ghosts{0};                             ///< spawns under way whose rows are not read yet
  double jitter{0.5};                        ///< 0..1, for the pause
};

/// The state after this tick's evidence; equal to `kept` when nothing changed (then there is nothing to
/// save).
BreakerMemory next_state(const BreakerInput& input, const Settings& settings);

/// How many more pods may be tried that have not proven themselves.
struct SpawnPermit {
  int slots{0};
  bool canary{false};  ///< the one slot is the breaker's probe
  std::string gate;    ///< "breaker" or "slow_start"; which held back
  std::string reason;
  std::optional<Duration> opens_in;
};

/// Two unproven pods while nothing has succeeded, twice as many with every success.
int unproven_limit(int successes);

/// Unproven pods and newest failures together that may be at stake, however healthy the fleet has been: a
/// fault that comes from one moment to the next costs no more than this many pods before the breaker opens.
int most_at_stake(const Settings& settings);

/// `unproven` = pods on their way to the first heartbeat; `proven_alive` = workers of this script that made
/// it.
SpawnPermit permit(const BreakerMemory& state, const BreakerInput& input, int unproven, int proven_alive,
                   const Settings& settings);

}  // namespace gpuwarden::policy
