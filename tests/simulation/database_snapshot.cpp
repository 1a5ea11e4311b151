#include <algorithm>
#include <limits>
#include <utility>

#include "gpuwarden/supabase/codec.hpp"

#include "simulation/database.hpp"

namespace gpuwarden::simulation {

using nlohmann::json;

namespace {

constexpr Duration kDay = std::chrono::hours(24);

std::string_view shown_phase(const Database::WorkerRow& row, std::string_view status, bool busy) {
  if (status == "active") return busy ? "busy" : "idle";
  if (status == "terminating") return row.phase == "deleting" ? "deleting" : "draining";
  if (status == "error") return row.phase == "deleting" ? "deleting" : "collecting";
  for (const std::string_view phase : {"intent", "unknown", "provisioning", "starting", "connecting",
                                       "bootstrapping", "awaiting_heartbeat"}) {
    if (row.phase == phase) return phase;
  }
  return "provisioning";
}

}  // namespace

json Database::snapshot(const json& arguments, WallTime now) {
  const auto owner_given = sql::text(arguments, "owner_param");
  const std::string owner = owner_given.value_or("");
  const std::string holder = sql::text(arguments, "holder_param").value_or("");
  const json& options = sql::document(arguments, "options_param");
  const auto lease = arguments.contains("lease_sec_param") ? sql::integer(arguments, "lease_sec_param")
                                                           : std::optional<int>(30);
  const double window = sql::number(options, "failure_window_sec").value_or(1800);
  const bool writable = !read_only_;
  bool leading = false;
  if (!holder.empty() && writable) {
    if (!owner_given) throw SqlError("23502", "null value in column \"owner\"");
    leading = take_lead(owner, holder, lease, now);
  }
  Owned& owned = of_owner(owner);
  json beacon;
  if (leading) {
    keep_settings(owner, options, now);
    adopt_requests(owned, now);
    beacon = exchange_beacon(owner, options, now);
  }
  const auto* leader = this->leader(owner);
  const auto* breaker = state(owner, "breaker");
  const auto [spent_usd, fruitless_usd] = spent(owned, now);

  json out = json::object();
  out["schema_version"] = supabase::kSchemaVersion;
  out["db_now"] = sql::utc(now);
  out["writable"] = writable;
  out["leader"] = {
      {"leading", leading},
      {"epoch", leader == nullptr ? 0 : leader->epoch},
      {"holder", leader == nullptr ? "" : leader->holder},
      {"expires_in_s",
       leader == nullptr || leader->expires_at < now ? 0 : sql::seconds(leader->expires_at - now)}};
  out["queue"] = queue_depth(arguments, now);
  out["workers"] = workers_json(owned, now);
  out["running_tasks"] = running_json(owner, now);
  out["outcomes"] = outcomes_json(owned, window, now);
  out["breaker"] =
      breaker == nullptr
          ? json(nullptr)
          : sql::concatenated(breaker->value, {{"state_age_s", sql::age(now, breaker->changed_at)}});
  out["breaker_override"] = override_json(owner, now);
  out["switches"] = switches_json(owner);
  out["tombstones"] = tombstones_json(owned, now);
  out["rescuable"] = count_rescuable(options, now);
  out["spent_last_day_usd"] = spent_usd;
  out["fruitless_last_day_usd"] = fruitless_usd;
  out["pace"] = pace_json(now);
  out["recent_failures"] = recent_failures_json(owned, now);
  out["failing"] = failing_json(owned, window, now);
  out["beacon"] = std::move(beacon);
  return out;
}

void Database::adopt_requests(Owned& owned, WallTime now) {
  for (auto& [at, row] : owned.live) {
    if (row->status != "spawning" && row->status != "active") continue;
    if (row->shared_status != "terminating" && row->shared_status != "terminated") continue;
    row->status = "terminating";
    row->phase = "draining";
    row->phase_since = now;
    row->step.clear();
    if (row->drain_reason.empty()) row->drain_reason = "workers.status was set to " + row->shared_status;
  }
}

json Database::exchange_beacon(const std::string& owner, const json& options, WallTime now) {
  constexpr std::size_t kLongest = 200;
  const auto beacon = sql::text(options, "beacon");
  if (!beacon || beacon->empty()) return nullptr;
  const auto* left_behind = state(owner, "beacon");
  json before;
  if (left_behind != nullptr && !left_behind->value.is_null())
    before = left_behind->value.is_string() ? left_behind->value : json(sql::as_text(left_behind->value));
  put_state(owner, "beacon", sql::left(*beacon, kLongest), now);
  return before;
}

json Database::worker_json(const WorkerRow& row, WallTime now) const {
  const auto status = status_of(row);
  const auto* held = held_by(row.id);
  json out = row.details;
  out["id"] = row.id;
  out["status"] = status;
  out["phase"] = shown_phase(row, status, held != nullptr);
  out["step"] = sql::or_null(row.step);
  out["pod_id"] = sql::or_null(row.pod);
  out["cost_per_hr"] = row.cost_per_hr;
  out["generation"] = row.generation;
  out["canary"] = row.canary;
  out["proven"] = row.activated_at != WallTime{};
  out["age_s"] = sql::age(now, row.registered_at);
  out["phase_age_s"] = sql::age(now, row.phase_since);
  const auto heartbeat = std::max(row.heartbeat_at, row.shared_heartbeat_at);
  out["heartbeat_age_s"] = heartbeat == WallTime{} ? json(nullptr) : json(sql::age(now, heartbeat));
  json& idle = out["idle_s"] = nullptr;
  if (status == "active" && held == nullptr) {
    const auto settled = settled_at_.find(row.id);
    idle = sql::age(now, std::max({row.activated_at, row.last_task_at, row.registered_at,
                                   settled == settled_at_.end() ? WallTime{} : settled->second}));
  }
  out["tasks"] = held == nullptr ? json::array() : json(*held);
  out["drain_reason"] = sql::or_null(row.drain_reason);
  out["crash"] =
      row.crash.is_null() && row.shared_status == "crashed" ? json{{"tail", json::array()}} : row.crash;
  out["git_commit"] = sql::or_null(row.git_commit);
  out["vram_total_mb"] = sql::or_null(row.vram_total_mb);
  out["vram_used_mb"] = sql::or_null(row.vram_used_mb);
  out["disk_free_mb"] = sql::or_null(row.disk_free_mb);
  out["agent_uptime_s"] = sql::or_null(row.agent_uptime_s);
  return out;
}

json Database::workers_json(const Owned& owned, WallTime now) const {
  json out = json::array();
  for (const auto& [at, row] : owned.live) out.push_back(worker_json(*row, now));
  return out;
}

json Database::running_json(const std::string& owner, WallTime now) const {
  json out = json::array();
  for (const auto& [id, task] : in_progress_) {
    const auto* row = find_worker(task->worker);
    if (row == nullptr || row->owner != owner || row->ended_at != WallTime{}) continue;
    const auto since = task->started_at == WallTime{} ? task->updated_at : task->started_at;
    out.push_back({{"id", id},
                   {"task_type", task->type},
                   {"worker_id", task->worker},
                   {"attempts", task->attempts},
                   {"running_s", sql::age(now, since)}});
  }
  return out;
}

json Database::outcomes_json(const Owned& owned, double window_sec, WallTime now) const {
  constexpr std::size_t kMost = 2000;
  const auto since = now - sql::duration_of(window_sec);
  json out = json::array();
  for (auto entry = owned.outcomes.rbegin(); entry != owned.outcomes.rend(); ++entry) {
    const WorkerRow& row = *entry->second;
    if (row.outcome_at <= since || out.size() == kMost) break;
    const bool success = row.outcome == "success";
    const auto failure = success ? failures_.end() : failures_.find(row.id);
    json outcome = {{"worker_id", row.id},
                    {"success", success},
                    {"cause", nullptr},
                    {"fingerprint", nullptr},
                    {"generation", row.generation},
                    {"age_s", sql::age(now, row.outcome_at)},
                    {"took_s", nullptr},
                    {"summary", nullptr}};
    if (success) outcome["took_s"] = sql::age(row.outcome_at, row.registered_at);
    if (failure != failures_.end()) {
      outcome["cause"] = failure->second.cause;
      outcome["summary"] = failure->second.summary;
      outcome["fingerprint"] = sql::or_null(failure->second.fingerprint);
    }
    for (const char* key : {"gpu", "data_center", "volume_id", "cloud", "script_hash"})
      outcome[key] = row.details.at(key);
    out.push_back(std::move(outcome));
  }
  return out;
}

json Database::tombstones_json(const Owned& owned, WallTime now) const {
  constexpr std::size_t kMost = 200;
  json out = json::array();
  for (auto entry = owned.ended.rbegin(); entry != owned.ended.rend(); ++entry) {
    const WorkerRow& row = *entry->second;
    if (row.ended_at <= now - kDay || out.size() == kMost) break;
    out.push_back(
        {{"worker_id", row.id}, {"pod_id", sql::or_null(row.pod)}, {"age_s", sql::age(now, row.ended_at)}});
  }
  return out;
}

json Database::recent_failures_json(const Owned& owned, WallTime now) const {
  constexpr Duration kRecent = std::chrono::minutes(10);
  constexpr std::size_t kMost = 500;
  json out = json::array();
  std::size_t seen = 0;
  for (auto entry = owned.failures.rbegin(); entry != owned.failures.rend() && seen < kMost;
       ++entry, ++seen) {
    const rows::Failure& failure = *entry->second;
    if (failure.created_at <= now - kRecent) break;
    const json* silent = sql::member(failure.evidence, "heartbeat_age_s");
    if (silent == nullptr || !silent->is_number()) continue;
    out.push_back(
        {{"worker_id", failure.worker}, {"age_s", sql::age(now, failure.created_at)}, {"silent_s", *silent}});
  }
  return out;
}

json Database::failing_json(const Owned& owned, double window_sec, WallTime now) const {
  constexpr std::size_t kMost = 1000, kMostWays = 5, kLongest = 300;
  struct Way {
    const rows::Failure* newest{nullptr};
    long count{0};
    double cost_usd{0};
  };
  const auto since = now - sql::duration_of(window_sec);
  std::vector<Way> ways;
  std::size_t seen = 0;
  for (auto entry = owned.failures.rbegin(); entry != owned.failures.rend() && seen < kMost;
       ++entry, ++seen) {
    const rows::Failure& failure = *entry->second;
    if (failure.created_at <= since) break;
    auto way = std::find_if(ways.begin(), ways.end(), [&](const Way& known) {
      return known.newest->cause == failure.cause && known.newest->fingerprint == failure.fingerprint;
    });
    if (way == ways.end()) way = ways.insert(ways.end(), Way{&failure});
    ++way->count;
    way->cost_usd += failure.cost_usd;
  }
  std::stable_sort(ways.begin(), ways.end(), [](const Way& a, const Way& b) { return a.count > b.count; });
  if (ways.size() > kMostWays) ways.resize(kMostWays);
  json out = json::array();
  for (const Way& way : ways) {
    out.push_back({{"cause", way.newest->cause},
                   {"fingerprint", sql::or_null(way.newest->fingerprint)},
                   {"summary", way.newest->summary.substr(0, kLongest)},
                   {"worker_id", way.newest->worker},
                   {"count", way.count},
                   {"cost_usd", way.cost_usd},
                   {"age_s", sql::age(now, way.newest->created_at)}});
  }
  return out;
}

json Database::override_json(const std::string& owner, WallTime now) const {
  const auto* forced = state(owner, "breaker_override");
  if (forced == nullptr) return nullptr;
  const auto expires_at = sql::timestamp(forced->value, "expires_at");
  if (expires_at && *expires_at <= now) return nullptr;
  return {{"kind", sql::or_null(sql::text(forced->value, "kind"))},
          {"actor", sql::text(forced->value, "actor").value_or("")},
          {"reason", sql::text(forced->value, "reason").value_or("")},
          {"expires_in_s", expires_at ? json(sql::seconds(*expires_at - now)) : json(nullptr)}};
}

json Database::switches_json(const std::string& owner) const {
  static const json kNone;
  const auto* kept = state(owner, "switches");
  const json& switches = kept == nullptr ? kNone : kept->value;
  return {{"paused", sql::boolean(switches, "paused").value_or(false)},
          {"paused_by", sql::or_null(sql::text(switches, "paused_by"))},
          {"pause_reason", sql::or_null(sql::text(switches, "pause_reason"))}};
}

json Database::pace_json(WallTime now) const {
  json out = json::object();
  for (const auto& [type, ran] : durations_) {
    double sum = 0;
    int samples = 0;
    for (const auto& each : ran) {
      if (each.at <= now - kDay || each.took_s <= 0) continue;
      sum += each.took_s;
      ++samples;
    }
    if (samples > 0) out[type] = {{"typical_s", sum / samples}, {"samples", samples}};
  }
  return out;
}

std::pair<double, double> Database::spent(const Owned& owned, WallTime now) const {
  const auto since = now - kDay;
  const auto cost = [&](const WorkerRow& row, WallTime until) {
    return row.cost_per_hr * sql::age(until, std::max(row.registered_at, since)) / 3600.0;
  };
  double all = 0, fruitless = 0;
  for (auto entry = owned.ended.rbegin(); entry != owned.ended.rend(); ++entry) {
    const WorkerRow& row = *entry->second;
    if (row.ended_at <= since) break;
    if (row.pod.empty()) continue;
    all += cost(row, row.ended_at);
    if (row.completed_tasks == 0) fruitless += cost(row, row.ended_at);
  }
  // A create whose outcome is unknown may have made a pod.
  for (const auto& [at, row] : owned.live) {
    if (!row->pod.empty() || row->phase == "unknown") all += cost(*row, now);
  }
  return {all, fruitless};
}

}  // namespace gpuwarden::simulation
