#include "observer.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

namespace gpuwarden::policy {
namespace {

constexpr int kCompleteReads = 3;
constexpr Duration kLoopGap{5000};
constexpr int kMassAtLeast = 3;
constexpr int kMassPercent = 55;

void restart_timers(Memory& memory, MonoTime now) {
  memory.timers_restarted = now;
}

void recover(Memory& memory, MonoTime now) {
  restart_timers(memory, now);
  memory.recovered_at = now;
  memory.queued_since.reset();  // what waited could not be claimed
}

/// Heartbeats that could not be read, or not be written, while we were blind must not count as missing.
void note_read(Tick& tick) {
  Memory& memory = tick.memory;
  ++memory.complete_snapshots;
  const Duration longest_unnoticed = tick.settings.heartbeat_interval + tick.settings.poll;
  if (!memory.last_complete_snapshot) {
    restart_timers(memory, tick.now);
  } else if (tick.now - *memory.last_complete_snapshot > longest_unnoticed) {
    recover(memory, tick.now);
    memory.complete_snapshots = 1;
  }
  memory.last_complete_snapshot = tick.now;
  const std::int64_t epoch = tick.snapshot.leader.epoch;
  if (memory.epoch && *memory.epoch != epoch) restart_timers(memory, tick.now);
  memory.epoch = epoch;
  if (memory.stalled_until && tick.now >= *memory.stalled_until) memory.stalled_until.reset();
  if (tick.seen.loop_gap >= kLoopGap) memory.stalled_until = tick.now + kLoopGap;
}

/// Our own row comes back with the next read, or nothing that we read or write can be trusted.
void note_beacon(Tick& tick) {
  int& returned = tick.memory.beacons_returned;
  returned = tick.seen.beacon_returned == true ? std::min(returned + 1, kCompleteReads) : 0;
}

struct Lateness {
  int watched{0}, late{0}, newly{0};
};

Lateness count_late(const Tick& tick) {
  Lateness result;
  const Duration after = late_after(tick.settings);
  for (const Member& member : tick.members) {
    if (!is_watched(*member.worker)) continue;
    ++result.watched;
    const Duration silent = silence(*member.worker);
    if (silent <= after) continue;
    ++result.late;
    // By our own watch, which an outage or a restart begins anew: who fell silent behind our back is new to
    // us.
    const Duration known = std::min(silent, watched_silence(tick, member));
    if (known <= after + tick.settings.heartbeat_timeout * 2) ++result.newly;
  }
  return result;
}

void judge_mass(Tick& tick, ObserverView& view) {
  Memory& memory = tick.memory;
  const Lateness late = count_late(tick);
  const int threshold = mass_threshold(late.watched);
  const int evidence = memory.mass_stale_since ? late.late : late.newly;
  if (evidence >= threshold) {
    if (!memory.mass_stale_since) memory.mass_stale_since = tick.now;
    view.mass_silence = true;
    view.mass_silent_for = tick.now - *memory.mass_stale_since;
    view.why = fmt::format(
        "{} of {} workers went silent together: the database or our view of it is suspected, not the workers",
        late.late, late.watched);
    return;
  }
  if (!memory.mass_stale_since) return;
  memory.mass_stale_since.reset();
  recover(memory, tick.now);
}

/// Where nobody who should be heard is heard, a start that reports nothing may only be unheard too.
bool hears(Tick& tick) {
  const Duration fresh = tick.settings.heartbeat_interval * 2 + tick.settings.poll;
  int watched = 0, heard = 0;
  for (const Member& member : tick.members) {
    if (!is_watched(*member.worker)) continue;
    ++watched;
    if (silence(*member.worker) <= fresh) ++heard;
  }
  std::optional<MonoTime>& unheard = tick.memory.unheard_at;
  if (watched > 0 && heard == 0) unheard = tick.now;
  // What waited is sent again within a heartbeat interval. Where those who were silent are gone since, nobody
  // can tell that the silence has ended.
  const Duration patience = watched > 0 ? fresh : std::max(fresh, tick.settings.heartbeat_timeout);
  return !unheard || tick.now - *unheard >= patience;
}

std::string beacon_words(const Tick& tick) {
  if (!tick.seen.beacon_returned) return "it is not known yet whether what we write arrives in the database";
  if (!*tick.seen.beacon_returned)
    return "what we left in the database did not come back: our writes do not arrive, or we read an old copy";
  return fmt::format("what we left in the database has come back {} times in a row, {} are needed to judge",
                     tick.memory.beacons_returned, kCompleteReads);
}

}  // namespace

Duration late_after(const Settings& settings) {
  return std::max(settings.heartbeat_timeout - settings.heartbeat_interval, settings.heartbeat_timeout / 2);
}

int mass_threshold(int watched) {
  return std::max(kMassAtLeast, (watched * kMassPercent + 99) / 100);
}

bool is_watched(const Worker& worker) {
  if (worker.status == WorkerStatus::active) return true;
  return worker.status == WorkerStatus::terminating && worker.phase != Phase::deleting &&
         !worker.tasks.empty();
}

Duration silence(const Worker& worker) {
  return worker.heartbeat_age.value_or(worker.phase_age);
}

Duration watched_silence(const Tick& tick, const Member& member) {
  return tick.now - std::max(member.seen->heartbeat_changed, tick.memory.timers_restarted);
}

void note_blind(Memory& memory) {
  memory.complete_snapshots = 0;
}

ObserverView observe(Tick& tick) {
  ObserverView view;
  note_read(tick);
  note_beacon(tick);
  judge_mass(tick, view);
  view.hears = hears(tick);
  const Memory& memory = tick.memory;
  const bool long_enough = tick.now - memory.timers_restarted >= tick.settings.heartbeat_timeout;
  view.recovering = memory.recovered_at && tick.now - *memory.recovered_at < tick.settings.heartbeat_timeout;
  view.settled = !view.mass_silence && !view.recovering;
  if (view.mass_silence) return view;
  if (memory.complete_snapshots < kCompleteReads) {
    view.why = fmt::format("{} complete reads of the database in a row, {} are needed to judge",
                           memory.complete_snapshots, kCompleteReads);
  } else if (memory.beacons_returned < kCompleteReads) {
    view.why = beacon_words(tick);
  } else if (memory.stalled_until) {
    view.why = "our own loop stood still a moment ago";
  } else if (!long_enough) {
    view.why =
        fmt::format("we have watched for {} only", format_duration(tick.now - memory.timers_restarted));
  } else {
    view.trusted = true;
  }
  return view;
}

}  // namespace gpuwarden::policy
