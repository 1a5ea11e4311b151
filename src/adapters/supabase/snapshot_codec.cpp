#include <algorithm>
#include <chrono>
#include <map>
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

// What a pod reported. It may be anything, and must never make the fleet's snapshot unreadable.

const json* member(const json& value, const char* key) {
  if (!value.is_object()) return nullptr;
  const auto found = value.find(key);
  return found == value.end() ? nullptr : &*found;
}

std::optional<double> reported_number(const json& value, const char* key) {
  const json* number = member(value, key);
  if (number == nullptr || !number->is_number()) return std::nullopt;
  return number->get<double>();
}

std::optional<long> reported_integer(const json& value, const char* key) {
  const auto number = reported_number(value, key);
  if (!number || !(*number > -1e15 && *number < 1e15)) return std::nullopt;
  return static_cast<long>(*number);
}

std::string reported_text(const json& value, const char* key) {
  const json* text = member(value, key);
  return text != nullptr && text->is_string() ? text->get<std::string>() : std::string();
}

std::optional<CrashReport> read_crash(const json& worker) {
  const json* crash = member(worker, "crash");
  if (crash == nullptr || !crash->is_object()) return std::nullopt;
  CrashReport report;
  report.step = parse_boot_step(reported_text(*crash, "step"));
  if (const auto code = reported_integer(*crash, "exit_code")) report.exit_code = static_cast<int>(*code);
  if (const auto number = reported_integer(*crash, "signal")) {
    report.signal = ports::signal_name(*number);
  } else {
    report.signal = ports::signal_name(reported_text(*crash, "signal"));
  }
  if (const json* tail = member(*crash, "tail"); tail != nullptr && tail->is_array()) {
    for (const json& line : *tail) {
      if (line.is_string()) report.tail.push_back(line.get<std::string>());
    }
  }
  if (const auto ran = reported_number(*crash, "ran_s")) report.ran_for = to_duration(*ran);
  return report;
}

Placement read_placement(Fields& fields) {
  Placement place;
  place.gpu = fields.text_if("gpu");
  place.data_center = fields.text_if("data_center");
  place.volume_id = fields.text_if("volume_id");
  place.volume_name = fields.text_if("volume_name");
  const std::string cloud = fields.text_if("cloud");
  const auto parsed = parse_cloud(cloud);
  if (!cloud.empty() && !parsed) fields.unknown("cloud", cloud);
  place.cloud = parsed.value_or(Cloud::secure);
  return place;
}

Worker read_worker(const json& value, std::size_t index, Problem& problem) {
  Fields fields(value, fmt::format("workers[{}]", index), problem);
  Worker worker;
  worker.id = WorkerId(fields.text("id"));
  fields.rename(fmt::format("worker '{}'", worker.id.str()));
  const std::string status = fields.text("status");
  const auto parsed_status = parse_worker_status(status);
  if (!parsed_status) fields.unknown("status", status);
  worker.status = parsed_status.value_or(WorkerStatus::spawning);
  const std::string phase = fields.text("phase");
  const auto parsed_phase = parse_phase(phase);
  if (!parsed_phase) fields.unknown("phase", phase);
  worker.phase = parsed_phase.value_or(Phase::intent);
  std::string step = fields.text_if("step");
  if (const auto colon = phase.find(':'); step.empty() && colon != std::string::npos) {
    step = phase.substr(colon + 1);
  }
  worker.step = parse_boot_step(step);  // named by the pod: an unknown one is none
  worker.pod = PodId(fields.text_or_null("pod_id").value_or(""));
  worker.placement = read_placement(fields);
  worker.cost_per_hr = fields.number_if("cost_per_hr");
  worker.placement.price_per_hr = worker.cost_per_hr;
  worker.age = fields.seconds("age_s");
  worker.phase_age = fields.seconds("phase_age_s");
  worker.heartbeat_age = fields.seconds_or_null("heartbeat_age_s");
  worker.idle_for = fields.seconds_or_null("idle_s");
  for (std::string& task : fields.texts("tasks")) worker.tasks.emplace_back(std::move(task));
  worker.canary = fields.boolean("canary");
  worker.proven = fields.boolean("proven");
  worker.generation = fields.integer("generation");
  worker.script_hash = fields.text_if("script_hash");
  worker.drain_reason = fields.text_if("drain_reason");
  worker.crash = read_crash(value);
  worker.git_commit = reported_text(value, "git_commit");
  worker.vram_total_mb = reported_integer(value, "vram_total_mb");
  worker.vram_used_mb = reported_integer(value, "vram_used_mb");
  worker.disk_free_mb = reported_integer(value, "disk_free_mb");
  if (const auto uptime = reported_number(value, "agent_uptime_s"))
    worker.agent_uptime = to_duration(*uptime);
  return worker;
}

RunningTask read_running(const json& value, std::size_t index, Problem& problem) {
  Fields fields(value, fmt::format("running_tasks[{}]", index), problem);
  RunningTask task;
  task.id = TaskId(fields.text("id"));
  task.type = fields.text_if("task_type");
  task.worker = WorkerId(fields.text_or_null("worker_id").value_or(""));
  task.attempts = static_cast<int>(fields.integer("attempts"));
  task.running_for = fields.seconds("running_s");
  return task;
}

StartOutcome read_outcome(const json& value, std::size_t index, Problem& problem) {
  Fields fields(value, fmt::format("outcomes[{}]", index), problem);
  StartOutcome outcome;
  outcome.worker = WorkerId(fields.text("worker_id"));
  outcome.success = fields.boolean("success");
  // A cause that a later version stored is still a failure.
  outcome.cause = parse_failure_cause(fields.text_if("cause")).value_or(FailureCause::unclassified);
  outcome.placement = read_placement(fields);
  outcome.fingerprint = fields.text_if("fingerprint");
  outcome.summary = fields.text_if("summary");
  outcome.script_hash = fields.text_if("script_hash");
  outcome.generation = fields.integer("generation");
  outcome.age = fields.seconds("age_s");
  if (const auto took = reported_number(value, "took_s")) outcome.took = to_duration(*took);
  return outcome;
}

Leadership read_leader(const json& value, Problem& problem) {
  Fields fields(value, "leader", problem);
  Leadership leader;
  leader.leading = fields.boolean("leading");
  leader.epoch = fields.integer("epoch");
  leader.holder = fields.text_if("holder");
  return leader;
}

Tombstone read_tombstone(const json& value, std::size_t index, Problem& problem) {
  Fields fields(value, fmt::format("tombstones[{}]", index), problem);
  Tombstone stone;
  stone.worker = WorkerId(fields.text("worker_id"));
  stone.pod = PodId(fields.text_or_null("pod_id").value_or(""));
  stone.age = fields.seconds("age_s");
  return stone;
}

FailingWay read_failing(const json& value, std::size_t index, Problem& problem) {
  Fields fields(value, fmt::format("failing[{}]", index), problem);
  FailingWay way;
  way.cause = parse_failure_cause(fields.text_if("cause")).value_or(FailureCause::unclassified);
  way.fingerprint = fields.text_if("fingerprint");
  way.summary = fields.text_if("summary");
  way.newest = WorkerId(fields.text("worker_id"));
  way.newest_age = fields.seconds("age_s");
  way.count = fields.integer("count");
  if (const auto cost = reported_number(value, "cost_usd")) way.cost_usd = *cost;
  return way;
}

RecentFailure read_recent_failure(const json& value, std::size_t index, Problem& problem) {
  Fields fields(value, fmt::format("recent_failures[{}]", index), problem);
  RecentFailure failure;
  failure.worker = WorkerId(fields.text("worker_id"));
  failure.age = fields.seconds("age_s");
  failure.silent = fields.seconds("silent_s");
  return failure;
}

/// What cannot be read is no estimate: the type is counted then.
std::map<std::string, TaskPace> read_pace(const json& snapshot) {
  std::map<std::string, TaskPace> pace;
  const json* types = member(snapshot, "pace");
  if (types == nullptr || !types->is_object()) return pace;
  for (const auto& [type, figures] : types->items()) {
    const auto typical = reported_number(figures, "typical_s");
    const auto samples = reported_integer(figures, "samples");
    constexpr double kLongest = 30 * 86400.0;
    if (!typical || !samples || !(*typical > 0 && *typical < kLongest) || *samples <= 0) continue;
    pace[type] = {to_duration(*typical), static_cast<int>(std::min(*samples, 1'000'000L))};
  }
  return pace;
}

}  // namespace

Result<Snapshot> parse_snapshot(std::string_view body) {
  const auto doc = parse_json(body, "gpuwarden_snapshot");
  if (!doc) return fail(doc.error());
  Problem problem;
  Fields fields(*doc, "the snapshot", problem);
  const long version = fields.integer("schema_version");
  if (!problem && version < kSchemaVersion) {
    return fail(ErrorKind::invalid_input,
                fmt::format("the database has version {} of our functions, version {} is needed: apply "
                            "`gpuwarden migrate --print`",
                            version, kSchemaVersion));
  }
  Snapshot snapshot;
  snapshot.db_now = fields.time("db_now");
  snapshot.writable = fields.boolean("writable");
  snapshot.leader = read_leader(fields.object("leader"), problem);
  snapshot.queue = read_queue(fields.object("queue"), problem);
  snapshot.workers = read_all<Worker>(fields.array("workers"), read_worker, problem);
  snapshot.running = read_all<RunningTask>(fields.array("running_tasks"), read_running, problem);
  snapshot.outcomes = read_all<StartOutcome>(fields.array("outcomes"), read_outcome, problem);
  if (const json* breaker = fields.object_or_null("breaker")) {
    snapshot.breaker = read_breaker(*breaker, problem);
  }
  if (const json* override_row = fields.object_or_null("breaker_override")) {
    snapshot.breaker_override = read_override(*override_row, "breaker_override", problem);
  }
  snapshot.switches = read_switches(fields.object("switches"), problem);
  snapshot.tombstones = read_all<Tombstone>(fields.array("tombstones"), read_tombstone, problem);
  if (const json* failures = member(*doc, "recent_failures"); failures != nullptr && failures->is_array())
    snapshot.recent_failures = read_all<RecentFailure>(*failures, read_recent_failure, problem);
  if (const json* failing = member(*doc, "failing"); failing != nullptr && failing->is_array())
    snapshot.failing = read_all<FailingWay>(*failing, read_failing, problem);
  snapshot.beacon = fields.text_if("beacon");
  snapshot.rescuable = fields.integer("rescuable");
  snapshot.spent_last_day_usd = fields.number("spent_last_day_usd");
  snapshot.fruitless_last_day_usd = fields.number_if("fruitless_last_day_usd");
  snapshot.pace = read_pace(*doc);
  if (problem) return fail(*problem);
  return snapshot;
}

Result<QueueDepth> parse_task_counts(std::string_view body) {
  const auto doc = parse_json(body, "task-counts");
  if (!doc) return fail(doc.error());
  Problem problem;
  Fields answer(*doc, "the answer of task-counts", problem);
  Fields totals(answer.object("totals"), "totals", problem);
  QueueDepth queue;
  queue.queued = totals.integer("queued_only");
  queue.running = totals.integer("active_only");
  for (const char* reason : {"blocked_by_capacity", "blocked_by_deps", "blocked_by_settings"}) {
    queue.blocked += doc->contains(reason) ? answer.integer_if(reason) : totals.integer_if(reason);
  }
  if (problem) return fail(*problem);
  return queue;
}

}  // namespace gpuwarden::supabase
