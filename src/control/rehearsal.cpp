#include "rehearsal.hpp"

#include <algorithm>
#include <variant>

namespace gpuwarden::control {
namespace {

struct Effect {
  policy::Observation& seen;
  Snapshot& snapshot;

  Worker* row(const WorkerId& id) const {
    const auto found = std::find_if(snapshot.workers.begin(), snapshot.workers.end(),
                                    [&](const Worker& worker) { return worker.id == id; });
    return found == snapshot.workers.end() ? nullptr : &*found;
  }
  void set(const WorkerId& id, WorkerStatus status, Phase phase) const {
    Worker* worker = row(id);
    if (worker == nullptr) return;
    worker->status = status;
    worker->phase = phase;
    worker->phase_age = Duration{0};
  }
  void end(const WorkerId& id) const {
    std::erase_if(snapshot.workers, [&](const Worker& worker) { return worker.id == id; });
  }

  void operator()(const SpawnWorker& action) const { seen.in_flight.insert(action.worker); }
  void operator()(const AdoptPod& action) const {
    if (Worker* worker = row(action.worker)) worker->pod = action.pod;
    set(action.worker, WorkerStatus::spawning, Phase::provisioning);
  }
  void operator()(const AbandonIntent& action) const { end(action.worker); }
  void operator()(const NotePhase& action) const { set(action.worker, WorkerStatus::spawning, action.phase); }
  void operator()(const BringUpWorker& action) const { seen.bringing_up.insert(action.worker); }
  void operator()(const ActivateWorker& action) const {
    set(action.worker, WorkerStatus::active, Phase::idle);
    Worker* worker = row(action.worker);
    if (worker == nullptr) return;
    worker->proven = true;
    worker->idle_for = Duration{0};
  }
  void operator()(const FailWorker& action) const {
    set(action.worker, WorkerStatus::error, Phase::collecting);
  }
  void operator()(const DrainWorker& action) const {
    set(action.worker, WorkerStatus::terminating, Phase::draining);
  }
  void operator()(const DeletePod& action) const {
    if (const Worker* worker = row(action.worker)) set(action.worker, worker->status, Phase::deleting);
  }
  void operator()(const ConfirmGone& action) const { end(action.worker); }
  void operator()(const DeleteOrphan& action) const {
    if (seen.pods) std::erase_if(*seen.pods, [&](const Pod& pod) { return pod.id == action.pod; });
  }
  void operator()(RescueTasks /*action*/) const { snapshot.rescuable = 0; }
  void operator()(const ProbeWorker& action) const { seen.in_flight.insert(action.worker); }
  void operator()(const SaveBreaker& action) const { snapshot.breaker = action.memory; }
};

}  // namespace

void assume_done(policy::Observation& seen, const Plan& plan) {
  if (!seen.snapshot) return;
  for (const PlannedAction& planned : plan.actions) std::visit(Effect{seen, *seen.snapshot}, planned.action);
}

}  // namespace gpuwarden::control
