#include "scale_decision.hpp"

#include <algorithm>
#include <cmath>

namespace gpuwarden::policy {
namespace {

constexpr double kRounding = 1e-9;
constexpr double kLeast = 1e-3;
constexpr double kAnyWork = 1e-6;  // so that anything queued wants one worker, however short it is

bool is_idle(const Worker& worker) {
  return worker.status == WorkerStatus::active && worker.tasks.empty() && worker.idle_for.has_value();
}

/// The estimate for a type; null = too few samples to go by.
const TaskPace* pace_of(const Snapshot& snapshot, const std::string& type) {
  constexpr int kSamples = 3;
  const auto found = snapshot.pace.find(type);
  if (found == snapshot.pace.end()) return nullptr;
  return found->second.samples >= kSamples && found->second.typical > Duration{0} ? &found->second : nullptr;
}

double of(Duration part, Duration whole) {
  return static_cast<double>(part.count()) / static_cast<double>(whole.count());
}

/// GPUs for the tasks whose duration can be told; who they are and what is left to count goes into `figures`.
double timed_load(const Snapshot& snapshot, DrainFigures& figures) {
  const QueueDepth& queue = snapshot.queue;
  double gpus = 0;
  figures.counted = queue.queued + queue.running;
  for (const auto& [type, depth] : queue.by_type) {
    const TaskPace* pace = pace_of(snapshot, type);
    if (pace == nullptr) continue;
    figures.timed += depth.queued + depth.running;
    figures.counted -= depth.queued + depth.running;
    figures.work += pace->typical * depth.queued;
    gpus += static_cast<double>(depth.queued) * std::min(of(pace->typical, figures.target), 1.0);
  }
  figures.counted = std::max(figures.counted, 0L);
  double occupied = 0;
  for (const RunningTask& task : snapshot.running) {
    const TaskPace* pace = pace_of(snapshot, task.type);
    if (pace == nullptr) continue;
    const Duration left = std::max(pace->typical - task.running_for, Duration{0});
    figures.work += left;
    gpus += std::min(of(left, figures.target), 1.0);
    ++occupied;
  }
  return std::max(gpus, occupied);
}

}  // namespace

Load load_of(const Snapshot& snapshot, const Settings& settings) {
  const QueueDepth& queue = snapshot.queue;
  const double per_gpu = std::max(settings.tasks_per_gpu, kLeast);
  const auto by_count = [&](long tasks) { return static_cast<double>(std::max(tasks, 0L)) / per_gpu; };
  if (!settings.queue_drain_target || *settings.queue_drain_target <= Duration{0})
    return {by_count(queue.queued + queue.running), std::nullopt};
  Load load;
  DrainFigures figures;
  figures.target = *settings.queue_drain_target;
  load.gpus = timed_load(snapshot, figures) + by_count(figures.counted);
  if (queue.queued > 0) load.gpus = std::max(load.gpus, kAnyWork);
  load.drain = figures;
  return load;
}

WantedSize size_for(double gpus, const Settings& settings) {
  const double most = 1e6;  // keeps the casts below in range
  const int up = static_cast<int>(
      std::min(std::ceil(gpus / std::max(settings.scale_up_multiplier, kLeast) - kRounding), most));
  const int down = static_cast<int>(
      std::min(std::floor(gpus / std::max(settings.scale_down_multiplier, kLeast) + kRounding), most));
  const int floor = std::max(settings.min_active, 0);
  const int ceiling = std::max(settings.max_active, floor);
  const auto bounded = [&](int size) { return std::clamp(size + settings.keep_idle, floor, ceiling); };
  return {bounded(up), bounded(std::max(up, down))};
}

WantedSize wanted_size(long tasks, const Settings& settings) {
  Snapshot snapshot;
  snapshot.queue.queued = tasks;
  Settings by_count = settings;
  by_count.queue_drain_target.reset();
  return size_for(load_of(snapshot, by_count).gpus, settings);
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
