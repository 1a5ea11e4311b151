#include "scale_down.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

namespace gpuwarden::policy {
namespace {

/// Those of a surplus that may be cancelled, youngest first.
std::vector<Member*> cancellable(Tick& tick) {
  std::vector<Member*> young;
  for (Member& member : tick.members) {
    const Worker& worker = *member.worker;
    if (member.free() && worker.status == WorkerStatus::spawning && !worker.canary && !worker.heartbeat_age &&
        worker.age >= tick.settings.spawning_grace && member.pod != nullptr && !own_pod(tick, member).empty())
      young.push_back(&member);
  }
  std::stable_sort(young.begin(), young.end(),
                   [](const Member* a, const Member* b) { return a->worker->age < b->worker->age; });
  return young;
}

/// Tasks have waited so long that an idle worker must be at fault.
bool is_unclaimed(const Tick& tick, const ObserverView& observer) {
  const auto& since = tick.memory.queued_since;
  return observer.settled && since && tick.now - *since >= tick.settings.idle_timeout;
}

/// How many workers of a kind may go: as it is now, and as it has been for the delay of scale-downs.
struct Room {
  int now{0}, lasting{0};
};

/// Workers that would go, counted by what keeps them.
struct Kept {
  int too_soon{0};  ///< fewer workers have not been enough for long
  int in_grace{0};  ///< another one went a moment ago
};

int cancel_spawning(Tick& tick, Room surplus, int capacity, Kept& kept) {
  int cancelled = 0;
  for (Member* member : cancellable(tick)) {
    if (cancelled + kept.too_soon >= surplus.now) break;
    if (cancelled >= surplus.lasting) {
      ++kept.too_soon;
      continue;
    }
    // Drained first, because it may have claimed a task since the snapshot was read.
    tick.act(*member, DrainWorker{member->worker->id},
             fmt::format("still spawning after {} and not needed: {} wanted, {} there",
                         format_duration(member->worker->age), capacity - surplus.now, capacity));
    ++cancelled;
  }
  return cancelled;
}

struct IdleRooms {
  Room surplus;   ///< above the band: the short time-out is enough
  Room spare;     ///< above what is needed: the normal time-out
  int drainable;  ///< active ones above the floor
};

void drain_idle(Tick& tick, const IdleRooms& rooms, bool unclaimed, Kept& kept) {
  const Settings& settings = tick.settings;
  Memory& memory = tick.memory;
  const bool in_grace =
      memory.last_scale_down && tick.now - *memory.last_scale_down < settings.scale_down_grace;
  int going = 0, drained = 0;
  for (Member* member : idle_longest_first(tick)) {
    if (going >= rooms.drainable) break;
    const Duration idle = *member->worker->idle_for;
    const bool long_idle = idle >= settings.idle_timeout;
    const auto has_room = [&](int surplus, int spare, int gone) {
      return (gone < surplus && idle >= settings.overcapacity_idle_timeout) || (gone < spare && long_idle);
    };
    const bool claims_nothing = unclaimed && long_idle;
    if (!claims_nothing && !has_room(rooms.surplus.now, rooms.spare.now, going)) continue;
    ++going;
    if (!claims_nothing && !has_room(rooms.surplus.lasting, rooms.spare.lasting, drained)) {
      ++kept.too_soon;
      continue;
    }
    if (in_grace) {
      ++kept.in_grace;
      continue;
    }
    std::string reason = fmt::format("idle for {}", format_duration(idle));
    if (claims_nothing) {
      reason += " although tasks wait: it does not claim";
    } else if (going <= rooms.surplus.now) {
      reason += " and more workers than work";
    }
    ++drained;
    tick.act(*member, DrainWorker{member->worker->id}, std::move(reason));
    if (claims_nothing) break;  // one at a time: the queue's word may be wrong
  }
  if (drained > 0) memory.last_scale_down = tick.now;
}

}  // namespace

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

void make_room_for_replacement(Tick& tick, Sizing& sizing, const ObserverView& observer) {
  if (tick.snapshot.switches.paused || !is_unclaimed(tick, observer)) return;
  if (strength_of(tick).active > tick.settings.min_active) return;
  const std::vector<Member*> idle = idle_longest_first(tick);
  if (idle.empty() || *idle.front()->worker->idle_for < tick.settings.idle_timeout) return;
  tick.gate("floor", fmt::format("{} is idle although tasks wait, and MIN_ACTIVE_GPUS keeps it until another "
                                 "worker is active",
                                 idle.front()->worker->id.str()));
  const int ceiling = std::max(tick.settings.max_active, tick.settings.min_active);
  WantedSize& now = sizing.now;
  now.up = sizing.grow_to = std::min(now.up + 1, ceiling);
  now.down = std::max(now.down, now.up);
  sizing.shrink_to.up = std::max(sizing.shrink_to.up, now.up);
  sizing.shrink_to.down = std::max(sizing.shrink_to.down, now.down);
}

void shrink(Tick& tick, const Sizing& sizing, const ObserverView& observer) {
  if (tick.snapshot.switches.paused || observer.mass_silence) return;
  const Strength before = strength_of(tick);
  const int capacity = before.capacity();
  Kept kept;
  Room surplus{capacity - sizing.now.down, capacity - sizing.shrink_to.down};
  int cancelled = 0;
  if (surplus.now > 0 && tick.pods_known()) cancelled = cancel_spawning(tick, surplus, capacity, kept);
  const int gone = cancelled + kept.too_soon;  // those that will be cancelled keep no idle worker's place
  surplus = {surplus.now - gone, surplus.lasting - cancelled};
  const Room spare{capacity - gone - sizing.now.up, capacity - cancelled - sizing.shrink_to.up};
  drain_idle(tick, {surplus, spare, before.active - tick.settings.min_active}, is_unclaimed(tick, observer),
             kept);
  if (kept.too_soon > 0)
    tick.gate("scale_down_delay",
              fmt::format("{} workers could go when fewer have been enough for {}", kept.too_soon,
                          format_duration(tick.settings.scale_down_delay)),
              sizing.shrinks_in);
  if (kept.in_grace > 0)
    tick.gate("scale_down_grace",
              fmt::format("{} idle workers wait for the pause between scale-downs", kept.in_grace),
              *tick.memory.last_scale_down + tick.settings.scale_down_grace - tick.now);
}

void drain_all(Tick& tick) {
  const std::string reason = "the whole fleet is asked to drain";
  for (Member& member : tick.members) {
    if (!member.free()) continue;
    if (member.worker->status == WorkerStatus::active) {
      tick.act(member, DrainWorker{member.worker->id}, reason);
    } else if (member.worker->status == WorkerStatus::spawning && member.pod != nullptr &&
               !own_pod(tick, member).empty()) {
      tick.act(member, DrainWorker{member.worker->id}, reason);
    }
  }
}

}  // namespace gpuwarden::policy
