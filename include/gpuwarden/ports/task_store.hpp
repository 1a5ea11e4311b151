#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "gpuwarden/base/result.hpp"
#include "gpuwarden/base/secret.hpp"
#include "gpuwarden/domain/breaker.hpp"
#include "gpuwarden/domain/evidence.hpp"
#include "gpuwarden/domain/incident.hpp"
#include "gpuwarden/domain/snapshot.hpp"

namespace gpuwarden::ports {

template <class T>
using Async = boost::asio::awaitable<Result<T>>;

/// Which rows are ours and with which leadership a write is made.
struct Fence {
  std::string owner;
  std::int64_t epoch{0};
};

struct SnapshotQuery {
  std::string owner;
  std::string holder;  ///< names this daemon process; empty = only look, take no leadership
  Duration lease{std::chrono::seconds(30)};
  Duration failure_window{std::chrono::minutes(30)};
  Duration orphan_task_after{std::chrono::minutes(15)};
  int task_max_attempts{3};                   ///< kept in the database for the pods' functions
  Duration pod_lease{std::chrono::hours(1)};  ///< the same
  std::vector<std::string> rescue_exempt;     ///< glob patterns of task types that age does not rescue
  std::string beacon{};  ///< left behind for the next snapshot: that our writes arrive; empty = leave none
};

struct Registration {
  WorkerId worker;
  Placement placement;
  std::string image, script_hash;
  std::int64_t generation{0};
  bool canary{false};
  double cost_per_hr{0};
};

/// Compare-and-swap on a worker's row. Unset fields stay as they are.
struct WorkerChange {
  WorkerId worker;
  std::vector<WorkerStatus> expected;  ///< status must be one of these
  std::optional<WorkerStatus> status;
  std::optional<Phase> phase;
  std::optional<BootStep> step;
  std::optional<PodId> pod;
  std::optional<std::string> token_sha256;  ///< lower-case hex of the worker's new token
  std::optional<double> cost_per_hr;
  std::optional<std::string> drain_reason;  ///< draining: claims nothing new
  std::optional<bool> success;              ///< first heartbeat: a start outcome
  std::optional<std::string> end_reason;    ///< terminated: why
};
enum class CasOutcome { done, lost };  ///< lost: the row is in another state now, or another daemon leads

struct FailureRecord {
  WorkerId worker;
  std::vector<WorkerStatus> expected;  ///< status must be one of these; empty = any that is not yet failed
  bool counts_as_start{true};  ///< false: the outcome of its start stays as it is (it had drained, say)
  Verdict verdict;
  Evidence evidence;
  Phase phase{Phase::intent};
  std::optional<BootStep> step;
  PodId pod;
  Placement placement;
  double cost_usd{0};
  std::int64_t generation{0};
  int task_max_attempts{3};
};
struct TasksFreed {
  bool done{false};  ///< false: the row was already failed or ended
  std::vector<TaskId> requeued, failed;
};

struct RescueRequest {
  int task_max_attempts{3};
  Duration orphan_task_after{std::chrono::minutes(15)};
  std::vector<std::string> exempt;
};

/// An operator's word on the fleet. It needs no leadership: it counts while no daemon runs.
struct OperatorCommand {
  enum class Kind {
    pause,    ///< nothing is started or removed until `resume`
    resume,   ///< the end of a pause
    hold,     ///< the breaker keeps its state and lets nothing through
    release,  ///< the breaker is closed whatever the evidence says
    clear,    ///< the end of a hold or release
    reset     ///< the breaker is closed, once; starts of before are no evidence any more
  } kind{Kind::pause};
  std::string actor;                     ///< who says it; never empty
  std::string reason;                    ///< may be empty for resume and clear only
  std::optional<Duration> expires_in{};  ///< hold and release: they end by themselves after this
};
/// How things stand after it.
struct OperatorAnswer {
  bool done{false};  ///< false: it was so already
  Switches switches;
  BreakerState breaker{BreakerState::closed};
  std::int64_t generation{1};
  std::optional<BreakerOverride> breaker_override;
};

/// What `failures`, `worker` and `tasks` show.
struct FailureRow {
  std::string id, worker, cause, summary, evidence_line, fingerprint, phase, pod, gpu, data_center;
  double cost_usd{0};
  WallTime created_at{};
  std::string evidence_json;
};
struct WorkerRow {
  std::string id, status, phase, pod, gpu, data_center, cause, summary;
  WallTime created_at{};
  std::optional<WallTime> last_heartbeat, ended_at;
  double cost_usd{0};
  std::string details_json;  ///< everything else, for --json
};
struct TaskRow {
  std::string id, type, status, worker, error;
  int attempts{0};
  WallTime created_at{}, updated_at{};
};

/// State of the database side, for doctor.
struct StoreHealth {
  WallTime db_now{};
  int schema_version{0};             ///< 0 = migrations missing
  std::vector<std::string> missing;  ///< names of functions or tables that are not there
  bool writable{true};
};

/// The task queue and the fleet's rows. One call = one transaction = one request. Every answer is complete or
/// an error.
class TaskStore {
 public:
  virtual ~TaskStore() = default;
  virtual Async<Snapshot> snapshot(SnapshotQuery query) = 0;
  virtual Async<CasOutcome> register_worker(Fence fence, Registration registration) = 0;
  virtual Async<CasOutcome> update_worker(Fence fence, WorkerChange change) = 0;
  virtual Async<TasksFreed> fail_worker(Fence fence, FailureRecord failure) = 0;
  /// More evidence for a failure that is already recorded (the crash bundle comes later than the mark).
  virtual Async<CasOutcome> add_evidence(Fence fence, FailureRecord failure) = 0;
  virtual Async<TasksFreed> rescue_tasks(Fence fence, RescueRequest request) = 0;
  /// lost also when an operator has reset the breaker since the snapshot that `memory` was made from.
  virtual Async<CasOutcome> save_breaker(Fence fence, BreakerMemory memory) = 0;
  /// Gives leadership up, so that a successor need not wait for the lease to end.
  virtual Async<CasOutcome> resign(Fence fence, std::string holder) = 0;
  /// Stores an operator's word, with who and when. The daemon heeds it from its next snapshot on.
  virtual Async<OperatorAnswer> operate(std::string owner, OperatorCommand command) = 0;

  virtual Async<StoreHealth> health() = 0;
  virtual Async<std::vector<FailureRow>> failures(std::string owner, Duration since, int limit) = 0;
  virtual Async<std::vector<WorkerRow>> workers(std::string owner, bool ended_too, int limit) = 0;
  virtual Async<std::optional<WorkerRow>> worker(WorkerId worker) = 0;
  virtual Async<std::vector<TaskRow>> tasks(std::string status, int limit) = 0;
  /// What a report on the failures of `since` is made of; of the failures the newest `limit`.
  virtual Async<Incident> incident(std::string owner, Duration since, int limit) = 0;
};

}  // namespace gpuwarden::ports
