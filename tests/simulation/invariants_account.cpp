#include <algorithm>

#include <fmt/format.h>

#include "simulation/invariants.hpp"

namespace gpuwarden::simulation {
namespace {

using namespace std::chrono_literals;

constexpr Duration kLongestStray = 3min;        // target 7
constexpr Duration kLongestDeletePause = 5min;  // after deletes that failed
constexpr Duration kLimitsLag = 5min;           // actions that were decided under older settings
constexpr Duration kActionsTake = 1min;         // of one tick, to be performed
constexpr Duration kSeenFor = 60s;
constexpr int kAccepted = 204;

}  // namespace

const rows::WorkerRow* Invariants::row_of(const SimPod& pod) const {
  const auto row = universe_.database.workers().find(pod.name);
  return row == universe_.database.workers().end() ? nullptr : &row->second;
}

bool Invariants::is_live(const SimPod& pod) const {
  const auto* row = row_of(pod);
  return row != nullptr && row->ended_at == WallTime{} && (row->pod.empty() || row->pod == pod.id);
}

void Invariants::note_limits() {
  const policy::Settings& settings = daemons_.settings.policy;
  const double hourly = settings.max_hourly_cost_usd.value_or(1e9);
  if (settings.script_hash != script_ || cap_ != settings.max_active || hourly_ != hourly) {
    if (cap_ != 0) old_limits_.push_back({universe_.now() + kLimitsLag, cap_, hourly_});
    cap_ = settings.max_active;
    hourly_ = hourly;
    script_ = settings.script_hash;
  }
  while (!old_limits_.empty() && old_limits_.front().until < universe_.now()) old_limits_.pop_front();
}

int Invariants::cap() const {
  int most = cap_;
  for (const Limits& old : old_limits_) most = std::max(most, old.cap);
  return most;
}

double Invariants::hourly_limit() const {
  double most = hourly_;
  for (const Limits& old : old_limits_) most = std::max(most, old.hourly);
  return most;
}

void Invariants::watch_new_pods() {
  const auto& pods = universe_.cloud.pods();
  for (; seen_pods_ < pods.size(); ++seen_pods_) {
    const SimPodPtr& pod = pods[seen_pods_];
    ++figures_.pods;
    if (pod->foreign) continue;
    Watched added;
    added.pod = pod;
    added.unwell_at = universe_.now();
    const auto* row = row_of(*pod);
    added.late = row != nullptr && row->ended_at != WallTime{};
    if (row == nullptr)
      universe_.violate("create.intent", pod->name + " was asked for without a committed intent");
    if (added.late) universe_.reached("create.executed_late");
    watched_.push_back(added);
    check_new_pod(added);
  }
}

void Invariants::check_new_pod(const Watched& added) {
  const auto posts = universe_.cloud.posts().find(added.pod->name);
  if (posts != universe_.cloud.posts().end() && posts->second > 1)
    universe_.violate("create.once",
                      fmt::format("{} was asked for {} times", added.pod->name, posts->second));
  if (added.late) return;
  check_breaker_lets(*added.pod);
  std::set<std::string> names;
  double hourly = 0;
  for (const Watched& one : watched_) {
    if (one.late || !one.pod->exists()) continue;
    // Pods whose rows somebody has ended by hand are seen in lists only.
    const bool seen = one.pod->visible(universe_.now() - kSeenFor);
    if (!is_live(*one.pod) && !seen) continue;
    names.insert(one.pod->name);
    if (one.pod->state != PodStatus::exited) hourly += one.pod->cost_per_hr;
  }
  for (const rows::WorkerRow* row : universe_.database.live_workers(kOwner)) {
    if (row->pod.empty() && (row->phase == "intent" || row->phase == "unknown")) names.insert(row->id);
  }
  if (static_cast<int>(names.size()) > cap())
    universe_.violate("create.cap", fmt::format("{} pods and intents, {} are allowed", names.size(), cap()));
  if (hourly > hourly_limit() + 1e-6)
    universe_.violate("create.budget",
                      fmt::format("{:.2f} USD an hour, {:.2f} are allowed", hourly, hourly_limit()));
}

/// Nothing but its own canary is registered while the breaker is open, unless somebody has released it.
void Invariants::check_breaker_lets(const SimPod& pod) {
  const rows::State* breaker = universe_.database.state(kOwner, "breaker");
  const rows::WorkerRow* row = row_of(pod);
  if (row == nullptr || row->canary || breaker == nullptr || breaker->value.value("state", "") != "open")
    return;
  if (universe_.database.state(kOwner, "breaker_override") != nullptr) return;
  if (row->registered_at > breaker->changed_at + kActionsTake)
    universe_.violate("breaker.open", pod.name + " was started while the breaker is open");
}

void Invariants::check_deletes() {
  for (Watched& one : watched_) {
    for (; one.deletes_seen < one.pod->delete_calls.size(); ++one.deletes_seen)
      check_delete(one, one.pod->delete_calls[one.deletes_seen]);
  }
  for (const SimPodPtr& pod : universe_.cloud.pods()) {
    if (pod->foreign && !pod->delete_calls.empty())
      universe_.violate("delete.prefix", fmt::format("{} is not ours and was deleted", pod->name));
  }
}

void Invariants::check_delete(const Watched& watched, const SimPod::DeleteCall& call) {
  const SimPod& pod = *watched.pod;
  if (!call.by.starts_with("daemon")) return;
  universe_.reached(call.status == kAccepted ? "delete.accepted" : "delete.not_found");
  if (!is_worker_name_of(pod.name, kOwner))
    universe_.violate("delete.prefix", fmt::format("{} bears no name of ours and was deleted", pod.name));
  const auto life = lives_.find(call.by);
  if (life != lives_.end() && !life->second.leading)
    universe_.violate("delete.leader", fmt::format("{} deleted {} without leading", call.by, pod.name));
  const auto* row = row_of(pod);
  if (row == nullptr || row->ended_at != WallTime{}) return;
  const std::string_view status = Database::status_of(*row);
  if (status == "spawning" || status == "active")
    universe_.violate("delete.live", fmt::format("{} was deleted while its row says {}", pod.name, status));
  if (!call.health.busy || !call.health.works() || status == "error" || status == "terminated") return;
  for (const auto& [id, task] : universe_.database.in_progress()) {
    if (task->worker == pod.name)
      universe_.violate("delete.busy", fmt::format("{} was deleted while it works on task {}", pod.name, id));
  }
}

void Invariants::check_strays(const Life& life, const control::TickReport& report) {
  const bool sees = life.leading && report.pods && report.snapshot && report.snapshot->writable;
  for (Watched& one : watched_) {
    const SimPod& pod = *one.pod;
    if (!pod.visible(universe_.now()) || is_live(pod) || pod.fate.undeletable) {
      one.stray_since.reset();
      continue;
    }
    if (!sees) {
      one.stray_since.reset();
      continue;
    }
    if (!one.stray_since) {
      one.stray_since = universe_.now();
      universe_.reached("account.stray");
      continue;
    }
    const bool troubled = swarm_.troubled(Service::runpod) > *one.stray_since;
    const Duration limit = kLongestStray + pod.fate.delete_takes + (troubled ? kLongestDeletePause : 0min);
    if (universe_.now() - *one.stray_since > limit)
      universe_.violate("account.leak",
                        fmt::format("{} ({}) belongs to no live worker for {} s", pod.id, pod.name,
                                    (universe_.now() - *one.stray_since).count() / 1000));
  }
  std::erase_if(watched_, [&](const Watched& one) {
    if (one.pod->exists()) return false;
    figures_.pod_hours +=
        std::chrono::duration<double, std::ratio<3600>>(*one.pod->ended - one.pod->created).count();
    return true;
  });
}

}  // namespace gpuwarden::simulation
