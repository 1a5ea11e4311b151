#pragma once

#include <optional>
#include <string>

#include "observer.hpp"
#include "tick.hpp"

namespace gpuwarden::policy {

/// The watchdog's verdict on one worker.
enum class Life { alive, dead, unknown };

/// What can be known of a worker's life; the second sources are the provider, a probe over SSH and the
/// container's log.
struct Signs {
  Duration silent{0};                   ///< since the last heartbeat, by the database's clock
  Duration watched_silent{0};           ///< since we last saw it change, by our own clock
  bool provider_says_gone{false};       ///< exited, failed, absent from two lists, or restarted in place
  std::string provider_words;           ///< why, in words
  std::optional<bool> process_lives;    ///< a fresh probe's answer
  Duration probes_unanswered{0};        ///< since the first probe that SSH did not answer
  std::optional<Duration> log_moved{};  ///< since its log was seen to grow
};

struct HealthVerdict {
  Life life{Life::unknown};
  bool wants_probe{false};  ///< a second source could decide
  std::string reason;
};

/// One worker, without regard to how many others are silent. A heartbeat that is merely late already wants a
/// probe, so that its answer is there when the time-out passes.
HealthVerdict assess(const Signs& signs, const Settings& settings);

/// Heartbeat deaths that may still be acted on: at most 20 % of the watched fleet, but at least one, in ten
/// minutes.
int replacements_left(const Memory& memory, int watched, MonoTime now);

/// Fails workers that are dead by two sources, asks for probes where only one speaks. Nobody dies while the
/// observer is suspected, except by positive proof after long patience.
void judge_health(Tick& tick, const ObserverView& observer);

}  // namespace gpuwarden::policy
