#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gpuwarden/base/ids.hpp"
#include "gpuwarden/base/time.hpp"

namespace gpuwarden {

/// workers.status, values that other programs rely on.
enum class WorkerStatus { spawning, active, terminating, error, terminated };

/// metadata.phase: the finer step of a worker's life.
enum class Phase {
  intent,              ///< row committed, nothing asked of Runpod yet
  unknown,             ///< the create was ambiguous: a pod may exist under the worker's name
  provisioning,        ///< Runpod has accepted the pod
  starting,            ///< container is starting (image pull)
  connecting,          ///< waiting for SSH
  bootstrapping,       ///< startup script runs; Worker::step says where
  awaiting_heartbeat,  ///< worker command started, no heartbeat seen yet
  idle,
  busy,        ///< active
  draining,    ///< claims nothing new, finishes its task
  collecting,  ///< failed; crash bundle is being taken
  deleting,    ///< DELETE asked; absent from two complete lists ends it
  gone         ///< terminated
};

/// Steps of the startup script.
enum class BootStep { preflight, fetch, setup, start };

std::string_view to_string(WorkerStatus status);
std::string_view to_string(Phase phase);
std::string_view to_string(BootStep step);
std::optional<WorkerStatus> parse_worker_status(std::string_view text);
std::optional<Phase> parse_phase(std::string_view text);  ///< accepts "bootstrapping:<step>" too
std::optional<BootStep> parse_boot_step(std::string_view text);
/// "bootstrapping:setup", "idle": as stored in metadata.phase.
std::string phase_text(Phase phase, std::optional<BootStep> step);

enum class Cloud { secure, community };
std::string_view to_string(Cloud cloud);  ///< "SECURE", "COMMUNITY"
std::optional<Cloud> parse_cloud(std::string_view text);

/// Where a pod is asked for: one candidate of the placement.
struct Placement {
  std::string gpu;          ///< catalogue id, such as "NVIDIA GeForce RTX 4090"
  std::string data_center;  ///< such as "EU-RO-1"; empty = anywhere
  std::string volume_id;    ///< network volume to mount; empty = none
  std::string volume_name;
  Cloud cloud{Cloud::secure};
  double price_per_hr{0};  ///< USD, from the catalogue; 0 = not known

  /// Identity of the candidate: "gpu|dc|volume|cloud" without the price.
  std::string key() const;
  bool operator==(const Placement&) const = default;
};

/// What the pod's agent said about the end of the worker process, or the script about a step that failed.
struct CrashReport {
  std::optional<BootStep> step;  ///< set when a step of the startup script failed
  std::optional<int> exit_code;
  std::string signal;               ///< name such as "SIGKILL"; empty = none
  std::vector<std::string> tail;    ///< last lines, oldest first
  std::optional<Duration> ran_for;  ///< how long the worker process lived
};

/// One worker as the database knows it. Ages are by the database's clock, at the time of the snapshot.
struct Worker {
  WorkerId id;
  WorkerStatus status{WorkerStatus::spawning};
  Phase phase{Phase::intent};
  std::optional<BootStep> step;
  PodId pod;  ///< empty until adopted
  Placement placement;
  Duration age{0};                        ///< since registration
  Duration phase_age{0};                  ///< since the phase changed
  std::optional<Duration> heartbeat_age;  ///< none = no heartbeat since registration
  std::optional<Duration> idle_for;  ///< active and without a task: since the last task ended or activation
  std::vector<TaskId> tasks;         ///< in progress on this worker
  double cost_per_hr{0};             ///< USD
  bool canary{false};                ///< the breaker's probe
  bool proven{false};                ///< has had its first heartbeat
  std::int64_t generation{0};        ///< breaker generation it was spawned under
  std::string script_hash;           ///< startup script and configuration it runs
  std::string drain_reason;          ///< why it is terminating; empty = it is not
  std::optional<CrashReport> crash;  ///< reported by the pod itself
  std::string git_commit;            ///< of the worker's repository, as reported
  std::optional<long> vram_total_mb, vram_used_mb, disk_free_mb;
  std::optional<Duration>
      agent_uptime;  ///< pod uptime as the agent reports it; going back = restarted in place
};

/// Counts as capacity: it works or may still come to work.
bool is_capacity(const Worker& worker);

/// Pod name and worker id: "gpu-<owner>-<YYYYMMDDhhmmss>-<8 hex>". `random` gives the hex part.
WorkerId make_worker_id(std::string_view owner, WallTime now, std::uint32_t random);
/// True for names that make_worker_id(owner, ...) can have produced. Nothing else is ever deleted as an
/// orphan.
bool is_worker_name_of(std::string_view name, std::string_view owner);

/// Name of the pod that `doctor --pod` brings up: "gpu-<owner>-doctor-<YYYYMMDDhhmmss>"; no worker's name.
WorkerId make_doctor_name(std::string_view owner, WallTime now);
bool is_doctor_name_of(std::string_view name, std::string_view owner);
/// So old no such pod is in use any more: `doctor --pod` ends well before.
inline constexpr Duration kDoctorPodAge = std::chrono::minutes(15);

}  // namespace gpuwarden
