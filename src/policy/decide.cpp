#include "gpuwarden/policy/decide.hpp"

#include <utility>

#include <fmt/format.h>

#include "breaker.hpp"
#include "cost_limit.hpp"
#include "creation.hpp"
#include "cusum.hpp"
#include "database_clock.hpp"
#include "lifecycle.hpp"
#include "observer.hpp"
#include "persistence.hpp"
#include "reaping.hpp"
#include "rescue.hpp"
#include "scale_decision.hpp"
#include "scale_down.hpp"
#include "scale_up.hpp"
#include "scale_words.hpp"
#include "stuck_tasks.hpp"
#include "tick.hpp"
#include "worker_health.hpp"

namespace gpuwarden::policy {
namespace {

/// Why nothing at all may be done this tick; none = go on.
std::optional<Gate> blindness(const Observation& seen) {
  if (!seen.snapshot)
    return Gate{"database", fmt::format("not readable, so nothing is done: {}", seen.snapshot_error), {}};
  if (!seen.snapshot->writable)
    return Gate{"database", "it answers reads only, so nothing is done and silence proves nothing", {}};
  if (!seen.rehearsal && !seen.snapshot->leader.leading)
    return Gate{"leader", fmt::format("{} leads; we wait", seen.snapshot->leader.holder), {}};
  return std::nullopt;
}

bool same_but_places(BreakerMemory kept, const BreakerMemory& next) {
  kept.scopes = next.scopes;
  kept.good_script = next.good_script;
  return kept == next;
}

/// What is saved of a breaker whose state stays: the log has told that state already.
std::string progress_words(const BreakerMemory& kept, const BreakerMemory& next) {
  if (next.canary_successes != kept.canary_successes)
    return fmt::format("{} of {} canaries came up", next.canary_successes, kSuccessesToClose);
  if (next.canary != kept.canary && !next.canary.empty())
    return fmt::format("{} is the canary", next.canary.str());
  return "taken down for the next daemon";
}

BreakerVerdict judge_breaker(Tick& tick) {
  const Settings& settings = tick.script.fleet ? *tick.script.fleet : tick.settings;
  BreakerVerdict verdict = judge({tick.snapshot, tick.seen.offers, tick.ghosts, tick.random}, settings);
  const BreakerMemory& kept = tick.snapshot.breaker;
  std::string news = std::move(verdict.news);
  const bool as_it_was = verdict.state == kept;
  if (note_good_script(tick, verdict.state))
    news +=
        (news.empty() ? "" : "; ") + std::string("its script has brought a worker to its first heartbeat");
  if (verdict.state != kept) {
    if (news.empty()) news = progress_words(kept, verdict.state);
    tick.act(SaveBreaker{verdict.state, same_but_places(kept, verdict.state), as_it_was}, std::move(news));
  }
  // Worth a word even when nothing is missing, and whatever else holds the fleet back.
  if (verdict.permit.gate == "breaker") tick.gate("breaker", verdict.permit.reason, verdict.permit.opens_in);
  for (Gate& gate : verdict.places.gates()) tick.plan.gates.push_back(std::move(gate));
  return verdict;
}

void note_queue(Tick& tick) {
  if (tick.snapshot.queue.queued <= 0) {
    tick.memory.queued_since.reset();
  } else if (!tick.memory.queued_since) {
    tick.memory.queued_since = tick.now;
  }
}

void size_fleet(Tick& tick, const BreakerVerdict& breaker, const ObserverView& observer) {
  const QueueDepth& queue = tick.snapshot.queue;
  const Load load = load_of(tick.snapshot, tick.settings);
  WantedSize wanted;
  if (tick.seen.draining_all) {
    tick.gate("draining", "the whole fleet is asked to drain: nothing is spawned");
    drain_all(tick);
  } else {
    tick.plan.scale.drain = load.drain;
    Sizing sizing = lasting(tick, size_for(load.gpus, tick.settings));
    make_room_for_replacement(tick, sizing, observer);
    if (!enforce_cost_limit(tick, observer)) shrink(tick, sizing, observer);
    grow(tick, sizing, breaker, observer);
    wanted = sizing.now;
  }
  const Strength now = strength_of(tick);
  ScaleFigures& scale = tick.plan.scale;
  scale.queued = queue.queued;
  scale.running = queue.running;
  scale.active = now.active;
  scale.spawning = now.spawning;
  scale.draining = now.draining;
  scale.idle = now.idle;
  scale.wanted = wanted.up;
  scale.capacity = now.capacity();
  scale.steps = size_steps(queue, load, wanted, tick.settings);
}

}  // namespace

Decision decide(const Observation& seen, Memory memory, const Settings& settings, MonoTime now,
                std::uint64_t random) {
  Decision decision;
  if (auto blind = blindness(seen)) {
    if (!seen.snapshot || !seen.snapshot->writable) note_blind(memory);
    forget_sizes(memory);
    decision.plan.gates.push_back(std::move(*blind));
    decision.memory = std::move(memory);
    return decision;
  }
  note_database_clock(memory, *seen.snapshot, seen.snapshot_at.value_or(now));
  const std::optional<Snapshot> corrected = without_jumps(memory, *seen.snapshot);
  const Snapshot& snapshot = corrected ? *corrected : *seen.snapshot;
  Tick tick{seen, snapshot, settings, memory, decision.plan, now, random, {}, {}, 0, {}};
  join(tick);
  const ObserverView observer = observe(tick);
  note_queue(tick);
  if (!tick.pods_known())
    tick.gate("pods",
              fmt::format("the list is not complete, so what depends on it waits: {}", seen.pods_error));

  tick.script = judge_script(tick);
  if (tick.script.on) tick.gate("script_canary", tick.script.reason, tick.script.opens_in);
  const BreakerVerdict breaker = judge_breaker(tick);
  advance_workers(tick, observer);
  judge_health(tick, observer);
  judge_tasks(tick, observer);
  settle_intents(tick);
  finish_workers(tick);
  reap_orphans(tick);
  rescue_tasks(tick, observer);
  size_fleet(tick, breaker, observer);
  ask_for_heartbeats(tick);

  decision.memory = std::move(memory);
  return decision;
}

Duration evidence_window(const Settings& settings) {
  const int enough = std::max(settings.min_workers_for_rate, kFailuresToAlarm);
  const int rounds = (enough + 1) / unproven_limit(0) + 1;
  return settings.failure_window + settings.spawning_timeout * rounds;
}

}  // namespace gpuwarden::policy
