#include "simulation/database.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace gpuwarden::simulation {

using nlohmann::json;

bool Database::leads(const json& arguments) const {
  const auto owner = sql::text(arguments, "owner_param");
  const auto epoch = sql::bigint(arguments, "epoch_param");
  if (!owner || !epoch) return false;
  const auto* leader = this->leader(*owner);
  return leader != nullptr && leader->epoch == *epoch;
}

bool Database::take_lead(const std::string& owner, const std::string& holder, std::optional<int> lease_sec,
                         WallTime now) {
  const auto until = [&] {
    if (!lease_sec) throw SqlError("23502", "null value in column \"expires_at\"");
    return now + std::chrono::seconds(*lease_sec);
  };
  const auto found = leaders_.find(owner);
  if (found == leaders_.end()) {
    leaders_[owner] = {1, holder, until()};
    return true;
  }
  rows::Leader& leader = found->second;
  if (leader.holder == holder) {
    // Half of the lease is a whole number of milliseconds.
    if (lease_sec && leader.expires_at > now + Duration(std::int64_t{*lease_sec} * 500)) return true;
    leader.expires_at = until();
    return true;
  }
  if (leader.expires_at > now) return false;
  leader = {leader.epoch + 1, holder, until()};
  return true;
}

void Database::keep_settings(const std::string& owner, const json& options, WallTime now) {
  json wanted = json::object();
  for (const char* key : {"task_max_attempts", "pod_lease_sec"}) {
    const json* value = sql::member(options, key);
    if (value != nullptr && !value->is_null()) wanted[key] = *value;
  }
  const rows::State* kept = state(owner, "settings");
  const auto same = [&](const auto& entry) {
    const json* value = sql::member(kept->value, entry.key().c_str());
    return value != nullptr && *value == entry.value();
  };
  const auto items = wanted.items();
  if (wanted.empty() || (kept != nullptr && std::all_of(items.begin(), items.end(), same))) return;
  put_state(owner, "settings", kept == nullptr ? wanted : sql::concatenated(kept->value, wanted), now);
}

const rows::Leader* Database::leader(const std::string& owner) const {
  const auto found = leaders_.find(owner);
  return found == leaders_.end() ? nullptr : &found->second;
}

const rows::State* Database::state(const std::string& owner, const std::string& key) const {
  const auto found = state_.find({owner, key});
  return found == state_.end() ? nullptr : &found->second;
}

void Database::put_state(const std::string& owner, const std::string& key, json value, WallTime now) {
  state_[{owner, key}] = {std::move(value), now};
}

void Database::remove_state(const std::string& owner, const std::string& key) {
  state_.erase({owner, key});
}

Database::WorkerRow* Database::find_worker(const std::string& id) {
  const auto found = workers_.find(id);
  return found == workers_.end() ? nullptr : &found->second;
}

const Database::WorkerRow* Database::find_worker(const std::string& id) const {
  const auto found = workers_.find(id);
  return found == workers_.end() ? nullptr : &found->second;
}

std::vector<const Database::WorkerRow*> Database::live_workers(const std::string& owner) const {
  std::vector<const WorkerRow*> out;
  const auto owned = owned_.find(owner);
  if (owned == owned_.end()) return out;
  for (const auto& [at, row] : owned->second.live) out.push_back(row);
  return out;
}

void Database::set_outcome(WorkerRow& row, const char* outcome, WallTime now) {
  auto& outcomes = of_owner(row.owner).outcomes;
  outcomes.erase({row.outcome_at, row.id});
  row.outcome = outcome;
  row.outcome_at = now;
  outcomes.emplace(std::pair(now, row.id), &row);
}

void Database::set_ended(WorkerRow& row, WallTime now) {
  auto& owned = of_owner(row.owner);
  owned.live.erase({row.registered_at, row.id});
  row.ended_at = now;
  owned.ended.emplace(std::pair(now, row.id), &row);
}

std::string Database::new_uuid() {
  return fmt::format("f0000000-0000-4000-8000-{:012x}", ++uuids_);
}

std::string Database::add_task(std::string type, WallTime now, std::string id,
                               std::vector<std::string> depends_on) {
  if (id.empty()) id = fmt::format("00000000-0000-4000-8000-{:012x}", ++made_tasks_);
  Task task;
  task.id = id;
  task.type = std::move(type);
  task.created_at = task.updated_at = now;
  task.depends_on = std::move(depends_on);
  const auto [place, made] = tasks_.emplace(id, std::move(task));
  if (!made) throw SqlError("23505", "duplicate key value violates unique constraint \"tasks_pkey\"");
  link(place->second);
  return id;
}

void Database::cancel_task(const std::string& id, WallTime now) {
  Task& task = tasks_.at(id);
  unlink(task);
  end_attempt(task, "cancelled", now);
  task.status = "Cancelled";
  task.updated_at = now;
  link(task);
}

void Database::start_task(const std::string& id, const std::string& worker, WallTime now) {
  begin(tasks_.at(id), worker, now);
}

void Database::set_shared_status(const std::string& worker, std::string status, WallTime) {
  if (auto* row = find_worker(worker)) {
    row->shared_status = std::move(status);
  } else {
    shared_[worker].status = std::move(status);
  }
}

void Database::write_shared_heartbeat(const std::string& worker, WallTime now) {
  if (auto* row = find_worker(worker)) {
    if (row->shared_status.empty()) row->shared_status = "active";
    row->shared_heartbeat_at = now;
  } else {
    auto& shared = shared_[worker];
    if (shared.status.empty()) shared.status = "active";
    shared.heartbeat_at = now;
  }
}

void Database::delete_shared_row(const std::string& worker) {
  shared_.erase(worker);
  if (auto* row = find_worker(worker)) {
    row->shared_status.clear();
    row->shared_heartbeat_at = {};
  }
}

std::string_view Database::status_of(const WorkerRow& row) {
  const bool open = row.status == "spawning" || row.status == "active";
  if (row.shared_status == "error" && (open || row.status == "terminating")) return "error";
  if (open && (row.shared_status == "terminating" || row.shared_status == "terminated")) return "terminating";
  return row.status;
}

}  // namespace gpuwarden::simulation
