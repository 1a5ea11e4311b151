#pragma once

#include <string>

#include "tick.hpp"

namespace gpuwarden::policy {

/// May we believe what we see? A fleet that goes silent all at once says more about us, or about the
/// database, than about the workers.
struct ObserverView {
  bool trusted{false};     ///< silence may be taken for death (with a second source)
  bool settled{false};     ///< neither recovering nor a silence of many: ages in the database mean something
  bool recovering{false};  ///< an outage ended less than a heartbeat time-out ago
  bool hears{true};        ///< reports of pods arrive, as far as active workers can show it
  bool mass_silence{false};    ///< too many late heartbeats at once
  Duration mass_silent_for{};  ///< since that was seen
  std::string why;             ///< when not trusted
};

/// Number of late workers from which silence is a matter of the observer: max(3, 55 %).
int mass_threshold(int watched);

/// When a heartbeat is late: one interval before the time-out, so that a silence of all is seen, and a single
/// worker asked after, before the first one is judged.
Duration late_after(const Settings& settings);

/// A worker whose heartbeats we expect: active, or draining with a task.
bool is_watched(const Worker& worker);

/// Since its last heartbeat by the database's clock; since activation when there was none.
Duration silence(const Worker& worker);

/// Since we last saw its heartbeat advance, by our own clock; an outage or a new leadership begins it anew.
Duration watched_silence(const Tick& tick, const Member& member);

/// Takes down that this tick's database read failed or was read-only.
void note_blind(Memory& memory);

/// Judges this tick's view and restarts the timers after an outage, a new leadership or mass silence.
ObserverView observe(Tick& tick);

}  // namespace gpuwarden::policy
