#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "fakes/world.hpp"
#include "policy/breaker.hpp"

namespace gpuwarden::policy {

using namespace fakes;

inline constexpr double kNoJitter = 0.5;

/// '+' a success, '-' a failure of the script, 'c' no capacity; a second between them.
inline std::vector<StartOutcome> starts(std::string_view newest_first, Duration age = 10s) {
  std::vector<StartOutcome> result;
  for (const char c : newest_first) {
    StartOutcome outcome;
    outcome.success = c == '+';
    outcome.cause = c == 'c' ? FailureCause::no_capacity : FailureCause::start_failed;
    outcome.generation = 1;
    outcome.age = age;
    result.push_back(outcome);
    age += 1s;
  }
  return result;
}

inline Snapshot snapshot_of(std::vector<StartOutcome> outcomes, BreakerMemory kept) {
  Snapshot snapshot;
  snapshot.db_now = WallTime{std::chrono::sys_days{std::chrono::year{2026} / 11 / 24}};
  snapshot.outcomes = std::move(outcomes);
  snapshot.breaker = std::move(kept);
  return snapshot;
}

inline Tally tally_of(std::vector<StartOutcome> outcomes, BreakerMemory kept, const Settings& settings) {
  const Snapshot snapshot = snapshot_of(std::move(outcomes), std::move(kept));
  const Evidence evidence = collect_evidence(snapshot, settings);
  View view;
  for (const Start& start : evidence.starts) view.push_back(&start);
  return tally(view, evidence.under_way, settings);
}

inline BreakerInput input_of(BreakerMemory kept, std::string_view outcomes = "") {
  BreakerInput input;
  auto list = starts(outcomes);
  for (StartOutcome& outcome : list) outcome.generation = kept.generation;
  input.tally = tally_of(list, kept, Settings{});
  input.kept = std::move(kept);
  input.jitter = kNoJitter;
  return input;
}

inline BreakerMemory open_for(Duration age, Duration pause = 120s) {
  BreakerMemory memory;
  memory.state = BreakerState::open;
  memory.generation = 2;
  memory.pause = pause;
  memory.state_age = age;
  return memory;
}

}  // namespace gpuwarden::policy
