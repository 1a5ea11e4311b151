#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gpuwarden/ports/task_store.hpp"

namespace gpuwarden::fakes {

/// A database in memory: rows in `state`, every call recorded, any answer replaceable.
///
/// Set `on_<method>` to answer instead of the default, `outage` to fail every call, or `before` to delay a
/// call (it is awaited first and gets the method's name).
class FakeTaskStore final : public ports::TaskStore {
 public:
  using Cas = ports::CasOutcome;
  template <class T>
  using Async = ports::Async<T>;

  // The world, free for tests to change. Workers with status terminated are never in it.
  Snapshot state = healthy();
  ports::StoreHealth health_state{WallTime{}, 1, {}, true};
  std::vector<ports::FailureRow> failure_rows;  ///< newest first
  std::vector<ports::WorkerRow> worker_rows;    ///< what workers() and worker() show
  std::vector<ports::TaskRow> task_rows;
  std::optional<Incident> incident_state;  ///< what incident() says; unset = what the rows above say
  std::function<WallTime()> wall;          ///< database time; unset = what `state.db_now` says

  // What was asked, in order.
  std::vector<std::string> calls;  ///< "update_worker gpu-default-…"
  std::vector<ports::SnapshotQuery> snapshot_queries;
  std::vector<ports::Registration> registrations;
  std::vector<ports::WorkerChange> changes;
  std::vector<ports::FailureRecord> failed, evidence_added;
  std::vector<ports::RescueRequest> rescues;
  std::vector<BreakerMemory> breakers_saved;
  std::vector<std::string> resigned;
  std::vector<ports::OperatorCommand> operated;
  std::map<WorkerId, std::string> token_hashes;

  // Answers instead of the default.
  std::optional<Error> outage;
  std::function<boost::asio::awaitable<void>(std::string_view method)> before;
  std::function<Result<Snapshot>(const ports::SnapshotQuery&)> on_snapshot;
  std::function<Result<Cas>(const ports::Fence&, const ports::Registration&)> on_register_worker;
  std::function<Result<Cas>(const ports::Fence&, const ports::WorkerChange&)> on_update_worker;
  std::function<Result<ports::TasksFreed>(const ports::Fence&, const ports::FailureRecord&)> on_fail_worker;
  std::function<Result<Cas>(const ports::Fence&, const ports::FailureRecord&)> on_add_evidence;
  std::function<Result<ports::TasksFreed>(const ports::Fence&, const ports::RescueRequest&)> on_rescue_tasks;
  std::function<Result<Cas>(const ports::Fence&, const BreakerMemory&)> on_save_breaker;
  std::function<Result<Cas>(const ports::Fence&, const std::string&)> on_resign;
  std::function<Result<ports::OperatorAnswer>(const std::string&, const ports::OperatorCommand&)> on_operate;
  std::function<Result<ports::StoreHealth>()> on_health;
  std::function<Result<std::vector<ports::FailureRow>>(const std::string&, Duration, int)> on_failures;
  std::function<Result<std::vector<ports::WorkerRow>>(const std::string&, bool, int)> on_workers;
  std::function<Result<std::optional<ports::WorkerRow>>(const WorkerId&)> on_worker;
  std::function<Result<std::vector<ports::TaskRow>>(const std::string&, int)> on_tasks;
  std::function<Result<Incident>(const std::string&, Duration, int)> on_incident;

  /// Row of a live worker; null when there is none.
  Worker* find(const WorkerId& id) {
    const auto at = std::find_if(state.workers.begin(), state.workers.end(),
                                 [&](const Worker& worker) { return worker.id == id; });
    return at == state.workers.end() ? nullptr : &*at;
  }
  /// How often a method was called.
  long count(std::string_view method) const {
    return std::count_if(calls.begin(), calls.end(), [&](const std::string& call) {
      return call == method || call.starts_with(std::string(method) + " ");
    });
  }

  Async<Snapshot> snapshot(ports::SnapshotQuery query) override {
    snapshot_queries.push_back(query);
    return answer<Snapshot>("snapshot", "", [this, query]() -> Result<Snapshot> {
      if (on_snapshot) return on_snapshot(query);
      Snapshot copy = state;
      if (wall) copy.db_now = wall();
      copy.leader.leading = copy.leader.leading && !query.holder.empty();
      if (copy.leader.leading) copy.leader.holder = query.holder;
      if (copy.leader.leading && !query.beacon.empty()) state.beacon = query.beacon;
      return copy;
    });
  }
  Async<Cas> register_worker(ports::Fence fence, ports::Registration registration) override {
    registrations.push_back(registration);
    return answer<Cas>("register_worker", registration.worker.str(), [=, this]() -> Result<Cas> {
      if (on_register_worker) return on_register_worker(fence, registration);
      if (!leads(fence)) return Cas::lost;
      if (find(registration.worker) != nullptr) return Cas::done;
      Worker worker;
      worker.id = registration.worker;
      worker.placement = registration.placement;
      worker.script_hash = registration.script_hash;
      worker.generation = registration.generation;
      worker.canary = registration.canary;
      worker.cost_per_hr = registration.cost_per_hr;
      state.workers.push_back(std::move(worker));
      return Cas::done;
    });
  }
  Async<Cas> update_worker(ports::Fence fence, ports::WorkerChange change) override {
    changes.push_back(change);
    return answer<Cas>("update_worker", change.worker.str(), [=, this]() -> Result<Cas> {
      return on_update_worker ? on_update_worker(fence, change) : apply(fence, change);
    });
  }
  Async<ports::TasksFreed> fail_worker(ports::Fence fence, ports::FailureRecord failure) override {
    failed.push_back(failure);
    return answer<ports::TasksFreed>(
        "fail_worker", failure.worker.str(), [=, this]() -> Result<ports::TasksFreed> {
          return on_fail_worker ? on_fail_worker(fence, failure) : mark_failed(fence, failure);
        });
  }
  Async<Cas> add_evidence(ports::Fence fence, ports::FailureRecord failure) override {
    evidence_added.push_back(failure);
    return answer<Cas>("add_evidence", failure.worker.str(), [=, this]() -> Result<Cas> {
      if (on_add_evidence) return on_add_evidence(fence, failure);
      for (ports::FailureRow& row : failure_rows) {
        if (row.worker != failure.worker.str()) continue;
        row.cause = to_string(failure.verdict.cause);
        row.summary = failure.verdict.summary;
        row.evidence_line = failure.verdict.evidence_line;
        return Cas::done;
      }
      return Cas::lost;
    });
  }
  Async<ports::TasksFreed> rescue_tasks(ports::Fence fence, ports::RescueRequest request) override {
    rescues.push_back(request);
    return answer<ports::TasksFreed>("rescue_tasks", "", [=, this]() -> Result<ports::TasksFreed> {
      if (on_rescue_tasks) return on_rescue_tasks(fence, request);
      state.rescuable = 0;
      return ports::TasksFreed{leads(fence), {}, {}};
    });
  }
  Async<Cas> save_breaker(ports::Fence fence, BreakerMemory memory) override {
    breakers_saved.push_back(memory);
    return answer<Cas>("save_breaker", "", [=, this]() -> Result<Cas> {
      if (on_save_breaker) return on_save_breaker(fence, memory);
      if (!leads(fence) || memory.generation < state.breaker.generation) return Cas::lost;
      state.breaker = memory;
      return Cas::done;
    });
  }
  Async<Cas> resign(ports::Fence fence, std::string holder) override {
    resigned.push_back(holder);
    return answer<Cas>("resign", "", [=, this]() -> Result<Cas> {
      return on_resign ? on_resign(fence, holder) : Result<Cas>(Cas::done);
    });
  }

  Async<ports::OperatorAnswer> operate(std::string owner, ports::OperatorCommand command) override {
    operated.push_back(command);
    return answer<ports::OperatorAnswer>("operate", owner, [=, this]() -> Result<ports::OperatorAnswer> {
      return on_operate ? on_operate(owner, command) : heed(command);
    });
  }

  Async<ports::StoreHealth> health() override {
    return answer<ports::StoreHealth>("health", "", [this]() -> Result<ports::StoreHealth> {
      if (on_health) return on_health();
      ports::StoreHealth copy = health_state;
      if (wall) copy.db_now = wall();
      return copy;
    });
  }
  Async<std::vector<ports::FailureRow>> failures(std::string owner, Duration since, int limit) override {
    return answer<std::vector<ports::FailureRow>>(
        "failures", owner, [=, this]() -> Result<std::vector<ports::FailureRow>> {
          return on_failures ? on_failures(owner, since, limit) : first(failure_rows, limit);
        });
  }
  Async<std::vector<ports::WorkerRow>> workers(std::string owner, bool ended_too, int limit) override {
    return answer<std::vector<ports::WorkerRow>>(
        "workers", owner, [=, this]() -> Result<std::vector<ports::WorkerRow>> {
          if (on_workers) return on_workers(owner, ended_too, limit);
          std::vector<ports::WorkerRow> rows = worker_rows;
          if (!ended_too) std::erase_if(rows, [](const auto& row) { return row.ended_at.has_value(); });
          return first(rows, limit);
        });
  }
  Async<std::optional<ports::WorkerRow>> worker(WorkerId id) override {
    using Row = std::optional<ports::WorkerRow>;
    return answer<Row>("worker", id.str(), [=, this]() -> Result<Row> {
      if (on_worker) return on_worker(id);
      for (const ports::WorkerRow& row : worker_rows) {
        if (row.id == id.str()) return Row(row);
      }
      return Row();
    });
  }
  Async<std::vector<ports::TaskRow>> tasks(std::string status, int limit) override {
    return answer<std::vector<ports::TaskRow>>(
        "tasks", status, [=, this]() -> Result<std::vector<ports::TaskRow>> {
          if (on_tasks) return on_tasks(status, limit);
          std::vector<ports::TaskRow> rows = task_rows;
          if (!status.empty()) std::erase_if(rows, [&](const auto& row) { return row.status != status; });
          return first(rows, limit);
        });
  }
  Async<Incident> incident(std::string owner, Duration since, int limit) override {
    return answer<Incident>("incident", owner, [=, this]() -> Result<Incident> {
      if (on_incident) return on_incident(owner, since, limit);
      return incident_state ? *incident_state : incident_of(since, limit);
    });
  }

 private:
  static Snapshot healthy() {
    Snapshot snapshot;
    snapshot.leader.leading = true;
    snapshot.leader.epoch = 1;
    return snapshot;
  }
  bool leads(const ports::Fence& fence) const { return fence.epoch == state.leader.epoch; }

  template <class Row>
  static std::vector<Row> first(std::vector<Row> rows, int limit) {
    if (rows.size() > static_cast<std::size_t>(limit)) rows.resize(static_cast<std::size_t>(limit));
    return rows;
  }

  /// Records at the call, answers when awaited.
  template <class T>
  Async<T> answer(std::string method, std::string about, std::function<Result<T>()> make) {
    calls.push_back(about.empty() ? method : method + " " + about);
    return later<T>(std::move(method), std::move(make));
  }
  template <class T>
  Async<T> later(std::string method, std::function<Result<T>()> make) {
    if (before) co_await before(method);
    if (outage) co_return fail(*outage);
    co_return make();
  }

  Result<Cas> apply(const ports::Fence& fence, const ports::WorkerChange& change) {
    Worker* worker = find(change.worker);
    if (worker == nullptr || !leads(fence)) return Cas::lost;
    const auto& expected = change.expected;
    if (std::find(expected.begin(), expected.end(), worker->status) == expected.end()) return Cas::lost;
    if (change.phase && *change.phase != worker->phase) worker->phase_age = Duration{0};
    if (change.status) worker->status = *change.status;
    if (change.phase) worker->phase = *change.phase;
    if (change.phase || change.step) worker->step = change.step;
    if (change.pod) worker->pod = *change.pod;
    if (change.token_sha256) token_hashes[change.worker] = *change.token_sha256;
    if (change.cost_per_hr) worker->cost_per_hr = *change.cost_per_hr;
    if (change.drain_reason) worker->drain_reason = *change.drain_reason;
    if (change.success && *change.success && !worker->proven) {
      worker->proven = true;
      state.outcomes.insert(state.outcomes.begin(), outcome_of(*worker));
    }
    if (worker->status == WorkerStatus::terminated) {
      state.tombstones.insert(state.tombstones.begin(), Tombstone{worker->id, worker->pod, Duration{0}});
      std::erase_if(state.workers, [&](const Worker& row) { return row.id == change.worker; });
    }
    return Cas::done;
  }

  ports::OperatorAnswer heed(const ports::OperatorCommand& command) {
    using Kind = ports::OperatorCommand::Kind;
    bool done = true;
    if (command.kind == Kind::pause || command.kind == Kind::resume) {
      done = state.switches.paused == (command.kind == Kind::resume);
      state.switches = {};
      if (command.kind == Kind::pause) state.switches = {true, command.actor, command.reason};
    } else if (command.kind == Kind::hold || command.kind == Kind::release) {
      const bool hold = command.kind == Kind::hold;
      state.breaker_override =
          BreakerOverride{hold ? BreakerOverride::Kind::hold : BreakerOverride::Kind::release, command.actor,
                          command.reason, command.expires_in};
    } else {
      done = command.kind == Kind::reset || state.breaker_override.has_value();
      state.breaker_override.reset();
    }
    if (command.kind == Kind::reset) {
      // Above whatever the daemon has decided already and not saved yet.
      const std::int64_t generation = state.breaker.generation + 2;
      state.breaker = {};
      state.breaker.generation = generation;
      state.breaker.reason = "reset by " + command.actor + ": " + command.reason;
    }
    return {done, state.switches, state.breaker.state, state.breaker.generation, state.breaker_override};
  }

  Result<ports::TasksFreed> mark_failed(const ports::Fence& fence, const ports::FailureRecord& failure) {
    Worker* worker = find(failure.worker);
    if (worker == nullptr || !leads(fence) || worker->status == WorkerStatus::error)
      return ports::TasksFreed{};
    const auto& expected = failure.expected;
    if (!expected.empty() && std::find(expected.begin(), expected.end(), worker->status) == expected.end()) {
      return ports::TasksFreed{};
    }
    ports::TasksFreed freed{true, {}, {}};
    for (const RunningTask& task : state.running) {
      if (task.worker != failure.worker) continue;
      (task.attempts + 1 >= failure.task_max_attempts ? freed.failed : freed.requeued).push_back(task.id);
    }
    std::erase_if(state.running, [&](const RunningTask& task) { return task.worker == failure.worker; });
    state.queue.queued += static_cast<long>(freed.requeued.size());
    worker->status = WorkerStatus::error;
    worker->phase = Phase::collecting;
    worker->phase_age = Duration{0};
    worker->tasks.clear();
    StartOutcome outcome = outcome_of(*worker);
    outcome.success = false;
    outcome.cause = failure.verdict.cause;
    outcome.fingerprint = failure.verdict.fingerprint;
    if (failure.verdict.counts_for_breaker && failure.counts_as_start)
      state.outcomes.insert(state.outcomes.begin(), outcome);
    ports::FailureRow row;
    row.id = "failure-" + std::to_string(failure_rows.size() + 1);
    row.worker = failure.worker.str();
    row.cause = to_string(failure.verdict.cause);
    row.summary = failure.verdict.summary;
    row.evidence_line = failure.verdict.evidence_line;
    row.fingerprint = failure.verdict.fingerprint;
    row.phase = phase_text(failure.phase, failure.step);
    row.pod = failure.pod.str();
    row.gpu = failure.placement.gpu;
    row.data_center = failure.placement.data_center;
    row.cost_usd = failure.cost_usd;
    row.created_at = wall ? wall() : state.db_now;
    failure_rows.insert(failure_rows.begin(), std::move(row));
    return freed;
  }

  /// As far as the rows know: images, scripts of failed workers and their reports are not among them.
  Incident incident_of(Duration since, int limit) const {
    Incident incident;
    incident.db_now = wall ? wall() : state.db_now;
    incident.leader = state.leader.holder;
    incident.queue = state.queue;
    incident.breaker = state.breaker;
    incident.breaker_override = state.breaker_override;
    incident.switches = state.switches;
    incident.spent_last_day_usd = state.spent_last_day_usd;
    for (const Worker& worker : state.workers) {
      LiveWorkers& live = incident.live;
      live.spawning += worker.status == WorkerStatus::spawning ? 1 : 0;
      live.active += worker.status == WorkerStatus::active ? 1 : 0;
      live.terminating += worker.status == WorkerStatus::terminating ? 1 : 0;
      live.error += worker.status == WorkerStatus::error ? 1 : 0;
    }
    for (const ports::FailureRow& row : failure_rows) {
      if (row.created_at <= incident.db_now - since) continue;
      ++incident.failed;
      incident.failed_usd += row.cost_usd;
      if (incident.failures.size() >= static_cast<std::size_t>(limit)) continue;
      FailedWorker failure;
      failure.worker = WorkerId(row.worker);
      failure.cause = row.cause;
      failure.summary = row.summary;
      failure.evidence_line = row.evidence_line;
      failure.fingerprint = row.fingerprint;
      failure.phase = row.phase;
      failure.pod = PodId(row.pod);
      failure.gpu = row.gpu;
      failure.data_center = row.data_center;
      failure.cost_usd = row.cost_usd;
      failure.at = row.created_at;
      incident.failures.push_back(std::move(failure));
    }
    for (const StartOutcome& outcome : state.outcomes) {
      StartRecord start;
      start.worker = outcome.worker;
      start.success = outcome.success;
      start.at = incident.db_now - outcome.age;
      start.registered_at = start.at - outcome.took.value_or(Duration{0});
      start.gpu = outcome.placement.gpu;
      start.data_center = outcome.placement.data_center;
      start.script_hash = outcome.script_hash;
      incident.starts.push_back(std::move(start));
    }
    return incident;
  }

  static StartOutcome outcome_of(const Worker& worker) {
    StartOutcome outcome;
    outcome.worker = worker.id;
    outcome.success = true;
    outcome.placement = worker.placement;
    outcome.script_hash = worker.script_hash;
    outcome.generation = worker.generation;
    return outcome;
  }
};

}  // namespace gpuwarden::fakes
