#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "fakes/world.hpp"
#include "policy/breaker.hpp"

namespace gpuwarden::policy {

using namespace std::chrono_literals;

/// Starts at numbered places, one after the other, and the breaker's word on them. Its memory is kept.
struct Story {
  Settings settings;
  Snapshot snapshot;
  std::vector<Offer> offers;
  int ghosts{0};
  std::uint64_t random{500};

  explicit Story(int places = 3) {
    settings.script_hash = "s1";
    snapshot.db_now = WallTime{std::chrono::sys_days{std::chrono::year{2026} / 11 / 24}};
    for (int i = 0; i < places; ++i) offers.push_back({place(i), StockLevel::high});
  }

  static Placement place(int n) {
    Placement placement;
    placement.gpu = "RTX 4090";
    placement.data_center = fmt::format("DC-{}", n);
    return placement;
  }
  void pass(Duration time) {
    snapshot.db_now += time;
    snapshot.breaker.state_age += time;
    for (StartOutcome& outcome : snapshot.outcomes) outcome.age += time;
    for (Worker& worker : snapshot.workers) worker.age += time;
  }
  WorkerId ask() { return make_worker_id("default", snapshot.db_now, ++asked_); }
  Worker& under_way(int where) {
    Worker worker;
    worker.id = ask();
    worker.placement = place(where);
    worker.generation = snapshot.breaker.generation;
    worker.script_hash = settings.script_hash;
    snapshot.workers.push_back(std::move(worker));
    return snapshot.workers.back();
  }
  StartOutcome& ended(WorkerId worker, int where, bool success) {
    StartOutcome outcome;
    outcome.worker = std::move(worker);
    outcome.success = success;
    outcome.cause = FailureCause::pod_error;
    outcome.fingerprint = fmt::format("f{}", asked_);
    outcome.placement = place(where);
    outcome.script_hash = settings.script_hash;
    outcome.generation = snapshot.breaker.generation;
    return *snapshot.outcomes.insert(snapshot.outcomes.begin(), std::move(outcome));
  }
  /// A start that is asked for now and ends half a minute later; failures differ unless said otherwise.
  StartOutcome& start(int where, bool success) {
    WorkerId worker = ask();
    pass(30s);
    return ended(std::move(worker), where, success);
  }
  void succeed(int where, int times = 1) {
    for (int i = 0; i < times; ++i) start(where, true);
  }
  void fail(int where, int times = 1, FailureCause cause = FailureCause::pod_error,
            const std::string& fingerprint = {}) {
    for (int i = 0; i < times; ++i) {
      StartOutcome& outcome = start(where, false);
      outcome.cause = cause;
      if (!fingerprint.empty()) outcome.fingerprint = fingerprint;
    }
  }

  BreakerVerdict judge() {
    BreakerVerdict verdict = policy::judge({snapshot, offers, ghosts, random}, settings);
    snapshot.breaker = verdict.state;
    return verdict;
  }
  BreakerState fleet() { return judge().state.state; }
  /// State of the class's breaker at the place; closed where none is kept.
  BreakerState state(int where, const std::string& scope = "host") {
    const auto scopes = judge().state.scopes;
    const auto found = std::find_if(scopes.begin(), scopes.end(), [&](const ScopeBreaker& one) {
      return one.key == fmt::format("{}|RTX 4090|DC-{}", scope, where);
    });
    return found == scopes.end() ? BreakerState::closed : found->state;
  }

 private:
  std::uint32_t asked_{0};
};

inline const Gate* gate_of(const std::vector<Gate>& gates, const std::string& words) {
  for (const Gate& gate : gates) {
    if (gate.reason.find(words) != std::string::npos) return &gate;
  }
  return nullptr;
}

}  // namespace gpuwarden::policy
