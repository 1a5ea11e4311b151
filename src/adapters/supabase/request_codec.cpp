#include <algorithm>
#include <chrono>
#include <utility>

#include <nlohmann/json.hpp>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/ports/evidence_json.hpp"
#include "gpuwarden/supabase/codec.hpp"

#include "json_fields.hpp"

namespace gpuwarden::supabase {
namespace {

using nlohmann::json;

// Tasks of API workers have no worker row and die with their request; tasks that name a worker without any
// row get the benefit of a longer doubt.
constexpr Duration kApiTaskAfter = std::chrono::minutes(7);
constexpr Duration kInactiveTaskAfter = std::chrono::minutes(30);

double in_seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

json or_null(const std::string& text) {
  return text.empty() ? json(nullptr) : json(text);
}

json fenced(const ports::Fence& fence) {
  return json{{"owner_param", fence.owner}, {"epoch_param", fence.epoch}};
}

json rescue_options(Duration orphan_after, const std::vector<std::string>& exempt) {
  return json{{"orphan_task_sec", in_seconds(orphan_after)},
              {"api_task_sec", in_seconds(kApiTaskAfter)},
              {"inactive_task_sec", in_seconds(kInactiveTaskAfter)},
              {"rescue_exempt", exempt}};
}

}  // namespace

std::string snapshot_request(const ports::SnapshotQuery& query) {
  json options = rescue_options(query.orphan_task_after, query.rescue_exempt);
  options["failure_window_sec"] = in_seconds(query.failure_window);
  options["task_max_attempts"] = query.task_max_attempts;
  options["pod_lease_sec"] = in_seconds(query.pod_lease);
  if (!query.beacon.empty()) options["beacon"] = query.beacon;
  // A lease is whole seconds in the database; rounded up, so that it never ends before we think it does.
  const auto lease = std::chrono::ceil<std::chrono::seconds>(query.lease).count();
  return to_body({{"owner_param", query.owner},
                  {"holder_param", or_null(query.holder)},
                  {"lease_sec_param", lease},
                  {"options_param", std::move(options)}});
}

std::string register_worker_request(const ports::Fence& fence, const ports::Registration& registration) {
  const Placement& place = registration.placement;
  json body = fenced(fence);
  body["worker_id_param"] = registration.worker.str();
  body["details_param"] = {{"gpu", place.gpu},
                           {"data_center", or_null(place.data_center)},
                           {"volume_id", or_null(place.volume_id)},
                           {"volume_name", or_null(place.volume_name)},
                           {"cloud", to_string(place.cloud)},
                           {"image", registration.image},
                           {"script_hash", registration.script_hash},
                           {"generation", registration.generation},
                           {"canary", registration.canary},
                           {"cost_per_hr", registration.cost_per_hr}};
  return to_body(std::move(body));
}

std::string update_worker_request(const ports::Fence& fence, const ports::WorkerChange& change) {
  json body = fenced(fence);
  body["worker_id_param"] = change.worker.str();
  json& expected = body["expected_param"] = json::array();
  for (const WorkerStatus status : change.expected) expected.push_back(to_string(status));
  json& fields = body["change_param"] = json::object();
  if (change.status) fields["status"] = to_string(*change.status);
  if (change.phase) fields["phase"] = to_string(*change.phase);
  if (change.step) fields["step"] = to_string(*change.step);
  if (change.pod) fields["pod_id"] = change.pod->str();
  if (change.token_sha256) fields["token_sha256"] = *change.token_sha256;
  if (change.cost_per_hr) fields["cost_per_hr"] = *change.cost_per_hr;
  if (change.drain_reason) fields["drain_reason"] = *change.drain_reason;
  if (change.success) fields["success"] = *change.success;
  if (change.end_reason) fields["end_reason"] = *change.end_reason;
  return to_body(std::move(body));
}

std::string failure_request(const ports::Fence& fence, const ports::FailureRecord& failure,
                            std::string_view request_id) {
  const Verdict& verdict = failure.verdict;
  json body = fenced(fence);
  body["worker_id_param"] = failure.worker.str();
  body["failure_param"] = {
      {"cause", to_string(verdict.cause)},
      {"summary", verdict.summary},
      {"evidence_line", verdict.evidence_line},
      {"fingerprint", verdict.fingerprint},
      {"phase", phase_text(failure.phase, failure.step)},
      {"scope", to_string(verdict.scope)},
      {"counts", verdict.counts_for_breaker},
      {"advice", verdict.advice},
      {"evidence", json::parse(ports::evidence_to_json(failure.evidence), nullptr, false)},
      {"pod_id", or_null(failure.pod.str())},
      {"gpu", or_null(failure.placement.gpu)},
      {"data_center", or_null(failure.placement.data_center)},
      {"cost_usd", failure.cost_usd},
      {"generation", failure.generation},
      {"task_max_attempts", failure.task_max_attempts},
      {"outcome", failure.counts_as_start},
      {"expected", json::array()}};
  for (const WorkerStatus status : failure.expected)
    body["failure_param"]["expected"].push_back(to_string(status));
  if (!request_id.empty()) body["failure_param"]["request_id"] = request_id;
  return to_body(std::move(body));
}

std::string rescue_request(const ports::Fence& fence, const ports::RescueRequest& request) {
  json body = fenced(fence);
  json& options = body["options_param"] = rescue_options(request.orphan_task_after, request.exempt);
  options["task_max_attempts"] = request.task_max_attempts;
  return to_body(std::move(body));
}

std::string save_breaker_request(const ports::Fence& fence, const BreakerMemory& memory) {
  json body = fenced(fence);
  body["key_param"] = "breaker";
  body["value_param"] = {{"state", to_string(memory.state)},
                         {"generation", memory.generation},
                         {"pause_s", in_seconds(memory.pause)},
                         {"canary_successes", memory.canary_successes},
                         {"canary", or_null(memory.canary.str())},
                         {"reason", memory.reason},
                         {"script_hash", memory.script_hash},
                         {"good_script", memory.good_script},
                         {"scopes", json::array()}};
  for (const ScopeBreaker& scope : memory.scopes)
    body["value_param"]["scopes"].push_back({{"key", scope.key},
                                             {"state", to_string(scope.state)},
                                             {"since", format_time_ms(scope.since)},
                                             {"pause_s", in_seconds(scope.pause)},
                                             {"canary_successes", scope.canary_successes},
                                             {"reason", scope.reason}});
  return to_body(std::move(body));
}

std::string resign_request(const ports::Fence& fence, std::string_view holder) {
  json body = fenced(fence);
  body["holder_param"] = holder;
  return to_body(std::move(body));
}

std::string list_failures_request(std::string_view owner, Duration since, int limit) {
  return to_body({{"owner_param", owner}, {"since_sec_param", in_seconds(since)}, {"limit_param", limit}});
}

std::string list_workers_request(std::string_view owner, bool ended_too, int limit) {
  return to_body({{"owner_param", owner}, {"ended_param", ended_too}, {"limit_param", limit}});
}

std::string get_worker_request(const WorkerId& worker) {
  return to_body({{"worker_id_param", worker.str()}});
}

std::string list_tasks_request(std::string_view status, int limit) {
  return to_body({{"status_param", or_null(std::string(status))}, {"limit_param", limit}});
}

std::string list_events_request(const ports::EventQuery& query) {
  json body{{"owner_param", query.owner}, {"limit_param", query.limit}};
  if (!query.worker.empty()) body["worker_id_param"] = query.worker.str();
  if (!query.task.empty()) body["task_id_param"] = query.task.str();
  if (query.after) body["after_id_param"] = *query.after;
  if (query.since) body["since_sec_param"] = in_seconds(*query.since);
  return to_body(std::move(body));
}

std::string get_task_request(const TaskId& task) {
  return to_body({{"task_id_param", task.str()}});
}

std::string failure_groups_request(std::string_view owner, Duration since, int limit) {
  return list_failures_request(owner, since, limit);
}

std::string prune_request(const ports::Fence& fence, Duration keep) {
  json body = fenced(fence);
  body["days_param"] = std::max<long>(1, std::chrono::duration_cast<std::chrono::days>(keep).count());
  return to_body(std::move(body));
}

std::string task_counts_request() {
  return to_body({{"run_type", "gpu"}});
}

}  // namespace gpuwarden::supabase
