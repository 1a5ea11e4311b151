#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gpuwarden/policy/decide.hpp"

#include "script_canary.hpp"
#include "worker_index.hpp"

namespace gpuwarden::policy {

/// One live worker with everything known about it this tick.
struct Member {
  const Worker* worker{nullptr};
  Memory::WorkerSeen* seen{nullptr};
  const Pod* pod{nullptr};  ///< in this tick's list: the row's pod, or the namesake where the row has none
  bool in_flight{false};    ///< an action is still running: decide nothing
  bool taken{false};        ///< has its action of this tick
  bool ending{false};       ///< and that action ends it: no capacity any more

  bool free() const { return !in_flight && !taken; }
  /// The listed pod bears another name than the worker's: it is never ours to delete.
  bool foreign_pod() const;
};

/// A pod of our owner that is no live worker's pod.
struct Stray {
  const Pod* pod{nullptr};
  const Member* namesake{nullptr};  ///< live worker of that name (with another pod); null = none
};

/// The view that the decisions of one tick share, and the plan that they write. Valid while the observation
/// lives.
struct Tick {
  const Observation& seen;
  const Snapshot& snapshot;
  const Settings& settings;
  Memory& memory;
  Plan& plan;
  MonoTime now;
  std::uint64_t random;

  std::vector<Member> members;  ///< in the order of the snapshot
  std::vector<Stray> strays;
  int ghosts{0};  ///< spawns under way whose row is not in the snapshot yet

  bool pods_known() const { return seen.pods.has_value(); }
  Member* find(const WorkerId& worker);

  /// The worker's one action of this tick.
  void act(Member& member, Action action, std::string reason);
  void act(Action action, std::string reason);
  void gate(std::string name, std::string reason, std::optional<Duration> opens_in = std::nullopt);

  WorkerIndex index;
  ScriptTrial script{};
};

/// Joins rows, pods and memory, and takes down what this tick's reads show: heartbeats that advanced, pods
/// that were listed or missing, probes that answered. Memory of workers that are gone is dropped.
void join(Tick& tick);

/// Pod that an action on the worker may end: the row's, else the listed namesake. Empty where the name is not
/// one of our owner's.
PodId own_pod(const Tick& tick, const Member& member);

/// Missing from at least two complete lists.
bool absent_twice(const Member& member);
/// How long it has been missing; zero when it is not.
Duration absent_for(const Tick& tick, const Member& member);

}  // namespace gpuwarden::policy
