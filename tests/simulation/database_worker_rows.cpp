#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "simulation/database.hpp"

namespace gpuwarden::simulation {

using nlohmann::json;

namespace {

json refusal(const std::string& reason) {
  return {{"done", false}, {"reason", reason}};
}

json answer(const std::string& reason) {
  return {{"done", true}, {"reason", reason}};
}

bool known_status(const std::string& status) {
  for (const char* each : {"spawning", "active", "terminating", "error", "terminated"})
    if (status == each) return true;
  return false;
}

bool lists(const json& array, std::string_view text) {
  return std::any_of(array.begin(), array.end(),
                     [&](const json& each) { return each.is_string() && each == text; });
}

/// As update and fail see it: the end is the end, whatever stands in the shared row.
std::string counted_status(const Database::WorkerRow& row) {
  return row.ended_at != WallTime{} ? "terminated" : std::string(Database::status_of(row));
}

void set_phase(Database::WorkerRow& row, const std::string& phase, WallTime now) {
  if (phase == row.phase) return;
  row.phase = phase;
  row.phase_since = now;
  row.step.clear();
}

/// Our write into the shared row, where it is.
void share(Database::WorkerRow& row, const std::string& status) {
  if (!row.shared_status.empty()) row.shared_status = status;
}

}  // namespace

json Database::register_worker(const json& arguments, WallTime now) {
  const auto id = sql::text(arguments, "worker_id_param");
  const json& details = sql::document(arguments, "details_param");
  if (!leads(arguments)) return refusal("not_leader");
  const auto owner = *sql::text(arguments, "owner_param");
  const auto epoch = *sql::bigint(arguments, "epoch_param");
  if (!id) throw SqlError("23502", "null value in column \"id\"");
  if (const auto* known = find_worker(*id)) {
    const bool ours = known->owner == owner && known->epoch == epoch && known->ended_at == WallTime{};
    return ours ? answer("already") : refusal("worker_exists");
  }
  if (shared_.contains(*id)) return refusal("worker_exists");
  WorkerRow row;
  row.id = *id;
  row.owner = owner;
  row.epoch = epoch;
  row.details = json::object();
  for (const char* key : {"gpu", "data_center", "volume_id", "volume_name", "cloud", "image", "script_hash"})
    row.details[key] = sql::or_null(sql::text(details, key));
  row.script_hash = sql::text(details, "script_hash").value_or("");
  row.generation = sql::bigint(details, "generation").value_or(0);
  row.canary = sql::boolean(details, "canary").value_or(false);
  row.cost_per_hr = sql::number(details, "cost_per_hr").value_or(0);
  row.registered_at = row.phase_since = now;
  auto& placed = workers_.emplace(*id, std::move(row)).first->second;
  of_owner(owner).live.emplace(std::pair(now, *id), &placed);
  return answer("registered");
}

json Database::update_worker(const json& arguments, WallTime now) {
  const auto id = sql::text(arguments, "worker_id_param").value_or("");
  const json& expected = sql::document(arguments, "expected_param");
  const json& change = sql::document(arguments, "change_param");
  if (!leads(arguments)) return refusal("not_leader");
  auto* row = find_worker(id);
  if (row == nullptr || row->owner != sql::text(arguments, "owner_param")) return refusal("unknown_worker");
  const std::string current = counted_status(*row);
  if (!lists(expected, current)) {
    json out = refusal("status is " + current);
    out["status"] = current;
    out["phase"] = row->phase;
    return out;
  }
  // Everything that may raise an error comes before the first write.
  const std::string status = sql::text(change, "status").value_or(current);
  if (!known_status(status)) throw SqlError("PT400", "gpuwarden: unknown status " + status);
  const std::string phase = sql::text(change, "phase").value_or(row->phase);
  const auto token = sql::text(change, "token_sha256");
  const auto token_hash = token ? sql::decoded_hex(*token) : row->token_sha256;
  const auto cost = sql::number(change, "cost_per_hr");
  const bool success = sql::boolean(change, "success").value_or(false);

  row->status = status;
  set_phase(*row, phase, now);
  if (sql::member(change, "step") != nullptr) row->step = sql::text(change, "step").value_or("");
  if (const auto pod = sql::text(change, "pod_id")) row->pod = *pod;
  row->token_sha256 = token_hash;
  row->cost_per_hr = cost.value_or(row->cost_per_hr);
  if (const auto reason = sql::text(change, "drain_reason")) row->drain_reason = *reason;
  if (const auto reason = sql::text(change, "end_reason")) row->end_reason = *reason;
  if (status == "active" && row->activated_at == WallTime{}) row->activated_at = now;
  if (success && row->outcome.empty()) set_outcome(*row, "success", now);
  if (status == "terminated" && row->ended_at == WallTime{}) set_ended(*row, now);
  share(*row, status);
  json out = answer("updated");
  out["status"] = status;
  out["phase"] = phase;
  return out;
}

json Database::fail_worker(const json& arguments, WallTime now) {
  const auto id = sql::text(arguments, "worker_id_param").value_or("");
  const json& given = sql::document(arguments, "failure_param");
  const bool counts_as_start = sql::boolean(given, "outcome").value_or(true);
  if (!leads(arguments)) return refusal("not_leader");
  const auto owner = *sql::text(arguments, "owner_param");
  auto* row = find_worker(id);
  if (row == nullptr || row->owner != owner) return refusal("unknown_worker");
  const auto request = sql::text(given, "request_id").value_or("");
  const auto known = failures_.find(id);
  if (!request.empty() && known != failures_.end() && known->second.request_id == request) {
    json out = answer("already");
    out["failure_id"] = known->second.id;
    out["requeued"] = out["failed"] = json::array();
    return out;
  }
  if (row->ended_at != WallTime{}) return refusal("already_ended");
  const std::string current = counted_status(*row);
  const json* expected = sql::member(given, "expected");
  if (expected != nullptr && expected->is_array() && !expected->empty() && !lists(*expected, current))
    return refusal("status is " + current);

  rows::Failure failure;
  const auto cause = sql::text(given, "cause");
  if (!cause) throw SqlError("23502", "null value in column \"cause\"");
  failure.worker = id;
  failure.owner = owner;
  failure.cause = *cause;
  failure.summary = sql::text(given, "summary").value_or("");
  failure.evidence_line = sql::text(given, "evidence_line").value_or("");
  failure.fingerprint = sql::text(given, "fingerprint");
  failure.phase = sql::text(given, "phase").value_or("");
  failure.scope = sql::text(given, "scope").value_or("");
  failure.advice = sql::text(given, "advice").value_or("");
  failure.request_id = request;
  failure.counts = sql::boolean(given, "counts").value_or(true);
  failure.evidence = sql::document(given, "evidence");
  failure.cost_usd = sql::number(given, "cost_usd").value_or(0);
  failure.generation = sql::bigint(given, "generation").value_or(row->generation);
  failure.created_at = failure.updated_at = now;
  if (known != failures_.end()) {
    keep_settings(owner, given, now);
    return refusal("already_failed");
  }
  if (const auto* held = held_by(id)) failure.tasks.assign(held->begin(), held->end());
  const int most = failure.tasks.empty() ? 0 : sql::integer(given, "task_max_attempts").value_or(3);
  keep_settings(owner, given, now);
  failure.id = new_uuid();
  const auto& stored = failures_.emplace(id, std::move(failure)).first->second;
  of_owner(owner).failures.emplace(std::pair(now, id), &stored);
  for (const auto& task : stored.tasks) failures_of_task_[task].push_back(&stored);

  row->cause = *cause;
  row->status = "error";
  row->phase = "collecting";
  row->phase_since = now;
  row->step.clear();
  if (row->drain_reason.empty()) row->drain_reason = "failed: " + *cause;
  if (counts_as_start) set_outcome(*row, "failure", now);
  share(*row, "error");

  json requeued = json::array(), given_up = json::array();
  for (const auto& task : stored.tasks) {
    const auto why = fmt::format("{} on {}: {}", *cause, id, stored.summary);
    const auto moved = release(task, id, tasks_.at(task).attempts, most, why, "its worker failed", now);
    if (!moved.empty()) (moved == "Queued" ? requeued : given_up).push_back(task);
  }
  json out = answer("failed");
  out["failure_id"] = stored.id;
  out["requeued"] = std::move(requeued);
  out["failed"] = std::move(given_up);
  return out;
}

json Database::add_evidence(const json& arguments, WallTime now) {
  const json& given = sql::document(arguments, "failure_param");
  if (!leads(arguments)) return refusal("not_leader");
  const auto found = failures_.find(sql::text(arguments, "worker_id_param").value_or(""));
  if (found == failures_.end() || found->second.owner != sql::text(arguments, "owner_param"))
    return refusal("no_failure");
  rows::Failure& failure = found->second;
  const bool counts = sql::boolean(given, "counts").value_or(failure.counts);
  const double cost = sql::number(given, "cost_usd").value_or(0);
  failure.counts = counts;
  failure.cost_usd = std::max(failure.cost_usd, cost);
  failure.cause = sql::text(given, "cause").value_or(failure.cause);
  failure.summary = sql::text(given, "summary").value_or(failure.summary);
  if (const auto line = sql::text(given, "evidence_line"); line && !line->empty())
    failure.evidence_line = *line;
  if (const auto fingerprint = sql::text(given, "fingerprint")) failure.fingerprint = fingerprint;
  failure.scope = sql::text(given, "scope").value_or(failure.scope);
  failure.advice = sql::text(given, "advice").value_or(failure.advice);
  const json* more = sql::member(given, "evidence");
  if (failure.evidence.is_null()) failure.evidence = json::object();
  failure.evidence = sql::concatenated(std::move(failure.evidence),
                                       more == nullptr || more->is_null() ? json::object() : *more);
  failure.updated_at = now;
  if (auto* row = find_worker(failure.worker)) row->cause = failure.cause;
  return answer("added");
}

json Database::prune(const json& arguments, WallTime now) {
  constexpr std::size_t kMost = 1000;
  const auto days = sql::integer(arguments, "days_param");
  if (!days || *days < 1) throw SqlError("PT400", "gpuwarden: failures are kept for at least one day");
  if (!leads(arguments)) return refusal("not_leader");
  auto& kept = of_owner(sql::text(arguments, "owner_param").value_or("")).failures;
  const WallTime oldest = now - std::chrono::days(*days);
  std::size_t deleted = 0;
  // By creation, so that the first young one ends the search.
  for (auto entry = kept.begin(); entry != kept.end() && entry->first.first < oldest && deleted < kMost;) {
    const rows::Failure* failure = entry->second;
    auto* row = find_worker(failure->worker);
    if (row != nullptr && row->ended_at == WallTime{}) {
      ++entry;
      continue;
    }
    for (const auto& task : failure->tasks) std::erase(failures_of_task_[task], failure);
    if (row != nullptr) row->cause.clear();
    entry = kept.erase(entry);
    failures_.erase(failures_.find(failure->worker));
    ++deleted;
  }
  json out = answer("pruned");
  out["failures"] = deleted;
  out["events"] = 0;  // the model keeps none
  out["more"] = deleted >= kMost;
  return out;
}

json Database::save_state(const json& arguments, WallTime now) {
  const auto key = sql::text(arguments, "key_param");
  json value = sql::document(arguments, "value_param");
  if (!leads(arguments)) return refusal("not_leader");
  if (!key || value.is_null()) throw SqlError("23502", "null value in a column of gpuwarden_state");
  if (value.is_object()) {
    value.erase("state_age_s");
  } else if (value.is_array()) {
    json kept = json::array();
    std::copy_if(value.begin(), value.end(), std::back_inserter(kept),
                 [](const json& each) { return each != "state_age_s"; });
    value = std::move(kept);
  } else {
    throw SqlError("22023", "cannot delete from scalar");
  }
  const auto owner = *sql::text(arguments, "owner_param");
  const auto* before = *key == "breaker" ? state(owner, *key) : nullptr;
  const auto generation = [](const json& of) { return sql::bigint(of, "generation").value_or(0); };
  if (before != nullptr && generation(value) < generation(before->value)) return refusal("older_generation");
  // The age of a breaker's state survives writes that keep state and generation.
  WallTime changed_at = now;
  if (before != nullptr) {
    const auto same = [&](const char* field) {
      const json* was = sql::member(before->value, field);
      const json* is = sql::member(value, field);
      return was != nullptr && is != nullptr && *was == *is;
    };
    if (same("state") && same("generation")) changed_at = before->changed_at;
  }
  put_state(owner, *key, std::move(value), changed_at);
  return answer("saved");
}

json Database::resign(const json& arguments, WallTime now) {
  const auto owner = sql::text(arguments, "owner_param");
  const auto holder = sql::text(arguments, "holder_param");
  const auto found = leaders_.find(owner.value_or(""));
  if (!leads(arguments) || found->second.holder != holder) return refusal("not_leader");
  found->second.expires_at = now;
  return answer("resigned");
}

}  // namespace gpuwarden::simulation
