#include <algorithm>

#include <fmt/format.h>

#include "gpuwarden/policy/decide.hpp"

#include "simulation/invariants.hpp"

namespace gpuwarden::simulation {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kSupabaseAtMost = 2, kRunpodAtMost = 1;
constexpr std::uint64_t kRefresh = 2;  // catalogue and volumes
constexpr Duration kRefreshEvery = 9min;
constexpr Duration kRefreshTakes = 2min;
constexpr int kWastedBeyond = 2;

}  // namespace

Invariants::Invariants(Universe& universe, Swarm& swarm, Daemons& daemons)
    : universe_(universe), swarm_(swarm), daemons_(daemons) {
  note_limits();
}

void Invariants::on_start(const Daemon& daemon) {
  lives_[daemon.name()] = {};
}

void Invariants::on_effect(Service service, std::string_view call) {
  ++figures_.effects;
  watch_new_pods();
  if (service == Service::runpod) check_deletes();
  if (call.starts_with("gpuwarden_rescue_tasks")) check_rescue();
}

void Invariants::on_tick(Daemon& daemon, const control::TickReport& report) {
  ++figures_.ticks;
  note_limits();
  watch_new_pods();
  watch_health();
  Life& life = lives_[daemon.name()];
  const MonoTime last = std::exchange(life.ticked_at, universe_.now());
  // A read-only database can give nobody the lead, nor take it away.
  if (report.snapshot && report.snapshot->writable) life.leading = report.snapshot->leader.leading;
  const bool good =
      report.snapshot && life.leading && report.snapshot->writable && report.pods &&
      swarm_.troubled(Service::supabase) + 2 * daemons_.settings.policy.poll < universe_.now() &&
      swarm_.troubled(Service::runpod) + 2 * daemons_.settings.policy.poll < universe_.now() &&
      swarm_.troubled(Service::ssh) + 2 * daemons_.settings.policy.poll < universe_.now() &&
      !swarm_.silenced() && report.took < 5s && universe_.now() - last < 2 * daemons_.settings.policy.poll;
  if (!good) life.good_since.reset();
  if (good && !life.good_since) life.good_since = universe_.now();
  check_deletes();  // before the pods that are gone are forgotten
  check_strays(life, report);
  if (report.snapshot && life.leading) {
    check_plan(report);
    check_rows(life, report);
    check_canaries();
    check_fresh_memory(daemon, report);
    check_waste();
  }
  check_requests(daemon, life, report, last);
  note_probes(report);
}

void Invariants::check_canaries() {
  const rows::State* state = universe_.database.state(kOwner, "breaker");
  if (state == nullptr || state->value.value("state", "") != "half_open") return;
  const std::int64_t generation = state->value.value("generation", std::int64_t{0});
  int canaries = 0;
  for (const rows::WorkerRow* row : universe_.database.live_workers(kOwner)) {
    if (Database::status_of(*row) != "spawning" || row->generation != generation) continue;
    ++canaries;
    if (!row->canary)
      universe_.violate("breaker.canary",
                        row->id + " was started while the breaker is half open and is no canary");
  }
  if (canaries > 1) universe_.violate("breaker.canary", fmt::format("{} canaries at once", canaries));
}

/// A daemon that has just been started decides the same about the breaker.
void Invariants::check_fresh_memory(const Daemon& daemon, const control::TickReport& report) {
  const auto saved = [](const Plan& plan) -> const BreakerMemory* {
    for (const PlannedAction& planned : plan.actions) {
      if (const auto* save = std::get_if<SaveBreaker>(&planned.action)) return &save->memory;
    }
    return nullptr;
  };
  const BreakerMemory* decided = saved(report.plan);
  if (decided == nullptr && report.number % 16 != 0) return;
  policy::Observation seen = daemon.last_view();
  seen.snapshot = report.snapshot;
  seen.pods = report.pods;
  const policy::Decision fresh =
      policy::decide(seen, {}, daemon.settings().policy, MonoTime{} + 1h, daemon.last_random());
  const BreakerMemory* anew = saved(fresh.plan);
  const bool same = decided == nullptr || anew == nullptr ? decided == anew : *decided == *anew;
  if (!same)
    universe_.violate("breaker.memory", fmt::format("decided {}, and without memory {}",
                                                    decided == nullptr ? "nothing" : decided->reason,
                                                    anew == nullptr ? "nothing" : anew->reason));
}

/// Pods that failed alike before the breaker opened.
void Invariants::check_waste() {
  const auto since = swarm_.bad_release_since();
  if (!since || universe_.profile.faults.operator_presses > 0) return;
  const rows::State* state = universe_.database.state(kOwner, "breaker");
  if (state != nullptr && state->value.value("state", "closed") != "closed") return;
  const WallTime from = Scheduler::kStart + (*since - MonoTime{});
  if (state != nullptr && state->changed_at > from) return;  // it has opened and closed again
  int wasted = 0;
  for (auto row = universe_.database.workers().rbegin(); row != universe_.database.workers().rend(); ++row) {
    if (row->second.registered_at < from) continue;
    const auto cause = parse_failure_cause(row->second.cause);
    if (row->second.outcome == "failure" && cause && facts(*cause).counts_for_breaker) ++wasted;
  }
  const int most = daemons_.settings.policy.min_workers_for_rate + kWastedBeyond;
  if (wasted > most)
    universe_.violate("breaker.waste",
                      fmt::format("{} starts have failed and the breaker is closed", wasted));
}

/// A tick that finds nothing to do costs two requests to Supabase and one list at most.
void Invariants::check_requests(const Daemon& daemon, Life& life, const control::TickReport& report,
                                MonoTime last) {
  const std::uint64_t supabase =
      daemon.supabase_requests() - std::exchange(life.supabase, daemon.supabase_requests());
  const std::uint64_t runpod =
      daemon.runpod_requests() - std::exchange(life.runpod, daemon.runpod_requests());
  const bool quiet =
      report.plan.actions.empty() && daemon.view().in_flight.empty() && report.snapshot && report.pods;
  const bool was_quiet = std::exchange(life.quiet, quiet);
  // What failed is tried again for a while.
  const MonoTime calm = universe_.now() - kRefreshTakes;
  const bool untroubled =
      std::max(swarm_.troubled(Service::supabase), swarm_.troubled(Service::runpod)) < std::min(last, calm);
  if (!quiet || !was_quiet || !untroubled) return;
  if (supabase > kSupabaseAtMost)
    universe_.violate("tick.requests", fmt::format("{} requests to Supabase in a quiet tick", supabase));
  if (runpod <= kRunpodAtMost) return;
  // Catalogue and volumes are read one after the other.
  const Duration since = life.refreshed_at ? universe_.now() - *life.refreshed_at : kRefreshEvery;
  const bool refresh =
      runpod <= kRunpodAtMost + kRefresh && (since >= kRefreshEvery || since < kRefreshTakes ||
                                             universe_.now() - daemons_.applied_at() < kRefreshTakes);
  if (since >= kRefreshEvery) life.refreshed_at = universe_.now();
  if (!refresh)
    universe_.violate("tick.requests", fmt::format("{} requests to Runpod in a quiet tick", runpod));
}

void Invariants::note_probes(const control::TickReport& report) {
  for (const PlannedAction& planned : report.plan.actions) {
    universe_.reached(fmt::format("action.{}", action_name(planned.action)));
    if (const auto* failing = std::get_if<FailWorker>(&planned.action))
      universe_.reached(fmt::format("failed_as.{}", gpuwarden::to_string(failing->suspected)));
    if (const auto* saved = std::get_if<SaveBreaker>(&planned.action); saved != nullptr) {
      if (saved->memory.state != last_breaker_)
        universe_.reached(fmt::format("breaker.{}_to_{}", gpuwarden::to_string(last_breaker_),
                                      gpuwarden::to_string(saved->memory.state)));
      last_breaker_ = saved->memory.state;
    }
  }
  for (const Gate& gate : report.plan.gates) universe_.reached("gate." + gate.name);
}

void Invariants::at_end(const std::vector<std::string>& cancelled) {
  for (const Watched& one : watched_) {
    const MonoTime until = one.pod->ended.value_or(universe_.now());
    figures_.pod_hours += std::chrono::duration<double, std::ratio<3600>>(until - one.pod->created).count();
  }
  const std::set<std::string> taken_back(cancelled.begin(), cancelled.end());
  for (const auto& [id, task] : universe_.database.tasks()) {
    if (task.completions > 1)
      universe_.violate("task.completed_once",
                        fmt::format("task {} was completed {} times", id, task.completions));
    int accepted = 0;
    for (const rows::Completion& answer : task.completion_answers) {
      if (!answer.accepted) universe_.reached("tasks.stale_completion_refused");
      accepted += answer.accepted ? 1 : 0;
    }
    if (accepted > 0 && task.status != "Complete" && !taken_back.contains(id))
      universe_.violate("task.lost", fmt::format("task {} was completed and is {}", id, task.status));
    if (task.status == "Failed" && task.error.empty() && !taken_back.contains(id))
      universe_.violate("task.evidence", fmt::format("task {} has failed and nobody knows why", id));
    if (task.status == "Failed" && task.type == "poison") universe_.reached("tasks.poison_failed");
  }
}

}  // namespace gpuwarden::simulation
