#include "scale_decision.hpp"

#include <algorithm>
#include <cmath>

namespace gpuwarden::policy {
namespace {

constexpr double kRounding = 1e-9;
constexpr double kLeast = 1e-3;

bool is_idle(const Worker& worker) {
  return worker.status == WorkerStatus::active && worker.tasks.empty() && worker.idle_for.has_value();
}

}  // namespace

WantedSize wanted_size(long workload, const Settings& settings) {
  const double per_gpu = std::max(settings.tasks_per_gpu, kLeast);
  const double up_load = per_gpu * std::max(settings.scale_up_multiplier, kLeast);
  const double down_load = per_gpu * std::max(settings.scale_down_multiplier, kLeast);
  const double work = static_cast<double>(std::max(workload, 0L));
  const double most = 1e6;  // keeps the casts below in range
  const int up = static_cast<int>(std::min(std::ceil(work / up_load - kRounding), most));
  const int down = static_cast<int>(std::min(std::floor(work / down_load + kRounding), most));
  const int floor = std::max(settings.min_active, 0);
  const int ceiling = std::max(settings.max_active, floor);
  const auto bounded = [&](int size) { return std::clamp(size + settings.keep_idle, floor, ceiling); };
  return {bounded(up), bounded(std::max(up, down))};
}

Strength strength_of(const Tick& tick) {
  Strength result;
  const std::string& script = (tick.script.fleet ? *tick.script.fleet : tick.settings).script_hash;
  for (const Member& member : tick.members) {
    const Worker& worker = *member.worker;
    ++result.occupied;
    if (worker.status == WorkerStatus::spawning) ++result.unproven;
    if (worker.status == WorkerStatus::active && worker.proven && worker.script_hash == script)
      ++result.proven_alive;
    if (!is_capacity(worker) || member.ending) {
      ++result.draining;
      continue;
    }
    if (worker.status == WorkerStatus::spawning) ++result.spawning;
    if (worker.status == WorkerStatus::active) ++result.active;
    if (is_idle(worker)) ++result.idle;
  }
  // Spawns under way are capacity, unproven, and pods that may exist.
  result.spawning += tick.ghosts;
  result.unproven += tick.ghosts;
  result.occupied += tick.ghosts + static_cast<int>(tick.strays.size());
  return result;
}

}  // namespace gpuwarden::policy
