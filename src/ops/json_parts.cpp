#include "json_parts.hpp"

#include <type_traits>
#include <variant>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/ops/plan_json.hpp"
#include "gpuwarden/ops/snapshot_json.hpp"

namespace gpuwarden::ops {
namespace {

Json optional_seconds(const std::optional<Duration>& duration) {
  return duration ? Json(seconds(*duration)) : Json(nullptr);
}

/// What an action names beside its worker.
void add_details(Json& json, const Action& action) {
  std::visit(
      [&](const auto& a) {
        if constexpr (requires { a.pod; }) json["pod"] = a.pod.str();
        if constexpr (requires { a.name; }) json["pod_name"] = a.name;
        if constexpr (requires { a.placement; }) {
          json["gpu"] = a.placement.gpu;
          json["data_center"] = a.placement.data_center;
          json["volume"] = a.placement.volume_name;
        }
        if constexpr (requires { a.canary; }) json["canary"] = a.canary;
        if constexpr (requires { a.suspected; }) {
          json["cause"] = to_string(a.suspected);
          json["detail"] = a.detail;
        }
        if constexpr (requires { a.memory; }) json["state"] = to_string(a.memory.state);
      },
      action);
}

}  // namespace

double seconds(Duration duration) {
  return static_cast<double>(duration.count()) / 1000.0;
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json gates_json(const Plan& plan) {
  Json gates = Json::array();
  for (const Gate& gate : plan.gates) {
    gates.push_back(
        {{"name", gate.name}, {"reason", gate.reason}, {"opens_in_s", optional_seconds(gate.opens_in)}});
  }
  return gates;
}

Json actions_json(const Plan& plan) {
  Json actions = Json::array();
  for (const PlannedAction& planned : plan.actions) {
    Json action{{"action", action_name(planned.action)}};
    if (const WorkerId worker = worker_of(planned.action); !worker.empty()) action["worker"] = worker.str();
    add_details(action, planned.action);
    action["reason"] = planned.reason;
    actions.push_back(std::move(action));
  }
  return actions;
}

Json scale_json(const ScaleFigures& scale) {
  Json json{{"wanted", scale.wanted}, {"capacity", scale.capacity}, {"active", scale.active},
            {"idle", scale.idle},     {"spawning", scale.spawning}, {"draining", scale.draining},
            {"queued", scale.queued}, {"running", scale.running},   {"steps", scale.steps}};
  json["drain"] = nullptr;
  if (const auto& drain = scale.drain)
    json["drain"] = {{"work_s", seconds(drain->work)},
                     {"target_s", seconds(drain->target)},
                     {"timed_tasks", drain->timed},
                     {"counted_tasks", drain->counted}};
  return json;
}

Json queue_json(const QueueDepth& queue) {
  Json types = Json::object();
  for (const auto& [type, depth] : queue.by_type)
    types[type] = {{"queued", depth.queued}, {"running", depth.running}};
  return {{"queued", queue.queued},
          {"running", queue.running},
          {"blocked", queue.blocked},
          {"by_type", std::move(types)}};
}

Json worker_json(const Worker& worker) {
  Json tasks = Json::array();
  for (const TaskId& task : worker.tasks) tasks.push_back(task.str());
  return {{"id", worker.id.str()},
          {"status", to_string(worker.status)},
          {"phase", phase_text(worker.phase, worker.step)},
          {"pod", worker.pod.str()},
          {"gpu", worker.placement.gpu},
          {"data_center", worker.placement.data_center},
          {"age_s", seconds(worker.age)},
          {"phase_age_s", seconds(worker.phase_age)},
          {"heartbeat_age_s", optional_seconds(worker.heartbeat_age)},
          {"idle_s", optional_seconds(worker.idle_for)},
          {"tasks", std::move(tasks)},
          {"cost_per_hr", worker.cost_per_hr},
          {"canary", worker.canary},
          {"drain_reason", worker.drain_reason},
          {"git_commit", worker.git_commit}};
}

Json breaker_json(const Snapshot& snapshot) {
  const BreakerMemory& breaker = snapshot.breaker;
  long failures = 0;
  for (const StartOutcome& outcome : snapshot.outcomes) failures += outcome.success ? 0 : 1;
  return {{"state", to_string(breaker.state)},
          {"generation", breaker.generation},
          {"state_age_s", seconds(breaker.state_age)},
          {"pause_s", seconds(breaker.pause)},
          {"canary", breaker.canary.str()},
          {"reason", breaker.reason},
          {"outcomes", snapshot.outcomes.size()},
          {"failures", failures}};
}

Json failing_json(const Snapshot& snapshot) {
  Json ways = Json::array();
  for (const FailingWay& way : snapshot.failing) {
    ways.push_back({{"cause", to_string(way.cause)},
                    {"summary", way.summary},
                    {"fingerprint", way.fingerprint},
                    {"count", way.count},
                    {"cost_usd", way.cost_usd},
                    {"newest", way.newest.str()},
                    {"newest_age_s", seconds(way.newest_age)}});
  }
  return ways;
}

std::string snapshot_json(const Snapshot& snapshot) {
  Json workers = Json::array();
  for (const Worker& worker : snapshot.workers) workers.push_back(worker_json(worker));
  return dump({{"queue", queue_json(snapshot.queue)},
               {"workers", std::move(workers)},
               {"failing", failing_json(snapshot)}});
}

Json report_json(const control::TickReport& report) {
  Json json{{"tick", report.number},
            {"at", format_time_ms(report.at)},
            {"took_ms", report.took.count()},
            {"scale", scale_json(report.plan.scale)},
            {"actions", actions_json(report.plan)},
            {"gates", gates_json(report.plan)}};
  Json errors = Json::array();
  if (!report.snapshot) errors.push_back("supabase: " + report.snapshot_error);
  if (!report.pods) errors.push_back("runpod: " + report.pods_error);
  json["errors"] = std::move(errors);
  return json;
}

Json results_json(const std::vector<control::ActionResult>& results) {
  Json list = Json::array();
  for (const control::ActionResult& result : results) {
    list.push_back({{"action", result.action},
                    {"worker", result.worker},
                    {"pod", result.pod},
                    {"cause", result.cause},
                    {"reason", result.reason},
                    {"ok", result.ok},
                    {"detail", result.detail},
                    {"took_ms", result.took.count()}});
  }
  return list;
}

std::string report_to_json(const control::TickReport& report) {
  return dump(report_json(report));
}

std::string summary_to_json(const control::CycleSummary& summary) {
  Json json = report_json(summary.report);
  json["results"] = results_json(summary.results);
  return dump(json);
}

}  // namespace gpuwarden::ops
