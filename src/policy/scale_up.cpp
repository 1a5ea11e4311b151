#include "scale_up.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "budget.hpp"
#include "placement.hpp"
#include "words.hpp"

namespace gpuwarden::policy {
namespace {

constexpr Duration kRateWindow{60'000};

/// splitmix64: independent ids from the tick's one seed.
std::uint32_t random_of(std::uint64_t seed, std::uint64_t i) {
  constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15ULL;
  std::uint64_t z = seed + (i + 1) * kStep;
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
  return static_cast<std::uint32_t>((z ^ (z >> 31U)) >> 32U);
}

WorkerId fresh_id(Tick& tick, std::uint64_t& draw) {
  for (;;) {
    WorkerId id = make_worker_id(tick.settings.owner, tick.snapshot.db_now, random_of(tick.random, draw++));
    if (tick.find(id) == nullptr) return id;
  }
}

/// A gate that lets nothing through whatever the number; none = go on.
std::optional<Gate> shut(const Tick& tick, const ObserverView& observer) {
  const Memory& memory = tick.memory;
  const Switches& switches = tick.snapshot.switches;
  if (switches.paused)
    return Gate{"paused", fmt::format("paused by {}: {}", switches.paused_by, switches.pause_reason), {}};
  if (!tick.pods_known())
    return Gate{"pods", "the pod list is not complete, so the ceiling cannot be checked", {}};
  if (observer.mass_silence) return Gate{"observer", "nothing is spawned while " + observer.why, {}};
  if (memory.no_balance_until && tick.now < *memory.no_balance_until)
    return Gate{"balance", "Runpod says that the balance is too low", *memory.no_balance_until - tick.now};
  if (memory.rate_limited_until && tick.now < *memory.rate_limited_until)
    return Gate{"request_quota", "creates could not be sent a moment ago: no request quota, or no connection",
                *memory.rate_limited_until - tick.now};
  return std::nullopt;
}

/// Why workers are wanted.
std::string need(const Tick& tick, int wanted, int there) {
  const QueueDepth& queue = tick.snapshot.queue;
  const auto& drain = tick.plan.scale.drain;
  if (!drain || drain->timed == 0)
    return fmt::format("{} queued and {} running tasks want {}, {} {} there", queue.queued, queue.running,
                       counted(wanted, "worker"), there, there == 1 ? "is" : "are");
  return fmt::format("{} queued and {} running tasks, {} of work, want {} to be done in {}, {} {} there",
                     queue.queued, queue.running, format_duration(drain->work), counted(wanted, "worker"),
                     format_duration(drain->target), there, there == 1 ? "is" : "are");
}

/// Lowers `missing` to what a gate lets through and says so.
void limit(Tick& tick, int& missing, int room, const Gate& gate) {
  if (missing <= room) return;
  missing = std::max(room, 0);
  tick.plan.gates.push_back(gate);
}

int spawned_last_minute(const Tick& tick) {
  // The rows remember what a restarted daemon does not.
  const auto young = std::count_if(tick.members.begin(), tick.members.end(),
                                   [](const Member& member) { return member.worker->age < kRateWindow; });
  return std::max(static_cast<int>(young), static_cast<int>(tick.memory.recent_spawns.size()));
}

int allowed(Tick& tick, int missing, const SpawnPermit& permit, const Strength& now) {
  const Settings& settings = tick.settings;
  if (permit.gate == "breaker") {
    missing = std::min(missing, permit.slots);  // its gate is shown already
  } else {
    limit(tick, missing, permit.slots, {permit.gate, permit.reason, permit.opens_in});
  }
  limit(tick, missing, settings.max_active - now.occupied,
        {"ceiling",
         fmt::format("{} pods exist or may exist, {} are allowed", now.occupied, settings.max_active),
         {}});
  const auto& spawns = tick.memory.recent_spawns;
  std::optional<Duration> opens;
  if (!spawns.empty()) opens = spawns.front() + kRateWindow - tick.now;
  limit(tick, missing, settings.max_spawns_per_minute - spawned_last_minute(tick),
        {"spawn_rate", fmt::format("at most {} spawns in a minute", settings.max_spawns_per_minute), opens});
  return missing;
}

void spawn(Tick& tick, int count, const BreakerVerdict& breaker, const std::string& why) {
  if (count <= 0) return;
  PlacePermits places = breaker.places;
  Budget budget = budget_of(tick);
  Spread spread(usable(tick.seen.offers, tick.memory, tick.now, tick.snapshot.outcomes));
  std::optional<std::string> too_dear;
  bool any = false;
  const auto fits = [&](const Placement& placement) {
    if (!places.has_room(placement)) return false;
    any = true;
    auto refused = budget.refuses(budget.price_of(placement));
    if (!refused) return true;
    if (!too_dear) too_dear = std::move(refused);
    return false;
  };
  std::uint64_t draw = 0;
  for (int i = 0; i < count; ++i) {
    auto placement = spread.next(fits);
    if (!placement) {
      if (any && too_dear) return tick.gate("budget", *too_dear);
      if (const auto held =
              places.why_none(usable(tick.seen.offers, tick.memory, tick.now, tick.snapshot.outcomes)))
        return tick.plan.gates.push_back(*held);
      if (tick.seen.offers.empty()) return tick.gate("placement", "there is no GPU type to ask for");
      const auto again = next_candidate_in(tick.seen.offers, tick.memory, tick.now);
      if (const auto refused = refused_everywhere(tick.seen.offers, tick.memory))
        return tick.gate("rejected",
                         fmt::format("Runpod refuses our request for every placement: {}", *refused), again);
      return tick.gate("placement", "every placement was out of capacity or refused a moment ago", again);
    }
    budget.add(budget.price_of(*placement));
    const bool probe = places.is_probe(*placement);
    places.take(*placement);
    tick.memory.recent_spawns.push_back(tick.now);
    SpawnWorker action;
    action.worker = fresh_id(tick, draw);
    action.placement = std::move(*placement);
    action.canary = breaker.permit.canary || tick.script.is_canary(i);
    action.last_good = tick.script.uses_last_good(i);
    action.generation = breaker.state.generation;
    std::string reason = why;
    if (probe) reason = fmt::format("canary of {}: {}", place_words(place_of(action.placement)), why);
    if (breaker.permit.canary) reason = "canary: " + why;
    if (tick.script.is_canary(i)) reason = fmt::format("first with script {}: {}", tick.script.name, reason);
    tick.act(std::move(action), std::move(reason));
  }
}

}  // namespace

void grow(Tick& tick, const Sizing& sizing, const BreakerVerdict& breaker, const ObserverView& observer) {
  std::erase_if(tick.memory.recent_spawns, [&](MonoTime at) { return tick.now - at >= kRateWindow; });
  forget_old_pauses(tick.memory, tick.now);
  const Strength now = strength_of(tick);
  int missing = sizing.now.up - now.capacity();
  if (missing <= 0) {
    if (tick.snapshot.switches.paused) tick.plan.gates.push_back(*shut(tick, observer));
    return;
  }
  if (auto gate = shut(tick, observer)) {
    tick.plan.gates.push_back(std::move(*gate));
    return;
  }
  limit(tick, missing, sizing.grow_to - now.capacity(),
        {"scale_up_delay",
         fmt::format("more workers are added when they have been wanted for {}",
                     format_duration(tick.settings.scale_up_delay)),
         sizing.grows_in});
  const std::string why = need(tick, sizing.now.up, now.capacity());
  spawn(tick, tick.script.room(allowed(tick, missing, breaker.permit, now)), breaker, why);
}

}  // namespace gpuwarden::policy
