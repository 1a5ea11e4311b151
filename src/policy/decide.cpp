#include "gpuwarden/policy/decide.hpp"

#include <utility>

#include <fmt/format.h>

#include "breaker.hpp"
#include "creation.hpp"
#include "lifecycle.hpp"
#include "observer.hpp"
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

/// A canary of that generation or a later one (whose state could not be saved yet) on its way.
WorkerId canary_alive(const Tick& tick, std::int64_t generation) {
  for (const Member& member : tick.members) {
    const Worker& worker = *member.worker;
    if (worker.canary && worker.status == WorkerStatus::spawning && worker.generation >= generation)
      return worker.id;
  }
  return {};
}

BreakerVerdict judge_breaker(Tick& tick) {
  const Snapshot& snapshot = tick.snapshot;
  BreakerInput input;
  input.kept = snapshot.breaker;
  const auto& word = snapshot.breaker_override;
  if (word && (!word->expires_in || *word->expires_in > Duration{0})) input.override_ = word;
  input.tally = tally(snapshot.outcomes, snapshot.breaker, tick.settings);
  input.canary_alive = canary_alive(tick, input.kept.generation);
  input.ghosts = tick.ghosts;
  constexpr std::uint64_t kSteps = 1000;
  input.jitter = static_cast<double>(tick.random % kSteps) / static_cast<double>(kSteps - 1);

  BreakerVerdict verdict;
  verdict.state = next_state(input, tick.settings);
  input.canary_alive = canary_alive(tick, verdict.state.generation);
  const Strength now = strength_of(tick);
  verdict.permit = permit(verdict.state, input, now.unproven, now.proven_alive, tick.settings);
  if (verdict.state != input.kept)
    tick.act(SaveBreaker{verdict.state}, fmt::format("{} -> {}: {}", to_string(input.kept.state),
                                                     to_string(verdict.state.state), verdict.state.reason));
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
  WantedSize wanted = wanted_size(queue.queued + queue.running, tick.settings);
  if (tick.seen.draining_all) {
    wanted = {};
    tick.gate("draining", "the whole fleet is asked to drain: nothing is spawned");
    drain_all(tick);
  } else {
    make_room_for_replacement(tick, wanted, observer);
    shrink(tick, wanted, observer);
    grow(tick, wanted, breaker, observer);
  }
  const Strength now = strength_of(tick);
  tick.plan.scale = {queue.queued, queue.running,  now.active,
                     now.spawning, now.draining,   now.idle,
                     wanted.up,    now.capacity(), size_steps(queue, wanted, tick.settings)};
}

}  // namespace

Decision decide(const Observation& seen, Memory memory, const Settings& settings, MonoTime now,
                std::uint64_t random) {
  Decision decision;
  if (auto blind = blindness(seen)) {
    if (!seen.snapshot || !seen.snapshot->writable) note_blind(memory);
    decision.plan.gates.push_back(std::move(*blind));
    decision.memory = std::move(memory);
    return decision;
  }
  Tick tick{seen, *seen.snapshot, settings, memory, decision.plan, now, random, {}, {}, 0, {}};
  join(tick);
  const ObserverView observer = observe(tick);
  note_queue(tick);
  if (!tick.pods_known())
    tick.gate("pods",
              fmt::format("the list is not complete, so what depends on it waits: {}", seen.pods_error));

  const BreakerVerdict breaker = judge_breaker(tick);
  advance_workers(tick);
  judge_health(tick, observer);
  judge_tasks(tick, observer);
  settle_intents(tick);
  finish_workers(tick);
  reap_orphans(tick);
  rescue_tasks(tick, observer);
  size_fleet(tick, breaker, observer);

  decision.memory = std::move(memory);
  return decision;
}

Duration evidence_window(const Settings& settings) {
  const int rounds = (std::max(settings.min_workers_for_rate, 1) + 1) / unproven_limit(0) + 1;
  return settings.failure_window + settings.spawning_timeout * rounds;
}

}  // namespace gpuwarden::policy
