#include "simulation/database.hpp"

namespace gpuwarden::simulation {

using nlohmann::json;

json Database::legacy_claim(const json& arguments, WallTime now) {
  const auto worker = sql::text(arguments, "worker_id_param").value_or("");
  if (const auto* row = find_worker(worker)) {
    const auto status = status_of(*row);
    const bool open = status == "spawning" || status == "active";
    if (!row->drain_reason.empty() || row->ended_at != WallTime{} || !open) return json::array();
  }
  const auto* row = find_worker(worker);
  const auto found = shared_.find(worker);
  const std::string& shared = row != nullptr           ? row->shared_status
                              : found == shared_.end() ? ""
                                                       : found->second.status;
  if (shared == "terminating" || shared == "error" || shared == "terminated") return json::array();
  Task* task = next_task();
  if (task == nullptr) return json::array();
  begin(*task, worker, now);
  return json::array({{{"id", task->id},
                       {"status", task->status},
                       {"attempts", task->attempts},
                       {"worker_id", sql::or_null(worker)},
                       {"generation_started_at", sql::timestamptz(now)},
                       {"task_data", task->params},
                       {"created_at", sql::timestamptz(task->created_at)},
                       {"task_type", task->type}}});
}

json Database::legacy_complete(const json& arguments, WallTime now) {
  const auto found = tasks_.find(sql::uuid(arguments, "task_id_param").value_or(""));
  if (found == tasks_.end() || found->second.status != "In Progress") return false;
  complete(found->second, now);
  return true;
}

json Database::legacy_fail(const json& arguments, WallTime now) {
  const auto found = tasks_.find(sql::uuid(arguments, "task_id_param").value_or(""));
  if (found == tasks_.end() || found->second.status != "In Progress") return false;
  Task& task = found->second;
  unlink(task);
  end_attempt(task, "marked failed", now);
  task.status = "Failed";
  ++task.attempts;
  task.error = sql::left(sql::text(arguments, "error_message_param").value_or(""), 8000);
  task.processed_at = task.updated_at = now;
  link(task);
  return true;
}

json Database::legacy_heartbeat(const json& arguments, WallTime now) {
  const auto worker = sql::text(arguments, "worker_id_param").value_or("");
  const auto total = sql::integer(arguments, "vram_total_mb_param");
  const auto used = sql::integer(arguments, "vram_used_mb_param");
  if (auto* row = find_worker(worker)) {
    if (row->ended_at == WallTime{}) {
      row->heartbeat_at = now;
      if (total) row->vram_total_mb = *total;
      if (used) row->vram_used_mb = *used;
    }
    if (row->shared_status.empty() || row->shared_status == "terminated") return false;
    row->shared_heartbeat_at = now;
    return true;
  }
  const auto found = shared_.find(worker);
  if (found == shared_.end() || found->second.status == "terminated") return false;
  found->second.heartbeat_at = now;
  return true;
}

}  // namespace gpuwarden::simulation
