#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/supabase/codec.hpp"

#include "json_fields.hpp"
#include "row_codec.hpp"

namespace gpuwarden::supabase {
namespace {

using nlohmann::json;
using Problem = Fields::Problem;

ports::EventRow read_event(const json& value, Problem& problem) {
  Fields fields(value, "an event row", problem);
  ports::EventRow row;
  row.id = fields.integer("id");
  fields.rename(fmt::format("event {}", row.id));
  row.at = fields.time("at");
  row.worker = fields.text_if("worker_id");
  row.task = fields.text_if("task_id");
  row.event = fields.text("event");
  const auto detail = value.is_object() ? value.find("detail") : value.end();
  if (value.is_object() && detail != value.end() && detail->is_object()) row.detail_json = detail->dump();
  return row;
}

ports::FailureGroup read_group(const json& value, Problem& problem) {
  Fields fields(value, "a group of failures", problem);
  ports::FailureGroup group;
  group.fingerprint = fields.text("fingerprint");
  group.cause = fields.text("cause");
  group.summary = fields.text_if("summary");
  group.evidence_line = fields.text_if("evidence_line");
  group.worker = fields.text("worker_id");
  group.pods = fields.integer("pods");
  group.cost_usd = fields.number("cost_usd");
  group.first_at = fields.time("first_at");
  group.last_at = fields.time("last_at");
  return group;
}

}  // namespace

Result<std::vector<ports::EventRow>> parse_events(std::string_view body) {
  return parse_rows<ports::EventRow>(body, "gpuwarden_list_events", read_event);
}

Result<std::vector<ports::FailureGroup>> parse_failure_groups(std::string_view body) {
  return parse_rows<ports::FailureGroup>(body, "gpuwarden_failure_groups", read_group);
}

Result<std::optional<ports::TaskStory>> parse_task_story(std::string_view body) {
  const auto doc = parse_json(body, "gpuwarden_get_task");
  if (!doc) return fail(doc.error());
  if (doc->is_null()) return std::nullopt;
  Problem problem;
  ports::TaskStory story;
  story.task = read_task(*doc, problem);
  Fields fields(*doc, fmt::format("task '{}'", story.task.id), problem);
  story.started_at = fields.time_if("generation_started_at");
  story.processed_at = fields.time_if("generation_processed_at");
  auto events = read_rows<ports::EventRow>(fields.array("events"), read_event);
  auto failures = read_rows<ports::FailureRow>(fields.array("failures"), read_failure);
  if (problem) return fail(*problem);
  if (!events) return fail(events.error());
  if (!failures) return fail(failures.error());
  story.events = std::move(*events);
  story.failures = std::move(*failures);
  return story;
}

Result<ports::Pruned> parse_pruned(std::string_view body) {
  const auto doc = parse_json(body, "gpuwarden_prune");
  if (!doc) return fail(doc.error());
  Problem problem;
  Fields fields(*doc, "the answer of gpuwarden_prune", problem);
  ports::Pruned pruned;
  pruned.done = fields.boolean("done");
  if (pruned.done) {  // a refusal carries no figures
    pruned.failures = fields.integer("failures");
    pruned.events = fields.integer("events");
    pruned.more = fields.boolean("more");
  }
  if (problem) return fail(*problem);
  return pruned;
}

}  // namespace gpuwarden::supabase
