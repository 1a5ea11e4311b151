#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "gpuwarden/base/ids.hpp"
#include "gpuwarden/base/time.hpp"
#include "gpuwarden/domain/breaker.hpp"
#include "gpuwarden/domain/pod.hpp"
#include "gpuwarden/domain/worker.hpp"

namespace gpuwarden {

struct TypeDepth {
  long queued{0}, running{0};
};

/// What workers could claim now and what they work on.
struct QueueDepth {
  long queued{0};  ///< claimable
  long running{0};
  long blocked{0};  ///< queued, but waiting for other tasks
  std::map<std::string, TypeDepth> by_type;
};

/// How long tasks of a type take, from those that ended lately.
struct TaskPace {
  Duration typical{0};  ///< mean of their durations
  int samples{0};
};

struct RunningTask {
  TaskId id;
  std::string type;
  WorkerId worker;  ///< empty = no worker named
  int attempts{0};
  Duration running_for{0};
};

struct Leadership {
  bool leading{false};
  std::int64_t epoch{0};  ///< fencing token: every write names it
  std::string holder;     ///< who leads
};

/// A terminated worker whose name may still appear as a late pod.
struct Tombstone {
  WorkerId worker;
  PodId pod;
  Duration age{0};
};

/// A worker that failed lately, and for how long its heartbeats had been missing then.
struct RecentFailure {
  WorkerId worker;
  Duration age{0};
  Duration silent{0};
};

/// One way in which workers fail, within the failure window: the same fault on many pods is one.
struct FailingWay {
  FailureCause cause{FailureCause::unclassified};
  std::string fingerprint;
  std::string summary;  ///< of the newest: the one-line cause for people
  WorkerId newest;
  Duration newest_age{0};
  long count{0};
  double cost_usd{0};
};

/// Operator's switches.
struct Switches {
  bool paused{false};
  std::string paused_by, pause_reason;
};

/// Everything `decide` needs of the database, in one consistent read.
struct Snapshot {
  WallTime db_now{};
  bool writable{true};  ///< false: the database answers reads only
  Leadership leader;
  QueueDepth queue;
  std::vector<Worker> workers;         ///< live rows of our owner: everything but terminated
  std::vector<RunningTask> running;    ///< tasks in progress on our workers
  std::vector<StartOutcome> outcomes;  ///< within the failure window, newest first
  BreakerMemory breaker;
  std::optional<BreakerOverride> breaker_override;
  Switches switches;
  std::vector<Tombstone> tombstones;             ///< terminated in the last 24 h, newest first
  long rescuable{0};                             ///< tasks in progress that no live worker owns
  double spent_last_day_usd{0};                  ///< of ended and live pods of our owner, rolling 24 h
  double fruitless_last_day_usd{0};              ///< of these: pods that have ended and never finished a task
  std::map<std::string, TaskPace> pace{};        ///< by task type
  std::vector<RecentFailure> recent_failures{};  ///< of the last 10 min: workers that had sent heartbeats
  std::vector<FailingWay> failing{};  ///< for people: the five most frequent ones, most frequent first
  std::string beacon{};  ///< what our snapshot before this one left behind, read back; empty = nothing yet
};

}  // namespace gpuwarden
