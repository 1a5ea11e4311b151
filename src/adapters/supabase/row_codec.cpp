#include "row_codec.hpp"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/supabase/codec.hpp"

#include "json_fields.hpp"

namespace gpuwarden::supabase {
namespace {

using nlohmann::json;
using Problem = Fields::Problem;

/// Ids are uuids in some tables and numbers in others.
std::string id_text(const json& row, const char* key) {
  const auto found = row.is_object() ? row.find(key) : row.end();
  if (!row.is_object() || found == row.end() || found->is_null()) return {};
  return found->is_string() ? found->get<std::string>() : found->dump();
}

ports::WorkerRow read_worker_row(const json& value, Problem& problem) {
  Fields fields(value, "a worker row", problem);
  ports::WorkerRow row;
  row.id = fields.text("id");
  fields.rename(fmt::format("worker '{}'", row.id));
  row.status = fields.text("status");
  row.phase = fields.text_if("phase");
  row.pod = fields.text_if("pod_id");
  row.gpu = fields.text_if("gpu");
  row.data_center = fields.text_if("data_center");
  row.cause = fields.text_if("cause");
  row.summary = fields.text_if("summary");
  row.created_at = fields.time("created_at");
  row.last_heartbeat = fields.time_if("last_heartbeat");
  row.ended_at = fields.time_if("ended_at");
  row.cost_usd = fields.number_if("cost_usd");
  if (problem) return row;
  json rest = value;
  for (const char* key : {"id", "status", "phase", "pod_id", "gpu", "data_center", "cause", "summary",
                          "created_at", "last_heartbeat", "ended_at", "cost_usd"}) {
    rest.erase(key);
  }
  row.details_json = to_body(std::move(rest));
  return row;
}

}  // namespace

ports::FailureRow read_failure(const json& value, Problem& problem) {
  Fields fields(value, "a failure row", problem);
  ports::FailureRow row;
  row.id = id_text(value, "id");
  if (row.id.empty()) row.id = fields.text("id");
  fields.rename(fmt::format("failure '{}'", row.id));
  row.worker = fields.text("worker_id");
  row.cause = fields.text("cause");
  row.summary = fields.text_if("summary");
  row.evidence_line = fields.text_if("evidence_line");
  row.fingerprint = fields.text_if("fingerprint");
  row.phase = fields.text_if("phase");
  row.pod = fields.text_if("pod_id");
  row.gpu = fields.text_if("gpu");
  row.data_center = fields.text_if("data_center");
  row.cost_usd = fields.number_if("cost_usd");
  row.created_at = fields.time("created_at");
  const auto evidence = value.is_object() ? value.find("evidence") : value.end();
  if (value.is_object() && evidence != value.end() && !evidence->is_null())
    row.evidence_json = evidence->dump();
  return row;
}

ports::TaskRow read_task(const json& value, Problem& problem) {
  Fields fields(value, "a task row", problem);
  ports::TaskRow row;
  row.id = id_text(value, "id");
  if (row.id.empty()) row.id = fields.text("id");
  fields.rename(fmt::format("task '{}'", row.id));
  row.type = fields.text_if("task_type");
  row.status = fields.text("status");
  row.worker = fields.text_if("worker_id");
  row.error = fields.text_if("error_message");
  row.attempts = static_cast<int>(fields.integer_if("attempts"));
  row.created_at = fields.time_if("created_at").value_or(WallTime{});
  row.updated_at = fields.time_if("updated_at").value_or(row.created_at);
  return row;
}

Result<ports::CasOutcome> parse_cas(std::string_view body, std::string_view function) {
  const auto doc = parse_json(body, function);
  if (!doc) return fail(doc.error());
  Problem problem;
  Fields fields(*doc, fmt::format("the answer of {}", function), problem);
  const bool done = fields.boolean("done");
  if (problem) return fail(*problem);
  return done ? ports::CasOutcome::done : ports::CasOutcome::lost;
}

Result<UpdateAnswer> parse_update(std::string_view body) {
  const auto doc = parse_json(body, "gpuwarden_update_worker");
  if (!doc) return fail(doc.error());
  Problem problem;
  Fields fields(*doc, "the answer of gpuwarden_update_worker", problem);
  UpdateAnswer answer;
  answer.done = fields.boolean("done");
  answer.reason = fields.text_if("reason");
  answer.status = fields.text_if("status");
  answer.phase = fields.text_if("phase");
  if (problem) return fail(*problem);
  return answer;
}

Result<ports::TasksFreed> parse_tasks_freed(std::string_view body, std::string_view function) {
  const auto doc = parse_json(body, function);
  if (!doc) return fail(doc.error());
  Problem problem;
  Fields fields(*doc, fmt::format("the answer of {}", function), problem);
  ports::TasksFreed freed;
  freed.done = fields.boolean("done");
  // A refusal carries no lists.
  const auto read = [&](const char* key) { return freed.done ? fields.texts(key) : fields.texts_if(key); };
  for (std::string& id : read("requeued")) freed.requeued.emplace_back(std::move(id));
  for (std::string& id : read("failed")) freed.failed.emplace_back(std::move(id));
  if (problem) return fail(*problem);
  return freed;
}

Result<ports::StoreHealth> parse_health(std::string_view body) {
  const auto doc = parse_json(body, "gpuwarden_health");
  if (!doc) return fail(doc.error());
  Problem problem;
  Fields fields(*doc, "the answer of gpuwarden_health", problem);
  ports::StoreHealth health;
  health.schema_version = static_cast<int>(fields.integer("schema_version"));
  health.db_now = fields.time("db_now");
  health.writable = fields.boolean("writable");
  health.missing = fields.texts("missing");
  if (problem) return fail(*problem);
  return health;
}

Result<std::vector<ports::FailureRow>> parse_failures(std::string_view body) {
  return parse_rows<ports::FailureRow>(body, "gpuwarden_list_failures", read_failure);
}

Result<std::vector<ports::WorkerRow>> parse_workers(std::string_view body) {
  return parse_rows<ports::WorkerRow>(body, "gpuwarden_list_workers", read_worker_row);
}

Result<std::optional<ports::WorkerRow>> parse_worker(std::string_view body) {
  const auto doc = parse_json(body, "gpuwarden_get_worker");
  if (!doc) return fail(doc.error());
  if (doc->is_null()) return std::nullopt;
  Problem problem;
  auto row = read_worker_row(*doc, problem);
  if (problem) return fail(*problem);
  return row;
}

Result<std::vector<ports::TaskRow>> parse_tasks(std::string_view body) {
  return parse_rows<ports::TaskRow>(body, "gpuwarden_list_tasks", read_task);
}

}  // namespace gpuwarden::supabase
