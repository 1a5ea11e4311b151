#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "gpuwarden/base/ids.hpp"
#include "gpuwarden/base/time.hpp"
#include "gpuwarden/domain/breaker.hpp"
#include "gpuwarden/domain/failure_cause.hpp"
#include "gpuwarden/domain/worker.hpp"

namespace gpuwarden {

/// Commit the intent, then one POST.
struct SpawnWorker {
  WorkerId worker;
  Placement placement;
  bool canary{false};
  std::int64_t generation{0};
  bool last_good{false};  ///< with the settings of the last proven script, not with those of now
};
/// A pod with the worker's name exists: write its id into the intent.
struct AdoptPod {
  WorkerId worker;
  PodId pod;
};
/// No pod ever appeared under the name (or the need is gone before a POST): end the row, no failure counted.
struct AbandonIntent {
  WorkerId worker;
};
/// The pod has come further than the row says: write it down, for those who look.
struct NotePhase {
  WorkerId worker;
  Phase phase{Phase::starting};
};
/// Start or resume the bring-up over SSH.
struct BringUpWorker {
  WorkerId worker;
  PodId pod;
};
/// First heartbeat: spawning becomes active.
struct ActivateWorker {
  WorkerId worker;
};
/// Mark as failed, store the evidence, free its tasks, collect the crash bundle, then delete the pod.
struct FailWorker {
  WorkerId worker;
  PodId pod;
  FailureCause suspected;
  std::string detail;
};
/// No longer needed, spawning or active: claims nothing new, finishes its task.
struct DrainWorker {
  WorkerId worker;
};
/// DELETE the pod of a worker that is draining (and idle) or failed.
struct DeletePod {
  WorkerId worker;
  PodId pod;
};
/// The pod is absent from two complete lists: the row ends.
struct ConfirmGone {
  WorkerId worker;
};
/// A pod of our owner without a live row, seen twice.
struct DeleteOrphan {
  PodId pod;
  std::string name;
};
/// Tasks in progress that no live worker owns.
struct RescueTasks {};
/// Ask the pod over SSH whether the worker process lives: the watchdog's second source.
struct ProbeWorker {
  WorkerId worker;
  PodId pod;
  bool read_log{false};  ///< where SSH gives no answer, see when the container wrote its newest line
};
/// New state of the breaker, to be kept.
struct SaveBreaker {
  BreakerMemory memory;
  bool places_only{false};  ///< the fleet-wide breaker is as it was: no news that all pods depend on
  bool script_only{false};  ///< nothing but the name of the script that has proven itself is new
};

using Action =
    std::variant<SpawnWorker, AdoptPod, AbandonIntent, BringUpWorker, ActivateWorker, FailWorker, DrainWorker,
                 DeletePod, ConfirmGone, DeleteOrphan, RescueTasks, SaveBreaker, ProbeWorker, NotePhase>;

/// An action and why it is taken, in words for the operator.
struct PlannedAction {
  Action action;
  std::string reason;
};

/// "spawn", "fail", ...: stable names for logs and JSON.
std::string_view action_name(const Action& action);
/// Worker that the action concerns; empty for fleet-wide ones.
WorkerId worker_of(const Action& action);

/// Something that held the plan back: what, why, and when it could open.
struct Gate {
  std::string name;  ///< "breaker", "paused", "ceiling", "spawn_rate", "budget", "observer", ...
  std::string reason;
  std::optional<Duration> opens_in;
};

/// The queue in time, where a time is set for working it off.
struct DrainFigures {
  Duration work{0};    ///< of all tasks whose duration can be told
  Duration target{0};  ///< in which it shall be done
  long timed{0};       ///< tasks whose duration can be told
  long counted{0};     ///< tasks of types too new for that: they count as without a target
};

/// How the wanted size came about.
struct ScaleFigures {
  long queued{0}, running{0};
  int active{0}, spawning{0}, draining{0}, idle{0};
  int wanted{0};    ///< after floor, ceiling, buffer, hysteresis
  int capacity{0};  ///< what counts towards it
  std::optional<DrainFigures> drain{};
  std::vector<std::string> steps{};  ///< the arithmetic that led to `wanted`, one step a line
};

/// One tick's decisions as data.
struct Plan {
  std::vector<PlannedAction> actions;
  std::vector<Gate> gates;
  ScaleFigures scale;
};

}  // namespace gpuwarden
