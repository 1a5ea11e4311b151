#include "gpuwarden/base/format.hpp"

#include "status_view.hpp"

namespace gpuwarden::cli {
namespace {

Json seconds_or_null(const std::optional<Duration>& duration) {
  return duration ? Json(seconds(*duration)) : Json(nullptr);
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
          {"heartbeat_age_s", seconds_or_null(worker.heartbeat_age)},
          {"idle_s", seconds_or_null(worker.idle_for)},
          {"tasks", std::move(tasks)},
          {"cost_per_hr", worker.cost_per_hr},
          {"canary", worker.canary},
          {"drain_reason", worker.drain_reason},
          {"git_commit", worker.git_commit}};
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

Json scale_json(const Snapshot& snapshot) {
  int active = 0, idle = 0, spawning = 0, draining = 0;
  for (const Worker& worker : snapshot.workers) {
    active += worker.status == WorkerStatus::active ? 1 : 0;
    idle += worker.status == WorkerStatus::active && worker.tasks.empty() ? 1 : 0;
    spawning += worker.status == WorkerStatus::spawning ? 1 : 0;
    draining += worker.status == WorkerStatus::terminating ? 1 : 0;
  }
  return {{"wanted", nullptr},
          {"active", active},
          {"idle", idle},
          {"spawning", spawning},
          {"draining", draining}};
}

}  // namespace

Json snapshot_status(const Snapshot& snapshot, const Error& daemon_error) {
  Json workers = Json::array();
  for (const Worker& worker : snapshot.workers) workers.push_back(worker_json(worker));
  const BreakerMemory& breaker = snapshot.breaker;
  return {{"daemon", nullptr},
          {"daemon_error", {{"kind", to_string(daemon_error.kind)}, {"message", daemon_error.message}}},
          {"at", format_time_ms(snapshot.db_now)},
          {"queue", queue_json(snapshot.queue)},
          {"scale", scale_json(snapshot)},
          {"breaker",
           {{"state", to_string(breaker.state)},
            {"state_age_s", seconds(breaker.state_age)},
            {"pause_s", seconds(breaker.pause)},
            {"reason", breaker.reason}}},
          {"failing", failing_json(snapshot)},
          {"paused", snapshot.switches.paused},
          {"spent_last_day_usd", snapshot.spent_last_day_usd},
          {"fruitless_last_day_usd", snapshot.fruitless_last_day_usd},
          {"workers", std::move(workers)}};
}

}  // namespace gpuwarden::cli
