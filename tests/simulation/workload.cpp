#include "simulation/workload.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "simulation/sql_values.hpp"

namespace gpuwarden::simulation {
namespace {

Duration wait_for(Random& random, double per_hour) {
  return Duration(static_cast<Duration::rep>(-std::log(1.0 - random.unit()) / per_hour * 3'600'000));
}

}  // namespace

bool Workload::full() const {
  return universe_.database.queued_tasks() >= 4L * universe_.profile.settings.policy.max_active;
}

void Workload::begin() {
  universe_.scheduler.after(random_.between(Duration{0}, Duration(120'000)), [this] {
    add(static_cast<int>(random_.between(1, std::max(1, mix_.burst_most))));
    trickle();
    burst();
    api_worker();
  });
}

void Workload::trickle() {
  if (mix_.arrivals <= 0 || universe_.healed) return;
  universe_.scheduler.after(wait_for(random_, mix_.arrivals), [this] {
    if (universe_.healed) return;
    add(1);
    trickle();
  });
}

void Workload::burst() {
  if (mix_.bursts <= 0 || universe_.healed) return;
  universe_.scheduler.after(wait_for(random_, mix_.bursts), [this] {
    if (universe_.healed) return;
    add(static_cast<int>(random_.between(1, std::max(1, mix_.burst_most))));
    burst();
  });
}

/// A worker that is not ours takes tasks by the old functions, and may be gone before it has done them.
void Workload::api_worker() {
  if (mix_.api_claims <= 0 || universe_.healed) return;
  universe_.scheduler.after(wait_for(random_, mix_.api_claims), [this] {
    if (universe_.healed) return;
    const bool ends = random_.chance(0.5);
    const Duration takes = random_.between(Duration(5'000), Duration(200'000));
    const auto claimed = call("func_claim_available_task", {{"worker_id_param", "api-worker-1"}});
    if (claimed.is_array() && !claimed.empty()) {
      universe_.reached(ends ? "tasks.api_worker" : "tasks.api_worker_dies");
      const nlohmann::json task{{"task_id_param", claimed[0].at("id")}};
      if (ends) universe_.scheduler.after(takes, [this, task] { call("func_mark_task_complete", task); });
    }
    api_worker();
  });
}

/// Null when the database does not answer it.
nlohmann::json Workload::call(std::string_view function, const nlohmann::json& arguments) {
  if (!universe_.weather.reaches_pods()) return nullptr;
  try {
    return universe_.database.rpc(function, arguments, universe_.wall());
  } catch (const SqlError&) {
    return nullptr;
  }
}

void Workload::last(int count) {
  for (int i = 0; i < count; ++i) universe_.database.add_task("render", universe_.wall());
  universe_.note(fmt::format("{} tasks are queued", count));
  universe_.cloud.wake_workers();
}

void Workload::add(int count) {
  if (full()) return;
  for (int i = 0; i < count; ++i) {
    const bool poison = random_.chance(mix_.poison);
    const std::string id = universe_.database.add_task(poison ? "poison" : "render", universe_.wall());
    if (random_.chance(mix_.cancelled)) cancel_later(id);
  }
  universe_.note(fmt::format("{} tasks are queued", count));
  universe_.cloud.wake_workers();
}

void Workload::cancel_later(const std::string& task) {
  universe_.scheduler.after(random_.between(Duration{0}, Duration(300'000)), [this, task] {
    const std::string& status = universe_.database.tasks().at(task).status;
    if (status != "Queued" && status != "In Progress") return;
    universe_.reached(status == "Queued" ? "tasks.cancelled_queued" : "tasks.cancelled_running");
    universe_.database.cancel_task(task, universe_.wall());
    cancelled_.push_back(task);
  });
}

}  // namespace gpuwarden::simulation
