#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gpuwarden/policy/decide.hpp"

namespace gpuwarden::policy {

/// An end that waits for a worker.
struct Deadline {
  std::string what;            ///< "its pod must run and answer on SSH"
  std::string setting;         ///< variable that sets it; empty = a rule without one
  std::optional<Duration> in;  ///< until it strikes, negative = it has; none = its clock does not run now
  std::string then;            ///< what happens then, or why its clock stands
};

/// Why a worker is as it is, in words for the operator.
struct WorkerStory {
  std::optional<Duration> heartbeat_by_database;  ///< age of the newest heartbeat, by the database's clock
  std::optional<Duration> heartbeat_by_us;        ///< since we last saw it change, by our own monotonic clock
  std::optional<Duration> watched_for;  ///< how long we have watched without a break; none = not at all
  std::vector<Deadline> deadlines;      ///< soonest first
  std::vector<std::string> because;     ///< why it is, or is not, drained, failed or deleted
};

/// Of a worker of that snapshot, with the memory and the plan of the decision that was made at `now`.
WorkerStory explain_worker(const Worker& worker, const Snapshot& snapshot, const Memory& memory,
                           const Plan& plan, const Settings& settings, MonoTime now);

}  // namespace gpuwarden::policy
