#include <algorithm>
#include <cmath>
#include <utility>

#include "simulation/database.hpp"

namespace gpuwarden::simulation {

using nlohmann::json;

namespace {

constexpr std::size_t kLongestReport = 65536;
constexpr std::size_t kLongestError = 4000;

/// gpuwarden_figure: a number of a report, or none.
std::optional<double> figure(const json& report, const char* key) {
  const json* value = sql::member(report, key);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  return std::clamp(value->get<double>(), 0.0, 1e15);
}

void keep(std::optional<std::int64_t>& field, std::optional<double> value) {
  if (value) field = static_cast<std::int64_t>(std::nearbyint(*value));
}

/// gpuwarden_short: a number or a short word as it came.
json short_value(const json& report, const char* key) {
  constexpr std::size_t kLongest = 100;
  const json* value = sql::member(report, key);
  if (value == nullptr || !(value->is_number() || value->is_string())) return nullptr;
  return sql::as_text(*value).size() <= kLongest ? *value : json(nullptr);
}

/// gpuwarden_tail: the last lines that fit.
json tail(const json& report) {
  constexpr std::size_t kMostLines = 100, kMostBytes = 12288, kLongestLine = 1500;
  const json* lines = sql::member(report, "tail");
  if (lines == nullptr || !lines->is_array()) return json::array();
  std::vector<json> kept;
  std::size_t bytes = 0;
  bool counted = false;  // a sum of nothing but nulls is null, and nothing is kept by it
  for (std::size_t i = 0; i < std::min(lines->size(), kMostLines); ++i) {
    const json& line = (*lines)[lines->size() - 1 - i];
    json cut;
    if (!line.is_null()) {
      cut = sql::left(line.is_string() ? line.get<std::string>() : sql::as_text(line), kLongestLine);
      bytes += cut.dump().size() + 2;
      counted = true;
    }
    if (counted && bytes <= kMostBytes) kept.push_back(std::move(cut));
  }
  return json(std::vector<json>(kept.rbegin(), kept.rend()));
}

bool begins_step(const json& report) {
  if (sql::text(report, "event") != "begin") return false;
  const auto step = sql::text(report, "step");
  return step == "preflight" || step == "fetch" || step == "setup" || step == "start";
}

std::string counted_status(const Database::WorkerRow& row) {
  return row.ended_at != WallTime{} ? "terminated" : std::string(Database::status_of(row));
}

json task_json(const Database::Task& task) {
  return {{"id", task.id}, {"task_type", task.type}, {"params", task.params}, {"attempt", task.attempts + 1}};
}

json not_held() {
  return {{"accepted", false}, {"reason", "this attempt does not hold the task"}};
}

}  // namespace

Database::WorkerRow& Database::authenticate(const json& arguments) {
  auto* row = find_worker(sql::text(arguments, "worker_id_param").value_or(""));
  if (row == nullptr || row->token_sha256.empty() ||
      row->token_sha256 != sql::sha256_hex(sql::text(arguments, "token_param").value_or("")))
    throw SqlError("PT403", "gpuwarden: unknown worker or wrong token");
  return *row;
}

json Database::worker_report(const json& arguments, WallTime now) {
  WorkerRow& row = authenticate(arguments);
  const std::string status = counted_status(row);
  const json& report = sql::document(arguments, "report_param");
  // Its text in PostgreSQL is at most half as long again as ours.
  if (!report.is_null() && report.dump().size() > kLongestReport / 2 &&
      sql::as_text(report).size() > kLongestReport)
    throw SqlError("PT413", "gpuwarden: a report has at most 64 KB");
  const auto kind = status == "terminated" ? std::nullopt : sql::text(report, "kind");
  if (kind == "heartbeat") {
    row.heartbeat_at = now;
    keep(row.vram_total_mb, figure(report, "vram_total_mb"));
    keep(row.vram_used_mb, figure(report, "vram_used_mb"));
    keep(row.disk_free_mb, figure(report, "disk_free_mb"));
    if (const auto uptime = figure(report, "uptime_s")) row.agent_uptime_s = uptime;
    if (!row.shared_status.empty()) row.shared_heartbeat_at = now;
  } else if (kind == "step") {
    if (const auto commit = sql::text(report, "commit")) row.git_commit = sql::left(*commit, 64);
    // A step that is reported late never takes a worker back.
    if (status == "spawning" && row.phase != "awaiting_heartbeat" && begins_step(report)) {
      if (row.phase != "bootstrapping") row.phase_since = now;
      row.phase = "bootstrapping";
      row.step = sql::text(report, "step").value_or("");
    }
    if (sql::text(report, "event") == "fail" && row.crash.is_null()) {
      row.crash = {{"step", short_value(report, "step")},
                   {"check", short_value(report, "check")},
                   {"exit_code", short_value(report, "exit")},
                   {"signal", short_value(report, "signal")},
                   {"tail", tail(report)}};
    }
  } else if (kind == "crash" && row.crash.is_null()) {
    row.crash = {{"exit_code", short_value(report, "exit_code")},
                 {"signal", short_value(report, "signal")},
                 {"tail", tail(report)},
                 {"ran_s", short_value(report, "ran_s")}};
  }
  const auto* settings = state(row.owner, "settings");
  const bool stops = status == "error" || status == "terminated";
  const bool drains = status == "terminating" || !row.drain_reason.empty();
  return {{"directive", stops    ? "stop"
                        : drains ? "drain"
                                 : "continue"},
          {"lease_sec",
           settings == nullptr ? 3600.0 : sql::number(settings->value, "pod_lease_sec").value_or(3600.0)},
          {"busy", held_by(row.id) != nullptr}};
}

json Database::claim_task(const json& arguments, WallTime now) {
  WorkerRow& row = authenticate(arguments);
  const std::string status = counted_status(row);
  if ((status != "spawning" && status != "active") || !row.drain_reason.empty()) return nullptr;
  if (const auto* held = held_by(row.id)) return task_json(tasks_.at(*held->begin()));
  Task* task = next_task();
  if (task == nullptr) return nullptr;
  begin(*task, row.id, now);
  row.released_task.clear();
  return task_json(*task);
}

json Database::complete_task(const json& arguments, WallTime now) {
  const auto id = sql::uuid(arguments, "task_id_param");
  const auto attempt = sql::integer(arguments, "attempt_param");
  WorkerRow& row = authenticate(arguments);
  const auto found = tasks_.find(id.value_or(""));
  if (found == tasks_.end()) return not_held();
  Task& task = found->second;
  const bool theirs = attempt && task.worker == row.id && task.attempts + 1 == *attempt;
  json out = not_held();
  if (theirs && task.status == "In Progress") {
    task.error.clear();
    complete(task, now);
    row.last_task_at = now;
    out = {{"accepted", true}, {"reason", "completed"}};
  } else if (theirs && task.status == "Complete") {
    out = {{"accepted", true}, {"reason", "already"}};
  }
  task.completion_answers.push_back({row.id, attempt.value_or(0), out.at("accepted").get<bool>(),
                                     out.at("reason").get<std::string>(), now});
  return out;
}

json Database::fail_task(const json& arguments, WallTime now) {
  const auto id = sql::uuid(arguments, "task_id_param");
  const auto attempt = sql::integer(arguments, "attempt_param");
  WorkerRow& row = authenticate(arguments);
  const auto* settings = state(row.owner, "settings");
  const int most = settings == nullptr ? 3 : sql::integer(settings->value, "task_max_attempts").value_or(3);
  const auto error =
      sql::left(sql::text(arguments, "error_param").value_or("the worker reported a failure"), kLongestError);
  std::optional<int> attempts;
  if (attempt) attempts = *attempt - 1;
  const auto moved = release(id.value_or(""), row.id, attempts, most, error, "failed by its worker", now);
  json out = not_held();
  out["status"] = nullptr;
  if (!moved.empty()) {
    out = {{"accepted", true}, {"reason", "failed"}, {"status", moved}};
    row.last_task_at = now;
    row.released_task = *id;
    row.released_attempt = *attempt;
    row.released_status = moved;
  } else if (id && row.released_task == *id && attempt && row.released_attempt == *attempt) {
    out = {{"accepted", true}, {"reason", "already"}, {"status", row.released_status}};
  }
  return out;
}

}  // namespace gpuwarden::simulation
