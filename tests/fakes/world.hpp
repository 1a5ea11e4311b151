#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "gpuwarden/policy/decide.hpp"

namespace gpuwarden::fakes {

using namespace std::chrono_literals;

/// A fleet to decide about, in the words of a test: rows, pods and a clock that moves only when told. Ages of
/// rows grow with the clock; nothing else changes by itself.
class World {
 public:
  policy::Settings settings;
  Snapshot snapshot;
  std::vector<Pod> pods;
  std::vector<policy::Offer> offers;
  policy::Memory memory;
  std::set<WorkerId> in_flight, bringing_up;
  std::map<WorkerId, bool> shell_probe;          ///< answers for the next tick only
  std::map<WorkerId, WallTime> newest_log_line;  ///< for the next tick only
  std::optional<bool> beacon_returned{true};
  std::string held_script;
  Duration loop_gap{0};  ///< for the next tick only
  bool database_readable{true}, list_complete{true}, draining_all{false}, rehearsal{false};
  MonoTime now{1000s};
  std::uint64_t seed{1};

  World() {
    settings.script_hash = snapshot.breaker.good_script = "s1";
    settings.scale_down_delay = 0s;  // what lasts is the business of a few tests only
    snapshot.db_now = WallTime{std::chrono::sys_days{std::chrono::year{2026} / 11 / 24}};
    snapshot.leader = {true, 7, "us"};
    offer("RTX 4090", 0.44);
  }

  void offer(const std::string& gpu, double price, StockLevel stock = StockLevel::high) {
    policy::Offer offered;
    offered.placement.gpu = gpu;
    offered.placement.price_per_hr = price;
    offered.stock = stock;
    offered.preference = static_cast<int>(offers.size());
    offers.push_back(std::move(offered));
  }

  WorkerId name(int n) const {
    return WorkerId(fmt::format("gpu-{}-20261124000000-{:08x}", settings.owner, n));
  }

  /// A row in that state; the n-th of this world. Its pod must be added with pod_of.
  Worker& row(WorkerStatus status, Phase phase, Duration age = 100s) {
    Worker worker;
    worker.id = name(++rows_);
    worker.status = status;
    worker.phase = phase;
    worker.age = worker.phase_age = age;
    worker.placement = offers.front().placement;
    worker.cost_per_hr = worker.placement.price_per_hr;
    worker.generation = snapshot.breaker.generation;
    worker.script_hash = settings.script_hash;
    snapshot.workers.reserve(64);
    snapshot.workers.push_back(std::move(worker));
    return snapshot.workers.back();
  }
  Pod& pod_of(Worker& worker, PodStatus status = PodStatus::running) {
    worker.pod = PodId("pod-" + worker.id.str().substr(worker.id.str().size() - 8));
    return stray(worker.pod.str(), worker.id.str(), status);
  }
  Pod& stray(const std::string& id, const std::string& pod_name, PodStatus status = PodStatus::running) {
    Pod pod;
    pod.id = PodId(id);
    pod.name = pod_name;
    pod.status = status;
    if (status == PodStatus::running) pod.ssh = SshEndpoint{"127.0.0.1", 2222, "root"};
    pod.cost_per_hr = 0.44;
    pods.reserve(64);
    pods.push_back(std::move(pod));
    return pods.back();
  }
  void remove_pod(const PodId& id) {
    std::erase_if(pods, [&](const Pod& pod) { return pod.id == id; });
  }

  /// On the way to the first heartbeat, with a pod.
  Worker& spawning(Phase phase = Phase::starting, Duration age = 100s,
                   PodStatus status = PodStatus::starting) {
    Worker& worker = row(WorkerStatus::spawning, phase, age);
    pod_of(worker, status);
    return worker;
  }
  Worker& idle(Duration idle_for = 1s) {
    Worker& worker = row(WorkerStatus::active, Phase::idle, 1000s);
    worker.proven = true;
    worker.heartbeat_age = 1s;
    worker.idle_for = idle_for;
    pod_of(worker);
    return worker;
  }
  Worker& busy(Duration running_for = 10s) {
    Worker& worker = idle();
    worker.phase = Phase::busy;
    worker.idle_for.reset();
    worker.tasks.emplace_back(fmt::format("task-{}", rows_));
    RunningTask task;
    task.id = worker.tasks.front();
    task.type = "render";
    task.worker = worker.id;
    task.running_for = running_for;
    snapshot.running.push_back(std::move(task));
    snapshot.queue.running = static_cast<long>(snapshot.running.size());
    return worker;
  }

  void outcome(bool success, FailureCause cause = FailureCause::start_failed, Duration age = 10s) {
    StartOutcome outcome;
    outcome.worker = name(9000 + static_cast<int>(snapshot.outcomes.size()));
    outcome.success = success;
    outcome.cause = cause;
    if (!offers.empty()) outcome.placement = offers.front().placement;
    outcome.generation = snapshot.breaker.generation;
    outcome.script_hash = settings.script_hash;
    outcome.age = age;
    snapshot.outcomes.push_back(std::move(outcome));
  }

  /// Time passes; nobody sends a heartbeat.
  void pass(Duration duration) {
    now += duration;
    snapshot.db_now += duration;
    for (Worker& worker : snapshot.workers) {
      worker.age += duration;
      worker.phase_age += duration;
      if (worker.heartbeat_age) *worker.heartbeat_age += duration;
      if (worker.idle_for) *worker.idle_for += duration;
    }
    for (RunningTask& task : snapshot.running) task.running_for += duration;
    for (StartOutcome& outcome : snapshot.outcomes) outcome.age += duration;
    for (Pod& pod : pods) {
      if (pod.uptime) *pod.uptime += duration;
    }
    snapshot.breaker.state_age += duration;
  }
  void beat_all() {
    for (Worker& worker : snapshot.workers) {
      if (worker.heartbeat_age) worker.heartbeat_age = 1s;
    }
  }

  /// One decision; its memory is kept, its actions are not performed.
  Plan tick() {
    policy::Observation seen;
    if (database_readable) {
      seen.snapshot = snapshot;
    } else {
      seen.snapshot_error = "connection refused";
    }
    if (list_complete) {
      seen.pods = pods;
    } else {
      seen.pods_error = "page 2 of 3 failed";
    }
    seen.offers = offers;
    seen.in_flight = in_flight;
    seen.bringing_up = bringing_up;
    seen.shell_probe = std::exchange(shell_probe, {});
    seen.newest_log_line = std::exchange(newest_log_line, {});
    seen.beacon_returned = beacon_returned;
    seen.held_script = held_script;
    seen.loop_gap = std::exchange(loop_gap, Duration{0});
    seen.draining_all = draining_all;
    seen.rehearsal = rehearsal;
    policy::Decision decision = policy::decide(seen, std::move(memory), settings, now, seed++);
    memory = std::move(decision.memory);
    return std::move(decision.plan);
  }
  /// Ticks every poll interval for so long; heartbeats arrive or not. The last plan.
  Plan run(Duration duration, bool beating = true) {
    Plan plan;
    for (Duration passed{0}; passed < duration; passed += settings.poll) {
      pass(settings.poll);
      if (beating) beat_all();
      plan = tick();
    }
    return plan;
  }
  /// Long enough under watch that the daemon trusts its own eyes, with scaling switched off. The world is as
  /// before afterwards, only later.
  void settle() {
    const Snapshot before = snapshot;
    const auto pods_before = pods;
    snapshot.switches.paused = true;
    snapshot.queue = {};
    run(settings.heartbeat_timeout + settings.poll * 4);
    const WallTime db_now = snapshot.db_now;
    snapshot = before;
    snapshot.db_now = db_now;
    pods = pods_before;
  }

 private:
  int rows_{0};
};

/// The plan's actions of one kind, in order.
template <class Kind>
std::vector<Kind> actions(const Plan& plan) {
  std::vector<Kind> found;
  for (const PlannedAction& planned : plan.actions) {
    if (const auto* action = std::get_if<Kind>(&planned.action)) found.push_back(*action);
  }
  return found;
}
template <class Kind>
std::string reason_of(const Plan& plan) {
  for (const PlannedAction& planned : plan.actions) {
    if (std::holds_alternative<Kind>(planned.action)) return planned.reason;
  }
  return {};
}
inline const Gate* gate(const Plan& plan, const std::string& name) {
  for (const Gate& one : plan.gates) {
    if (one.name == name) return &one;
  }
  return nullptr;
}
/// All actions in words, for messages of failed tests.
inline std::string words(const Plan& plan) {
  std::string text;
  for (const PlannedAction& planned : plan.actions)
    text += fmt::format("{} {}: {}\n", action_name(planned.action), worker_of(planned.action).str(),
                        planned.reason);
  for (const Gate& one : plan.gates) text += fmt::format("gate {}: {}\n", one.name, one.reason);
  return text;
}

}  // namespace gpuwarden::fakes
