#include "lifecycle.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "pod_signs.hpp"

namespace gpuwarden::policy {
namespace {

constexpr Duration kBringUpAgain{10'000};
constexpr Duration kAskAgain{15'000};
// A provider that says "gone" of a worker whose heartbeats still arrive is not believed.
constexpr int kMissedHeartbeats = 2;
// Connections and looks into logs that one tick asks for; the others' turn comes with the next ticks.
constexpr int kAskedPerTick = 8;
constexpr int kLogLooksPerTick = 3;
// Of the agent's figure, which is whole seconds, and of the way of both reports.
constexpr Duration kRestartSlack{5000};

void fail(Tick& tick, Member& member, FailureCause cause, const std::string& reason) {
  tick.act(member, FailWorker{member.worker->id, own_pod(tick, member), cause, reason}, reason);
}

bool can_be_brought_up(const Tick& tick, const Member& member) {
  const Worker& worker = *member.worker;
  if (member.pod == nullptr || member.foreign_pod() || worker.pod.empty()) return false;
  if (tick.seen.bringing_up.contains(worker.id)) return false;
  if (member.pod->status != PodStatus::running || !member.pod->ssh) return false;
  const bool on_its_way = worker.phase == Phase::provisioning || worker.phase == Phase::starting ||
                          worker.phase == Phase::connecting || worker.phase == Phase::bootstrapping;
  const auto& last = member.seen->last_bring_up;
  return on_its_way && (!last || tick.now - *last >= kBringUpAgain);
}

/// The startup script has come to its end well, and no heartbeat follows: a pod that cannot reach the
/// database cannot report its end there either.
void ask_for_heartbeat(Tick& tick, Member& member, int& asked) {
  const Worker& worker = *member.worker;
  const Duration interval = tick.settings.heartbeat_interval;
  if (worker.phase != Phase::awaiting_heartbeat || worker.phase_age <= interval * kMissedHeartbeats) return;
  if (member.pod == nullptr || member.foreign_pod() || asked >= kAskedPerTick) return;
  Memory::WorkerSeen& seen = *member.seen;
  if (seen.last_probe && tick.now - *seen.last_probe < std::max(interval, kAskAgain)) return;
  const bool look = asked < kLogLooksPerTick;
  if (!look && !member.pod->ssh) return;
  ++asked;
  seen.last_probe = tick.now;
  if (look) seen.last_log_look = tick.now;
  tick.act(member, ProbeWorker{worker.id, member.pod->id, look},
           fmt::format("no heartbeat {} after its start: asking over SSH and in its log",
                       format_duration(worker.phase_age)));
}

void advance_spawning(Tick& tick, Member& member, bool doubted, const ObserverView& observer) {
  const Worker& worker = *member.worker;
  if (worker.crash) {
    const Suspicion crash = suspicion_of(*worker.crash, worker.proven || worker.heartbeat_age.has_value());
    return fail(tick, member, crash.cause, crash.reason);
  }
  if (worker.heartbeat_age)
    return tick.act(member, ActivateWorker{worker.id},
                    fmt::format("first heartbeat after {}", format_duration(worker.age)));
  const bool has_no_pod_yet =
      worker.pod.empty() && (worker.phase == Phase::intent || worker.phase == Phase::unknown);
  if (!tick.pods_known() || has_no_pod_yet) return;
  const PodSigns signs = pod_signs(member);
  const bool believed = is_believed(tick, member, signs, doubted);
  // A container that restarts while the startup script has not ended is left to the script's deadline.
  const bool restarted_early = member.seen->restarted && worker.phase != Phase::awaiting_heartbeat &&
                               signs.cause == FailureCause::pod_exited &&
                               member.pod->status != PodStatus::exited;
  if (signs.gone && believed && !restarted_early) return fail(tick, member, signs.cause, signs.words);
  // In an outage no step and no first heartbeat arrives, and right after it they are still on their way.
  if (const auto late = overdue(worker, tick.settings); late && observer.settled && observer.hears)
    return fail(tick, member, late->cause, late->reason);
  if (worker.phase == Phase::provisioning && member.pod != nullptr && !worker.pod.empty() &&
      member.pod->status == PodStatus::starting)
    return tick.act(member, NotePhase{worker.id, Phase::starting}, "the container is starting");
  if (!can_be_brought_up(tick, member)) return;
  member.seen->last_bring_up = tick.now;
  // Not the worker's one action: a bring-up runs beside the watch and is called off when the worker ends.
  tick.act(BringUpWorker{worker.id, worker.pod}, fmt::format("pod {} runs and SSH is open after {}",
                                                             worker.pod.str(), format_duration(worker.age)));
}

/// A task that was claimed before the agent of now began: the process that worked on it is gone. Its age
/// alone proves nothing, because the database's clock may jump; we must have seen the agent begin anew.
std::optional<std::string> lost_by_restart(const Tick& tick, const Member& member) {
  if (!member.seen->agent_restarted) return std::nullopt;
  const Worker& worker = *member.worker;
  for (const RunningTask& task : tick.snapshot.running) {
    if (task.worker != worker.id) continue;
    const Duration agent = *worker.agent_uptime + silence(worker);
    if (task.running_for <= agent + kRestartSlack) continue;
    return fmt::format("its container has restarted {} ago (the agent's uptime went back) under task {}",
                       format_duration(agent), task.id.str());
  }
  member.seen->agent_restarted = false;  // it came back, and nothing was lost
  return std::nullopt;
}

/// What the provider's list lacks, or an uptime that went back, is no more than a hint; a status is a
/// statement.
bool is_hint(const PodSigns& signs, const Member& member) {
  return member.pod == nullptr ||
         (signs.cause == FailureCause::pod_exited && member.pod->status != PodStatus::exited);
}

void advance_working(Tick& tick, Member& member, bool doubted, const ObserverView& observer) {
  const Worker& worker = *member.worker;
  if (worker.crash) {
    const Suspicion crash = suspicion_of(*worker.crash, true);
    return fail(tick, member, crash.cause, crash.reason);
  }
  if (!tick.pods_known()) return;
  if (const auto lost = lost_by_restart(tick, member))
    return fail(tick, member, FailureCause::pod_exited, *lost);
  const PodSigns signs = pod_signs(member);
  if (!signs.gone) return;
  const Duration silent = silence(worker);
  if (silent <= tick.settings.heartbeat_interval * kMissedHeartbeats) return;
  // After an outage every heartbeat is old: a hint is not corroborated by that.
  if (observer.recovering && is_hint(signs, member)) return;
  if (!is_believed(tick, member, signs, doubted)) return;
  fail(tick, member, signs.cause,
       fmt::format("{}; last heartbeat {} ago", signs.words, format_duration(silent)));
}

}  // namespace

Suspicion suspicion_of(const CrashReport& crash, bool proven) {
  std::string how = "the worker process ended";
  if (crash.exit_code) how += fmt::format(" with exit code {}", *crash.exit_code);
  if (!crash.signal.empty()) how += fmt::format(" by {}", crash.signal);
  if (crash.ran_for) how += fmt::format(" after {}", format_duration(*crash.ran_for));
  if (!crash.step)
    return {proven ? FailureCause::worker_crashed : FailureCause::start_failed, std::move(how)};
  how = fmt::format("step {} of the startup script failed", to_string(*crash.step));
  if (crash.exit_code) how += fmt::format(" with exit code {}", *crash.exit_code);
  switch (*crash.step) {
    case BootStep::preflight:
      return {FailureCause::unclassified, std::move(how)};  // many causes: the evidence names the check
    case BootStep::fetch:
      return {FailureCause::fetch_failed, std::move(how)};
    case BootStep::setup:
      return {FailureCause::setup_failed, std::move(how)};
    case BootStep::start:
      return {FailureCause::start_failed, std::move(how)};
  }
  return {FailureCause::unclassified, std::move(how)};
}

std::optional<Suspicion> overdue(const Worker& worker, const Settings& settings) {
  const bool provisioning = worker.phase == Phase::provisioning || worker.phase == Phase::starting ||
                            worker.phase == Phase::intent || worker.phase == Phase::unknown;
  if (provisioning && worker.age > settings.provision_timeout)
    return Suspicion{FailureCause::provision_timeout,
                     fmt::format("no running pod with SSH after {} ({} at most)", format_duration(worker.age),
                                 format_duration(settings.provision_timeout))};
  if (worker.age <= settings.spawning_timeout) return std::nullopt;
  const std::string late =
      fmt::format("no heartbeat after {} ({} at most), still {}", format_duration(worker.age),
                  format_duration(settings.spawning_timeout), phase_text(worker.phase, worker.step));
  if (provisioning) return Suspicion{FailureCause::provision_timeout, late};
  if (worker.phase == Phase::connecting) return Suspicion{FailureCause::ssh_unreachable, late};
  // In the last step the worker runs; what did not come is its first heartbeat.
  if (worker.phase == Phase::bootstrapping && worker.step != BootStep::start)
    return Suspicion{FailureCause::bootstrap_timeout, late};
  return Suspicion{FailureCause::first_heartbeat_timeout, late};
}

void advance_workers(Tick& tick, const ObserverView& observer) {
  const bool doubted = tick.pods_known() && list_is_doubted(tick);
  if (doubted)
    tick.gate("pods", "most pods vanished from the list at once: it is believed when that lasts",
              tick.settings.list_lag);
  for (Member& member : tick.members) {
    if (!member.free()) continue;
    if (member.worker->status == WorkerStatus::spawning) {
      advance_spawning(tick, member, doubted, observer);
    } else if (is_watched(*member.worker)) {
      advance_working(tick, member, doubted, observer);
    }
  }
}

void ask_for_heartbeats(Tick& tick) {
  if (!tick.pods_known()) return;
  int asked = 0;
  for (Member& member : tick.members)
    if (member.free() && member.worker->status == WorkerStatus::spawning)
      ask_for_heartbeat(tick, member, asked);
}

}  // namespace gpuwarden::policy
