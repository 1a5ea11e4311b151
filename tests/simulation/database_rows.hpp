#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "gpuwarden/base/time.hpp"

/// Rows of the simulated database. A time at the epoch and an empty text are null. What begins with "World"
/// in a comment is not in PostgreSQL: it is kept for the invariants.
namespace gpuwarden::simulation::rows {

/// World: a worker held the task from here to there.
struct Attempt {
  int number{0};  ///< as the pod was told: attempts + 1
  std::string worker;
  WallTime claimed_at{}, ended_at{};
  /// Empty while it holds the task; "completed", "failed by its worker", "its worker failed", "rescued",
  /// "cancelled", "marked complete", "marked failed".
  std::string end;
};

/// World: one answer of gpuwarden_complete_task.
struct Completion {
  std::string worker;
  int attempt{0};
  bool accepted{false};
  std::string reason;
  WallTime at{};
};

/// A row of `tasks`.
struct Task {
  std::string id, type, status{"Queued"}, worker, error;
  int attempts{0};
  WallTime created_at{}, updated_at{};
  WallTime started_at{};    ///< generation_started_at
  WallTime processed_at{};  ///< generation_processed_at
  nlohmann::json params = nlohmann::json::object();
  std::vector<std::string> depends_on;
  int completions{0};                          ///< World: accepted ones; more than one is a violation
  std::vector<Attempt> attempts_made;          ///< World: in order; the last one may still hold the task
  std::vector<Completion> completion_answers;  ///< World: in order
};

/// A row of `workers` that no row of ours belongs to: another program's.
struct SharedRow {
  std::string status;
  WallTime heartbeat_at{};
};

/// A row of `gpuwarden_workers` joined with its row of `workers`.
struct WorkerRow {
  std::string id, owner, status{"spawning"}, phase{"intent"}, step, pod, token_sha256;
  std::string shared_status{"spawning"};  ///< workers.status; empty = that row was deleted
  WallTime shared_heartbeat_at{};         ///< workers.last_heartbeat
  std::string outcome, script_hash, drain_reason, end_reason;
  nlohmann::json details;  ///< gpu, data_center, volume_id, volume_name, cloud, image, script_hash
  WallTime registered_at{}, phase_since{}, heartbeat_at{}, activated_at{}, last_task_at{}, outcome_at{},
      ended_at{};
  nlohmann::json crash;
  std::int64_t epoch{0}, generation{0};
  bool canary{false};
  double cost_per_hr{0};
  std::string git_commit, released_task, released_status;
  int released_attempt{0};
  std::optional<std::int64_t> vram_total_mb, vram_used_mb, disk_free_mb;
  std::optional<double> agent_uptime_s;
  std::string cause;       ///< of its failure
  int completed_tasks{0};  ///< tasks that it completed
};

/// A row of `gpuwarden_failures`.
struct Failure {
  std::string id, worker, owner, cause, summary, evidence_line, phase, scope, advice, request_id;
  std::optional<std::string> fingerprint;
  bool counts{true};
  double cost_usd{0};
  std::int64_t generation{0};
  nlohmann::json evidence;
  std::vector<std::string> tasks;
  WallTime created_at{}, updated_at{};
};

/// A row of `gpuwarden_leaders`.
struct Leader {
  std::int64_t epoch{1};
  std::string holder;
  WallTime expires_at{};
};

/// A row of `gpuwarden_state`.
struct State {
  nlohmann::json value;
  WallTime changed_at{};
};

}  // namespace gpuwarden::simulation::rows
