#pragma once

#include <optional>
#include <string>

#include "gpuwarden/domain/failure_cause.hpp"

#include "observer.hpp"
#include "tick.hpp"

namespace gpuwarden::policy {

/// A failure as the lifecycle sees it: a first suspicion, which the evidence sharpens later.
struct Suspicion {
  FailureCause cause{FailureCause::unclassified};
  std::string reason;
};

/// What the pod itself reported: the step's cause, else start_failed before the first heartbeat and
/// worker_crashed after it.
Suspicion suspicion_of(const CrashReport& crash, bool proven);

/// Deadlines of a worker on its way to the first heartbeat; none = still in time.
std::optional<Suspicion> overdue(const Worker& worker, const Settings& settings);

/// Spawning: first heartbeat activates; crashes, dead pods and deadlines fail; a reachable pod is brought up.
/// Active or draining with a task: crashes, pods that the provider reports as gone, and tasks that a restart
/// in place has lost fail.
void advance_workers(Tick& tick, const ObserverView& observer);

/// Workers whose first heartbeat is late are asked over SSH and in their log, a few a tick. Last of all: what
/// else is to be done with a worker must not wait for an answer.
void ask_for_heartbeats(Tick& tick);

}  // namespace gpuwarden::policy
