#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gpuwarden/domain/breaker.hpp"
#include "gpuwarden/policy/decide.hpp"
#include "gpuwarden/policy/settings.hpp"

#include "breaker_evidence.hpp"
#include "place_permits.hpp"

namespace gpuwarden::policy {

/// Why a closed breaker opens by the fleet's own starts; none = it stays closed. In this order: a cause that
/// must repeat, twice; a new fault three times in a row; the operator's share of the window; CUSUM.
std::optional<std::string> reason_to_open(const Tally& tally, const Settings& settings);

/// What the fleet tells the fleet-wide breaker.
struct BreakerInput {
  BreakerMemory kept;
  std::optional<BreakerOverride> override_;  ///< in force
  Tally tally;                               ///< of kept.generation, without what places explain
  int lost_in_a_row{0};                      ///< newest failures, with those that places explain
  std::optional<std::string> beyond_places;  ///< places fail together: why that is everybody's fault
  int places{1};                             ///< that could be asked for a pod
  WorkerId canary_alive;                     ///< probe of this generation that is still on its way
  int ghosts{0};                             ///< spawns under way whose rows are not read yet
  double jitter{0.5};                        ///< 0..1, for the pause
};

/// The state after this tick's evidence; equal to `kept` when nothing changed (then there is nothing to
/// save). Places are not its business, but a release drops them.
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

/// What the breaker is judged by in one tick.
struct BreakerFacts {
  const Snapshot& snapshot;
  const std::vector<Offer>& offers;  ///< where pods could be asked for
  int ghosts{0};
  std::uint64_t random{0};
};

/// What the breaker makes of this tick.
struct BreakerVerdict {
  BreakerMemory state;
  SpawnPermit permit;
  PlacePermits places;
  std::string news;  ///< each change of state in words; empty = nothing to tell
};

/// The whole breaker: places first, so that a failure that a bad place explains stops no other; then the
/// fleet. Nothing of it lives in the process: the same snapshot and seed give the same verdict after a
/// restart.
BreakerVerdict judge(const BreakerFacts& facts, const Settings& settings);

}  // namespace gpuwarden::policy
