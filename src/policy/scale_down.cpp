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

/// Ends a spawning worker that has a pod; one without is settled by the create protocol first. It is drained
/// first, because it may have claimed a task since the snapshot was read.
bool cancel(Tick& tick, Member& member, const std::string& reason) {
  if (own_pod(tick, member).empty() || member.pod == nullptr) return false;
  tick.act(member, DrainWorker{member.worker->id}, reason);
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

/// Tasks have waited so long that an idle worker must be at fault.
bool is_unclaimed(const Tick& tick, const ObserverView& observer) {
  const auto& since = tick.memory.queued_since;
  return observer.settled && since && tick.now - *since >= tick.settings.idle_timeout;
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
    if (above_floor && unclaimed && idle >= settings.idle_timeout) {
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

void make_room_for_replacement(Tick& tick, WantedSize& wanted, const ObserverView& observer) {
  if (tick.snapshot.switches.paused || !is_unclaimed(tick, observer)) return;
  if (strength_of(tick).active > tick.settings.min_active) return;
  const std::vector<Member*> idle = idle_longest_first(tick);
  if (idle.empty() || *idle.front()->worker->idle_for < tick.settings.idle_timeout) return;
  tick.gate("floor", fmt::format("{} is idle although tasks wait, and MIN_ACTIVE_GPUS keeps it until another "
                                 "worker is active",
                                 idle.front()->worker->id.str()));
  const int ceiling = std::max(tick.settings.max_active, tick.settings.min_active);
  wanted.up = std::min(wanted.up + 1, ceiling);
  wanted.down = std::max(wanted.down, wanted.up);
}

void shrink(Tick& tick, const WantedSize& wanted, const ObserverView& observer) {
  if (tick.snapshot.switches.paused || observer.mass_silence) return;
  const Strength before = strength_of(tick);
  const int capacity = before.capacity();
  int surplus = capacity - wanted.down;
  int cancelled = 0;
  if (surplus > 0 && tick.pods_known()) cancelled = cancel_spawning(tick, surplus, wanted, capacity);
  surplus -= cancelled;
  const int spare = capacity - cancelled - wanted.up;
  drain_idle(tick, {surplus, spare, before.active - tick.settings.min_active}, is_unclaimed(tick, observer));
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
