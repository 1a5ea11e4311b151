#pragma once

#include <optional>
#include <string>

#include "gpuwarden/policy/decide.hpp"

namespace gpuwarden::policy {

struct Tick;

/// A script or configuration that is new must bring one pod to its first heartbeat before the rest use it.
struct ScriptTrial {
  bool on{false};      ///< the script of now is not proven, and another one is known to be good
  bool serves{false};  ///< that other one's settings are at hand: what else is wanted runs it meanwhile
  int canaries{0};     ///< pods of the new script that may be spawned now: 0 or 1
  std::string name;    ///< first digits of the new script's hash
  std::string reason;  ///< why no more; the same for as long as nothing happens
  std::optional<Duration> opens_in;
  std::optional<Settings> fleet;  ///< while the breaker is closed it judges by these: the last good script

  /// How many of `count` pods may be spawned at all.
  int room(int count) const;
  /// Whether the n-th spawn of this tick runs the new script.
  bool is_canary(int n) const { return on && n < canaries; }
  bool uses_last_good(int n) const { return on && n >= canaries; }
};

/// After a failed canary the next one waits for the breaker's probe interval, doubling with each failure in a
/// row; while the fleet's breaker is not closed its own pause counts. With nothing known to be good there is
/// no trial: slow start bounds what a script costs that never worked.
ScriptTrial judge_script(const Tick& tick);

/// A worker with that script has had its first heartbeat.
bool is_proven(const Snapshot& snapshot, const std::string& script);

/// Takes the script of now into the memory that is kept, when it has proven itself; true = it is new there.
bool note_good_script(const Tick& tick, BreakerMemory& state);

}  // namespace gpuwarden::policy
