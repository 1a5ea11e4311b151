#include <algorithm>

#include <fmt/format.h>

#include "simulation/invariants.hpp"

namespace gpuwarden::simulation {
namespace {

using namespace std::chrono_literals;

constexpr Duration kWellFor = 90s;  // that long at least in good health: killing it is a fault of ours
constexpr int kEnoughForMass = 3;
constexpr Duration kReplacementWindow = 10min;  // target 14
constexpr int kReplacementPercent = 20;
constexpr Duration kRequeued = 60s;        // target 13
constexpr Duration kGraceOfAnswers = 45s;  // slow answers, repetitions
constexpr Duration kGiveUp = 6min;  // also the longest that an ambiguous create is waited for, and a tick

}  // namespace

bool Invariants::is_unwell(const SimPod& pod) const {
  const Health health = pod.health();
  if (!health.works() || !health.agent) return true;
  if (pod.fate.cause == FailureCause::first_heartbeat_timeout) return true;  // lives, and never says so
  return strikes(pod, RuntimeFault::Kind::network_down);
}

/// A fault of the pod is in force.
bool Invariants::strikes(const SimPod& pod, RuntimeFault::Kind kind) const {
  return std::any_of(pod.fate.faults.begin(), pod.fate.faults.end(), [&](const RuntimeFault& fault) {
    if (fault.kind != kind || !pod.running_since) return false;
    const MonoTime from = *pod.running_since + fault.after;
    return universe_.now() >= from && universe_.now() < from + fault.lasts;
  });
}

/// It runs, and is neither heard nor reached any more.
bool Invariants::is_frozen(const SimPod& pod) const {
  return strikes(pod, RuntimeFault::Kind::network_down) && strikes(pod, RuntimeFault::Kind::ssh_down);
}

void Invariants::watch_health() {
  for (Watched& one : watched_) {
    if (!one.pod->exists() || is_unwell(*one.pod)) one.unwell_at = universe_.now();
    const bool dead = !one.pod->exists() || !one.pod->health().process || is_frozen(*one.pod);
    if (!dead) one.dead_since.reset();
    if (dead && !one.dead_since) one.dead_since = universe_.now();
  }
}

const Invariants::Watched* Invariants::watched(const std::string& worker) const {
  const auto found = std::find_if(watched_.begin(), watched_.end(), [&](const Watched& one) {
    return one.pod->name == worker && one.pod->exists();
  });
  return found == watched_.end() ? nullptr : &*found;
}

void Invariants::check_plan(const control::TickReport& report) {
  bool replaced = false;
  for (const PlannedAction& planned : report.plan.actions) {
    const auto* failing = std::get_if<FailWorker>(&planned.action);
    if (failing == nullptr) continue;
    check_failing(report, *failing);
    if (failing->suspected != FailureCause::heartbeat_lost) continue;
    replaced = true;
    replaced_.emplace(failing->worker.str(), universe_.now());  // planned again where it could not be written
  }
  const auto& workers = report.snapshot ? report.snapshot->workers : std::vector<Worker>{};
  const auto watched_workers = std::count_if(workers.begin(), workers.end(), [](const Worker& worker) {
    return worker.status == WorkerStatus::active || worker.status == WorkerStatus::terminating;
  });
  if (replaced) check_replacements(static_cast<int>(watched_workers));
}

/// In a silence that is not the workers' fault.
bool Invariants::cannot_be_told(const std::vector<Worker>& workers, const FailWorker& action) {
  const auto heard = std::count_if(workers.begin(), workers.end(), [](const Worker& worker) {
    return worker.status == WorkerStatus::active ||
           (worker.status == WorkerStatus::terminating && !worker.tasks.empty());
  });
  const Watched* pod = watched(action.worker.str());
  const bool ssh_fails = universe_.now() - swarm_.troubled(Service::ssh) < kGiveUp ||
                         (pod != nullptr && strikes(*pod->pod, RuntimeFault::Kind::ssh_down));
  // Where one or two are watched, silence and unanswered probes are all there is, and both can lie at once.
  if (action.suspected == FailureCause::heartbeat_lost && heard < kEnoughForMass && ssh_fails) {
    universe_.reached("worker.both_sources_lied");
    return true;
  }
  // Where none is watched any more, a start that is not heard is no other than one that says nothing.
  if (action.suspected != FailureCause::heartbeat_lost && heard == 0) {
    universe_.reached("worker.start_unheard");
    return true;
  }
  return false;
}

void Invariants::check_failing(const control::TickReport& report, const FailWorker& action) {
  const auto& workers = report.snapshot->workers;
  const auto row =
      std::find_if(workers.begin(), workers.end(), [&](const Worker& w) { return w.id == action.worker; });
  if (row == workers.end()) return;
  if (row->status != WorkerStatus::active && row->status != WorkerStatus::spawning) return;
  if (action.suspected == FailureCause::task_stuck) return;
  const Watched* pod = watched(action.worker.str());
  if (pod == nullptr || universe_.now() - pod->unwell_at < kWellFor) return;
  if (swarm_.silenced() && cannot_be_told(workers, action)) return;
  universe_.violate("worker.healthy",
                    fmt::format("{} is in good health and is failed as {}: {}", action.worker.str(),
                                gpuwarden::to_string(action.suspected), action.detail));
}

void Invariants::check_replacements(int watched) {
  std::erase_if(replaced_,
                [&](const auto& one) { return universe_.now() - one.second >= kReplacementWindow; });
  const int most = std::max(1, watched * kReplacementPercent / 100);
  if (static_cast<int>(replaced_.size()) > most)
    universe_.violate("worker.replacements", fmt::format("{} of {} workers replaced by heartbeat in 10 min",
                                                         replaced_.size(), watched));
}

/// Rows that stay in a state beyond its deadline although nothing is in the way.
void Invariants::check_rows(const Life& life, const control::TickReport& report) {
  if (!life.good_since || !report.snapshot || report.snapshot->switches.paused) return;
  const policy::Settings& settings = daemons_.settings.policy;
  const Duration good_for = universe_.now() - std::max(*life.good_since, daemons_.applied_at());
  const Duration grace = settings.poll * 2 + kGraceOfAnswers;
  int silent = 0;
  const Worker* silent_worker = nullptr;
  for (const Worker& worker : report.snapshot->workers) {
    if (worker.status == WorkerStatus::active &&
        worker.heartbeat_age.value_or(Duration{0}) > settings.heartbeat_interval * 2) {
      ++silent;
      silent_worker = &worker;
    }
    if (worker.status == WorkerStatus::spawning && worker.age > settings.spawning_timeout + kGiveUp &&
        good_for > kGiveUp)
      universe_.violate("row.deadline", fmt::format("{} is spawning for {} s, {}", worker.id.str(),
                                                    worker.age.count() / 1000, to_string(worker.phase)));
    if (worker.status == WorkerStatus::error && !worker.tasks.empty() &&
        worker.phase_age > kRequeued + grace && good_for > kRequeued + grace)
      universe_.violate("task.requeued", fmt::format("{} has failed {} s ago and still holds a task",
                                                     worker.id.str(), worker.phase_age.count() / 1000));
  }
  if (silent != 1) return;
  // A single dead worker: six heartbeat periods and one poll from its last sign.
  const Watched* pod = watched(silent_worker->id.str());
  const Duration age = *silent_worker->heartbeat_age;
  if (pod != nullptr && !pod->dead_since) return;
  const MonoTime died = pod != nullptr
                            ? *pod->dead_since
                            : podless_.emplace(silent_worker->id.str(), universe_.now()).first->second;
  const Duration dead_for = std::min(age, universe_.now() - died);
  // Nobody can look into a frozen one: two time-outs of unanswered questions are its proof.
  const bool frozen = pod != nullptr && is_frozen(*pod->pod);
  const Duration longest = settings.heartbeat_timeout * (frozen ? 4 : 1) + grace;
  if (dead_for > longest && good_for > dead_for + grace)
    universe_.violate("worker.detected", fmt::format("{} is dead and unnoticed {} s after its last heartbeat",
                                                     silent_worker->id.str(), age.count() / 1000));
}

void Invariants::check_rescue() {
  for (const auto& [id, task] : universe_.database.tasks()) {
    if (task.attempts_made.empty()) continue;
    const rows::Attempt& last = task.attempts_made.back();
    if (last.end != "rescued" || last.ended_at != universe_.wall()) continue;
    universe_.reached("tasks.rescued");
    const Watched* pod = watched(last.worker);
    if (pod == nullptr || !is_live(*pod->pod) || row_of(*pod->pod)->status != "active") continue;
    if (universe_.now() - pod->unwell_at >= kWellFor && pod->pod->health().busy)
      universe_.violate("task.concurrent",
                        fmt::format("task {} was taken from {}, which is in good health", id, last.worker));
  }
}

}  // namespace gpuwarden::simulation
