#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/ports/evidence_json.hpp"
#include "gpuwarden/supabase/codec.hpp"

#include "json_fields.hpp"
#include "state_codec.hpp"

namespace gpuwarden::supabase {
namespace {

using nlohmann::json;
using Problem = Fields::Problem;

const json* member(const json& value, const char* key) {
  if (!value.is_object()) return nullptr;
  const auto found = value.find(key);
  return found == value.end() ? nullptr : &*found;
}

bool flag(const json& value, const char* key, bool otherwise = false) {
  const json* found = member(value, key);
  return found != nullptr && found->is_boolean() ? found->get<bool>() : otherwise;
}

/// Evidence may hold anything: a text that is none is empty.
std::string loose_text(const json& value, const char* key) {
  const json* found = member(value, key);
  return found != nullptr && found->is_string() ? found->get<std::string>() : std::string();
}

FailedWorker read_failed(const json& value, std::size_t index, Problem& problem) {
  Fields fields(value, fmt::format("failures[{}]", index), problem);
  FailedWorker failed;
  failed.worker = WorkerId(fields.text("worker_id"));
  fields.rename(fmt::format("the failure of '{}'", failed.worker.str()));
  failed.cause = fields.text("cause");
  failed.at = fields.time("created_at");
  failed.summary = fields.text_if("summary");
  failed.evidence_line = fields.text_if("evidence_line");
  failed.advice = fields.text_if("advice");
  failed.last_words = fields.texts_if("last_words");
  failed.fingerprint = fields.text_if("fingerprint");
  failed.phase = fields.text_if("phase");
  failed.scope = fields.text_if("scope");
  failed.counts = flag(value, "counts", true);
  failed.pod = PodId(fields.text_if("pod_id"));
  failed.gpu = fields.text_if("gpu");
  failed.data_center = fields.text_if("data_center");
  failed.image = fields.text_if("image");
  failed.script_hash = fields.text_if("script_hash");
  failed.git_commit = fields.text_if("git_commit");
  failed.cost_usd = fields.number_if("cost_usd");
  failed.tasks = static_cast<int>(fields.integer_if("tasks"));
  failed.registered_at = fields.time_if("registered_at");
  failed.activated_at = fields.time_if("activated_at");
  failed.canary = flag(value, "canary");
  failed.heartbeat = flag(value, "heartbeat");
  failed.reported = flag(value, "reported");
  failed.claimed = flag(value, "claimed");
  failed.probed = flag(value, "probed");
  if (const json* code = member(value, "exit_code"); code != nullptr && code->is_number_integer()) {
    const auto number = code->get<std::int64_t>();
    if (number >= -1024 && number <= 1024) failed.exit_code = static_cast<int>(number);
  }
  const json* signal = member(value, "signal");
  failed.signal = signal != nullptr && signal->is_number_integer()
                      ? ports::signal_name(static_cast<long>(signal->get<std::int64_t>()))
                      : ports::signal_name(loose_text(value, "signal"));
  failed.channel = loose_text(value, "channel");
  failed.missing = fields.texts_if("missing");
  return failed;
}

StartRecord read_start(const json& value, std::size_t index, Problem& problem) {
  Fields fields(value, fmt::format("starts[{}]", index), problem);
  StartRecord start;
  start.worker = WorkerId(fields.text("worker_id"));
  start.success = fields.boolean("success");
  start.counts = flag(value, "counts", true);
  start.at = fields.time("at");
  start.registered_at = fields.time("registered_at");
  start.gpu = fields.text_if("gpu");
  start.data_center = fields.text_if("data_center");
  start.image = fields.text_if("image");
  start.script_hash = fields.text_if("script_hash");
  start.git_commit = fields.text_if("git_commit");
  return start;
}

}  // namespace

Result<Incident> parse_incident(std::string_view body) {
  const auto doc = parse_json(body, "gpuwarden_incident");
  if (!doc) return fail(doc.error());
  Problem problem;
  Fields fields(*doc, "the answer of gpuwarden_incident", problem);
  Incident incident;
  incident.db_now = fields.time("db_now");
  Fields leader(fields.object("leader"), "leader", problem);
  incident.leader = leader.text_if("holder");
  if (const auto left = leader.number_or_null("expires_in_s"))
    incident.leader_expires_in = to_duration(*left);
  incident.queue = read_queue(fields.object("queue"), problem);
  Fields live(fields.object("live"), "live", problem);
  incident.live = {live.integer_if("spawning"), live.integer_if("active"), live.integer_if("terminating"),
                   live.integer_if("error")};
  if (const json* breaker = fields.object_or_null("breaker"))
    incident.breaker = read_breaker(*breaker, problem);
  if (const json* override_row = fields.object_or_null("breaker_override"))
    incident.breaker_override = read_override(*override_row, "breaker_override", problem);
  incident.switches = read_switches(fields.object("switches"), problem);
  incident.spent_last_day_usd = fields.number_if("spent_last_day_usd");
  Fields failed(fields.object("failed"), "failed", problem);
  incident.failed = failed.integer("count");
  incident.failed_usd = failed.number("cost_usd");
  incident.failures = read_all<FailedWorker>(fields.array("failures"), read_failed, problem);
  incident.starts = read_all<StartRecord>(fields.array("starts"), read_start, problem);
  const json& tasks = fields.object("tasks");
  Fields counts(tasks, "tasks", problem);
  if (!problem) {
    for (const auto& [status, count] : tasks.items()) incident.tasks[status] = counts.integer(status.c_str());
  }
  if (problem) return fail(*problem);
  return incident;
}

}  // namespace gpuwarden::supabase
