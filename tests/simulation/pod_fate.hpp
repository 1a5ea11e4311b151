#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "gpuwarden/base/time.hpp"
#include "gpuwarden/domain/failure_cause.hpp"

namespace gpuwarden::simulation {

/// Something that happens to a pod that has come up.
struct RuntimeFault {
  enum class Kind {
    // Of the worker: `after` counts from the first start of its process.
    crash,            ///< exit code 1, or a signal
    out_of_memory,    ///< of the GPU (exit code 1) or of the machine (SIGKILL)
    gpu_error,        ///< ends the process
    disk_full,        ///< ends the process
    hang,             ///< heartbeats go on, its task never ends
    heartbeats_stop,  ///< it works on, the agent's heartbeats stay away for `lasts`
    agent_dies,       ///< no heartbeat, no lease, no report any more; the process works on
    // Of the pod: `after` counts from RUNNING.
    network_down,       ///< the database cannot be reached from the pod for `lasts`
    ssh_down,           ///< nobody answers on its SSH port for `lasts`
    restarts_in_place,  ///< the container begins anew: nothing runs in it, uptime goes back, another port
    pod_exits,          ///< EXITED
    pod_errors,         ///< ERROR
    pod_vanishes,       ///< gone without a DELETE
    spot_reclaimed      ///< EXITED, with the reason in the system log
  } kind{Kind::crash};
  Duration after{0};
  Duration lasts{std::chrono::hours(24)};
};
std::string_view to_string(RuntimeFault::Kind kind);
/// A fault of the worker's processes, not of the pod.
bool concerns_worker(RuntimeFault::Kind kind);

/// What becomes of one create and its pod.
struct PodFate {
  using seconds = std::chrono::seconds;
  /// What keeps it from its first heartbeat; nullopt = nothing. no_capacity, insufficient_balance,
  /// invalid_request and unauthorized refuse the create. Of run-time causes worker_crashed, out_of_memory,
  /// gpu_error and disk_full end the process at the start step, spot_reclaimed stops the pod while it is
  /// provided; heartbeat_lost, task_stuck and unclassified are nothing here.
  std::optional<FailureCause> cause;
  /// How far into its stage the cause strikes: of provisioning for pod_error, pod_vanished; of RUNNING for
  /// pod_exited; of the step for those of the startup script.
  Duration strikes_after{0};

  Duration list_lag{0};  ///< until lists and GET show it; a DELETE in that time answers 404 and does nothing
  Duration provisioning{seconds(8)}, pulling{seconds(25)};  ///< PROVISIONING, STARTING
  Duration sshd_starts{seconds(3)};                         ///< after RUNNING; refused until then
  Duration preflight{seconds(2)}, fetch{seconds(6)}, setup{seconds(40)};
  Duration loading{seconds(8)};  ///< from the start of the worker process to its first claim
  bool prints_host_keys{true};   ///< into the container's log
  bool keeps_host_key{true};     ///< after a restart in place
  bool has_own_key{true};        ///< without it the lease can only end the container
  bool undeletable{false};       ///< DELETE answers 204 and does nothing
  Duration delete_takes{0};      ///< from the 204 until the pod is gone
  std::optional<Duration>
      stalled;  ///< its first completion is under way for so long, whatever happens to the pod
  std::optional<Duration> echo;  ///< each of its completions and failures arrives once more, so much later
  std::vector<RuntimeFault> faults;
  std::vector<std::string> prints{};  ///< by its image into the container's log, at each start
};

/// What becomes of one attempt at a task.
struct TaskFate {
  enum class Outcome { completes, fails, kills_worker, never_ends } outcome{Outcome::completes};
  Duration duration{std::chrono::seconds(60)};
};

/// How the world outside is decided by whoever runs the simulation. All are called on the scheduler's events.
struct WorldHooks {
  /// One transaction of the database, as a pod calls it. Throws SqlError.
  std::function<nlohmann::json(std::string_view function, const nlohmann::json& arguments)> rpc;
  /// Asked at each call of a pod to the database; empty = always.
  std::function<bool()> database_reachable;
  /// Asked after each call that was carried out: its answer does not arrive; empty = never.
  std::function<bool()> reply_lost;
  /// Drawn for each POST /pods that the account's own rules do not refuse; `body` is the request's.
  std::function<PodFate(const nlohmann::json& body)> pod_fate;
  std::function<TaskFate(const std::string& task_type, const std::string& task_id, int attempt)> task_fate;
  /// Told of each command over SSH as it is sent; empty = nobody listens.
  std::function<void(std::string_view text, std::string_view stdin_data)> command{};
};

}  // namespace gpuwarden::simulation
