#include "simulation/scenario.hpp"

#include <algorithm>
#include <functional>

namespace gpuwarden::simulation {
namespace {

using namespace std::chrono_literals;

void add_tasks(Universe& universe, int count) {
  for (int i = 0; i < count; ++i) universe.database.add_task("render", universe.wall());
  universe.cloud.wake_workers();
}

/// As soon as `is_so` holds, `then` happens once.
void when(Universe& universe, std::function<bool()> is_so, std::function<void()> then) {
  universe.scheduler.after(1s, [&universe, is_so = std::move(is_so), then = std::move(then)]() mutable {
    if (universe.healed) return;
    if (is_so()) return then();
    when(universe, std::move(is_so), std::move(then));
  });
}

/// A worker that is at work; empty = none.
std::string busy_worker(const Universe& universe) {
  const auto& running = universe.database.in_progress();
  return running.empty() ? "" : running.begin()->second->worker;
}

void shape_small(Profile& profile) {
  policy::Settings& policy = profile.settings.policy;
  policy.max_active = 3;
  policy.min_active = policy.keep_idle = 0;
  policy.tasks_per_gpu = 1;
  policy.poll = profile.settings.control.poll = 10s;
  policy.heartbeat_timeout = 120s;
  policy.provision_timeout = 240s;
  policy.spawning_timeout = 420s;
  policy.idle_timeout = 60s;
  policy.overcapacity_idle_timeout = 30s;
  policy.scale_down_grace = 15s;
  policy.scale_up_delay = policy.scale_down_delay = 0s;
  policy.queue_drain_target.reset();
  policy.shutdown_timeout = 120s;
  policy.max_hourly_cost_usd.reset();
  policy.max_daily_cost_usd.reset();
  policy.min_workers_for_rate = 3;
  profile.tasks = {};
  profile.tasks.longest = 40s;
  profile.length = 8min;
}

void shape_breaker(Profile& profile) {
  shape_small(profile);
  profile.settings.policy.breaker_probe_interval = 60s;
  profile.settings.policy.breaker_probe_max = 120s;
  profile.length = 12min;
}

void three_tasks(Universe& universe) {
  universe.scheduler.after(2s, [&universe] { add_tasks(universe, 3); });
}

std::optional<FailureCause> all_come_up(int) {
  return std::nullopt;
}
std::optional<FailureCause> first_two_fail(int nth) {
  return nth <= 2 ? std::optional(FailureCause::setup_failed) : std::nullopt;
}
std::optional<FailureCause> first_three_fail(int nth) {
  return nth <= 3 ? std::optional(FailureCause::start_failed) : std::nullopt;
}
std::optional<Fate::Kind> all_done(std::string_view, int) {
  return std::nullopt;
}
std::optional<Fate::Kind> first_creates_in_doubt(std::string_view call, int nth) {
  if (!call.starts_with("create ") || nth > 12) return std::nullopt;
  return nth % 2 == 0 ? Fate::Kind::failed_but_done : Fate::Kind::request_lost;
}

void drain_by_hand(Universe& universe) {
  three_tasks(universe);
  when(
      universe, [&universe] { return !busy_worker(universe).empty(); },
      [&universe] {
        universe.database.set_shared_status(busy_worker(universe), "terminating", universe.wall());
      });
}

void end_by_hand(Universe& universe) {
  three_tasks(universe);
  when(
      universe, [&universe] { return !busy_worker(universe).empty(); },
      [&universe] {
        universe.database.set_shared_status(busy_worker(universe), "terminated", universe.wall());
      });
}

void vanish(Universe& universe) {
  three_tasks(universe);
  when(
      universe, [&universe] { return !busy_worker(universe).empty(); },
      [&universe] {
        const std::string worker = busy_worker(universe);
        for (const SimPodPtr& pod : universe.cloud.pods()) {
          if (pod->name == worker && pod->exists()) return universe.cloud.vanish(pod);
        }
      });
}

}  // namespace

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> all{
      {"scale", "three tasks, three workers, then none", shape_small, three_tasks, all_come_up, all_done},
      {"failing-start", "the first two starts fail, the next ones succeed", shape_small, three_tasks,
       first_two_fail, all_done},
      {"drain", "somebody asks a busy worker to go", shape_small, drain_by_hand, all_come_up, all_done},
      {"orphan", "somebody ends a busy worker's row, its pod is left", shape_small, end_by_hand, all_come_up,
       all_done},
      {"doubtful-create", "the first creates get no answer, or an error although they worked", shape_small,
       three_tasks, all_come_up, first_creates_in_doubt},
      {"vanished-pod", "the pod of a busy worker is gone", shape_small, vanish, all_come_up, all_done},
      {"breaker", "starts fail until the breaker opens; its canaries succeed", shape_breaker, three_tasks,
       first_three_fail, all_done}};
  return all;
}

bool changes_something(Service service, std::string_view call) {
  switch (service) {
    case Service::supabase:
      return call != "gpuwarden_snapshot";
    case Service::runpod:
      return call.starts_with("create ") || call.starts_with("delete ");
    case Service::ssh:
      return call.starts_with("launch ");
  }
  return false;
}

}  // namespace gpuwarden::simulation
