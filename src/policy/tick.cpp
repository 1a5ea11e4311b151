#include "tick.hpp"

#include <string_view>
#include <unordered_map>
#include <utility>

#include "database_clock.hpp"

namespace gpuwarden::policy {
namespace {

constexpr int kListsToBelieve = 2;
// Stamps are differences of database times, rounded to milliseconds: smaller steps are no heartbeat.
constexpr Duration kHeartbeatStep{500};
// Uptimes come from caches of the provider and may step back a little without a restart.
constexpr Duration kUptimeStep{5000};
constexpr Duration kForgetDeletes{3'600'000};

bool advanced(const std::optional<WallTime>& before, WallTime stamp) {
  if (!before) return true;
  const Duration step = stamp - *before;
  return step > kHeartbeatStep || step < -kHeartbeatStep;
}

/// The provider's clock is compared with itself only: a line that was not there at the look before.
void see_log(const Tick& tick, const WorkerId& worker, Memory::WorkerSeen& seen) {
  if (tick.seen.newest_log_line.empty()) return;
  const auto line = tick.seen.newest_log_line.find(worker);
  if (line == tick.seen.newest_log_line.end()) return;
  if (seen.log_line && line->second > *seen.log_line) seen.log_moved = tick.now;
  if (!seen.log_line || line->second > *seen.log_line) seen.log_line = line->second;
}

void see_row(Tick& tick, Member& member) {
  const Worker& worker = *member.worker;
  auto [entry, fresh] = tick.memory.workers.try_emplace(worker.id);
  Memory::WorkerSeen& seen = entry->second;
  member.seen = &seen;
  seen.tick = tick.memory.ticks;
  if (fresh) {
    seen.first_seen = tick.now;
    seen.heartbeat_changed = tick.now;
  }
  if (worker.heartbeat_age) {
    const WallTime stamp = tick.snapshot.db_now - jumped_ahead(tick.memory) - *worker.heartbeat_age;
    if (advanced(seen.last_heartbeat, stamp)) {
      seen.last_heartbeat = stamp;
      seen.heartbeat_changed = tick.now;
      seen.restarted = false;
      seen.unanswered_since.reset();
      seen.probed_alive.reset();
      seen.last_log_look.reset();
      seen.log_line.reset();
      seen.log_moved.reset();
    }
  }
  if (worker.agent_uptime) {
    if (seen.agent_uptime && *worker.agent_uptime + kUptimeStep < *seen.agent_uptime)
      seen.agent_restarted = true;
    seen.agent_uptime = worker.agent_uptime;
  }
  if (member.in_flight) {  // lists of before the action's end prove nothing
    seen.absent_lists = 0;
    seen.absent_since.reset();
  }
  see_log(tick, worker.id, seen);
  if (tick.seen.shell_probe.empty()) return;
  const auto probe = tick.seen.shell_probe.find(worker.id);
  if (probe == tick.seen.shell_probe.end()) return;
  seen.probed_alive = probe->second;
  seen.probed_at = tick.now;
  seen.unanswered_since.reset();
}

/// Matches pods with rows: by name, then by id for pods that somebody renamed.
void match_pods(Tick& tick) {
  const std::vector<Pod>& pods = *tick.seen.pods;
  std::vector<const Pod*> unmatched;
  for (const Pod& pod : pods) {
    if (pod.status == PodStatus::terminated) continue;
    const auto found = tick.index.find(pod.name);
    if (!found) {
      unmatched.push_back(&pod);
      continue;
    }
    Member& member = tick.members[*found];
    const PodId& own = member.worker->pod;
    const bool is_own = own.empty() ? member.pod == nullptr || pod.id < member.pod->id : own == pod.id;
    const Pod* stray = &pod;
    if (is_own) stray = std::exchange(member.pod, &pod);
    if (stray != nullptr) tick.strays.push_back({stray, &member});
  }
  std::unordered_map<std::string_view, Member*> by_pod;
  for (Member& member : tick.members) {
    if (!unmatched.empty() && member.pod == nullptr && !member.worker->pod.empty())
      by_pod.emplace(member.worker->pod.str(), &member);
  }
  for (const Pod* pod : unmatched) {
    if (const auto renamed = by_pod.find(pod->id.str()); renamed != by_pod.end()) {
      renamed->second->pod = pod;
    } else if (is_worker_name_of(pod->name, tick.settings.owner)) {
      tick.strays.push_back({pod, nullptr});
    }
  }
}

void see_pod(Tick& tick, Member& member) {
  Memory::WorkerSeen& seen = *member.seen;
  if (member.pod == nullptr) {
    if (member.in_flight) return;
    if (seen.absent_lists++ == 0) seen.absent_since = tick.now;
    return;
  }
  seen.absent_lists = 0;
  seen.absent_since.reset();
  seen.was_listed = true;
  const auto& uptime = member.pod->uptime;
  if (!uptime) return;
  if (seen.uptime && *uptime + kUptimeStep < *seen.uptime) seen.restarted = true;
  seen.uptime = uptime;
}

bool ends(const Action& action) {
  return std::holds_alternative<FailWorker>(action) || std::holds_alternative<DrainWorker>(action) ||
         std::holds_alternative<DeletePod>(action) || std::holds_alternative<AbandonIntent>(action);
}

void forget_the_gone(Tick& tick) {
  Memory& memory = tick.memory;
  if (memory.workers.size() > tick.members.size()) {
    std::erase_if(memory.workers, [&](const auto& entry) { return entry.second.tick != memory.ticks; });
  }
  std::erase_if(memory.deletes,
                [&](const auto& entry) { return entry.second.next + kForgetDeletes < tick.now; });
}

}  // namespace

bool Member::foreign_pod() const {
  return pod != nullptr && pod->name != worker->id.str();
}

Member* Tick::find(const WorkerId& worker) {
  const auto found = index.find(worker.str());
  return found ? &members[*found] : nullptr;
}

void Tick::act(Member& member, Action action, std::string reason) {
  member.taken = true;
  member.ending = ends(action);
  plan.actions.push_back({std::move(action), std::move(reason)});
}
void Tick::act(Action action, std::string reason) {
  plan.actions.push_back({std::move(action), std::move(reason)});
}
void Tick::gate(std::string name, std::string reason, std::optional<Duration> opens_in) {
  plan.gates.push_back({std::move(name), std::move(reason), opens_in});
}

void join(Tick& tick) {
  ++tick.memory.ticks;
  const std::vector<Worker>& rows = tick.snapshot.workers;
  tick.members.reserve(rows.size());
  tick.index.reset(rows.size());
  tick.memory.workers.reserve(rows.size());
  std::size_t in_flight = 0;
  for (const Worker& row : rows) {
    if (row.status == WorkerStatus::terminated) continue;
    if (!tick.index.add(row.id.str(), tick.members.size())) continue;
    Member member;
    member.worker = &row;
    member.in_flight = !tick.seen.in_flight.empty() && tick.seen.in_flight.contains(row.id);
    if (member.in_flight) ++in_flight;
    see_row(tick, member);
    tick.members.push_back(member);
  }
  tick.ghosts = static_cast<int>(tick.seen.in_flight.size() - in_flight);
  if (tick.pods_known()) {
    match_pods(tick);
    for (Member& member : tick.members) see_pod(tick, member);
  }
  forget_the_gone(tick);
}

PodId own_pod(const Tick& tick, const Member& member) {
  const Worker& worker = *member.worker;
  if (member.foreign_pod() || !is_worker_name_of(worker.id.str(), tick.settings.owner)) return PodId{};
  if (!worker.pod.empty()) return worker.pod;
  return member.pod == nullptr ? PodId{} : member.pod->id;
}

bool absent_twice(const Member& member) {
  return member.pod == nullptr && member.seen->absent_lists >= kListsToBelieve;
}

Duration absent_for(const Tick& tick, const Member& member) {
  return member.seen->absent_since ? tick.now - *member.seen->absent_since : Duration{0};
}

}  // namespace gpuwarden::policy
