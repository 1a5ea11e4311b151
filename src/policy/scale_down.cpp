#include "scale_down.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

namespace gpuwarden::policy {
namespace {

std::vector<Member*> idle_longest_first(Tick& tick) {
  std::vector<Member*> idle;
  for (Member& member : tick.members) {
    const Worker& worker = *member.worker;
    if (member.free() && worker.status == WorkerStatus::active && worker.tasks.empty() && worker.idle_for)
      idle.push_back(&member);
  }
  std::stable_sort(idle.begin(), idle.end(), [](const Member* a, const Member* b) {
    return *a->worker->idle_for > *b->worker->idle_for;
  });
  return idle;
}

/// Ends a spawning worker that has a pod; one without is settled by the create protocol first.
bool cancel(Tick& tick, Member& member, const std::string& reason) {
  const PodId pod = own_pod(tick, member);
  if (pod.empty() || member.pod == nullptr) return false;
  tick.act(member, DeletePod{member.worker->id, pod}, reason);
  return true;
}

int cancel_spawning(Tick& tick, int surplus, const WantedSize& wanted, int capacity) {
  std::vector<Member*> young;
  for (Member& member : tick.members) {
    const Worker& worker = *member.worker;
    if (member.free() && worker.status == WorkerStatus::spawning && !worker.canary && !worker.heartbeat_age &&
        worker.age >= tick.settings.spawning_grace)
      young.push_back(&member);
  }
  std::stable_sort(young.begin(), young.end(),
                   [](const Member* a, const Member* b) { return a->worker->age < b->worker->age; });
  int cancelled = 0;
  for (Member* member : young) {
    if (cancelled == surplus) break;
    if (cancel(tick, *member,
               fmt::format("still spawning after {} and not needed: {} wanted, {} there",
                           format_duration(member->worker->age), wanted.down, capacity)))
      ++cancelled;
  }
  return cancelled;
}

struct IdleCounts {
  int surplus;    ///< above the band: the short time-out is enough
  int spare;      ///< above what is needed: the normal time-out
  int drainable;  ///< active ones above the floor
};

void drain_idle(Tick& tick, IdleCounts counts, bool unclaimed) {
  const Settings& settings = tick.settings;
  Memory& memory = tick.memory;
  const bool in_grace =
      memory.last_scale_down && tick.now - *memory.last_scale_down < settings.scale_down_grace;
  int drained = 0, held = 0;
  for (Member* member : idle_longest_first(tick)) {
    const Duration idle = *member->worker->idle_for;
    std::string reason;
    const bool above_floor = drained < counts.drainable;
    if (unclaimed && idle >= settings.idle_timeout) {
      reason = fmt::format("idle for {} although tasks wait: it does not claim", format_duration(idle));
    } else if (above_floor && drained < counts.surplus && idle >= settings.overcapacity_idle_timeout) {
      reason = fmt::format("idle for {} and more workers than work", format_duration(idle));
    } else if (above_floor && drained < counts.spare && idle >= settings.idle_timeout) {
      reason = fmt::format("idle for {}", format_duration(idle));
    } else {
      continue;
    }
    if (in_grace) {
      ++held;
      continue;
    }
    ++drained;
    tick.act(*member, DrainWorker{member->worker->id}, std::move(reason));
    if (unclaimed) break;  // one at a time: the queue's word may be wrong
  }
  if (drained > 0) memory.last_scale_down = tick.now;
  if (held > 0)
    tick.gate("scale_down_grace", fmt::format("{} idle workers wait for the pause between scale-downs", held),
              *memory.last_scale_down + settings.scale_down_grace - tick.now);
}

}  // namespace

void shrink(Tick& tick, const WantedSize& wanted, const ObserverView& observer) {
  if (tick.snapshot.switches.paused || observer.mass_silence) return;
  const Strength before = strength_of(tick);
  const int capacity = before.capacity();
  Memory& memory = tick.memory;
  int surplus = capacity - wanted.down;
  if (surplus <= 0) {
    memory.want_less_since.reset();
  } else if (!memory.want_less_since) {
    memory.want_less_since = tick.now;
  }
  int cancelled = 0;
  if (surplus > 0 && tick.pods_known()) cancelled = cancel_spawning(tick, surplus, wanted, capacity);
  surplus -= cancelled;
  const int spare = capacity - cancelled - wanted.up;
  const bool unclaimed = observer.settled && memory.queued_since &&
                         tick.now - *memory.queued_since >= tick.settings.idle_timeout;
  drain_idle(tick, {surplus, spare, before.active - tick.settings.min_active}, unclaimed);
}

void drain_all(Tick& tick) {
  const std::string reason = "the whole fleet is asked to drain";
  for (Member& member : tick.members) {
    if (!member.free()) continue;
    if (member.worker->status == WorkerStatus::active) {
      tick.act(member, DrainWorker{member.worker->id}, reason);
    } else if (member.worker->status == WorkerStatus::spawning && tick.pods_known()) {
      cancel(tick, member, reason);
    }
  }
}

}  // namespace gpuwarden::policy
