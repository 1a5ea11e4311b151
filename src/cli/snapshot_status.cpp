#include <utility>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/ops/snapshot_json.hpp"

#include "status_view.hpp"

namespace gpuwarden::cli {
namespace {

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
  Json shared = Json::parse(ops::snapshot_json(snapshot));
  const BreakerMemory& breaker = snapshot.breaker;
  return {{"daemon", nullptr},
          {"daemon_error", {{"kind", to_string(daemon_error.kind)}, {"message", daemon_error.message}}},
          {"at", format_time_ms(snapshot.db_now)},
          {"queue", std::move(shared["queue"])},
          {"scale", scale_json(snapshot)},
          {"breaker",
           {{"state", to_string(breaker.state)},
            {"state_age_s", seconds(breaker.state_age)},
            {"pause_s", seconds(breaker.pause)},
            {"reason", breaker.reason}}},
          {"failing", std::move(shared["failing"])},
          {"paused", snapshot.switches.paused},
          {"spent_last_day_usd", snapshot.spent_last_day_usd},
          {"fruitless_last_day_usd", snapshot.fruitless_last_day_usd},
          {"workers", std::move(shared["workers"])}};
}

}  // namespace gpuwarden::cli
