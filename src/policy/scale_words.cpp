#include "scale_words.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

namespace gpuwarden::policy {

std::vector<std::string> size_steps(const QueueDepth& queue, const Load& load, const WantedSize& wanted,
                                    const Settings& settings) {
  std::vector<std::string> steps;
  const long work = std::max(queue.queued + queue.running, 0L);
  steps.push_back(fmt::format("{} queued + {} running = {} tasks", queue.queued, queue.running, work));

  Settings bare = settings;
  bare.keep_idle = 0;
  bare.min_active = 0;
  bare.max_active = 1'000'000;
  int size = size_for(load.gpus, bare).up;
  if (load.drain && load.drain->timed > 0) {
    steps.push_back(fmt::format(
        "{} of work in {} of them, to be done in {} (TARGET_QUEUE_DRAIN_SEC); {} by count: {:.1f} GPUs",
        format_duration(load.drain->work), load.drain->timed, format_duration(load.drain->target),
        load.drain->counted, load.gpus));
    steps.push_back(fmt::format("x {} (SCALE_UP_MULTIPLIER): {} GPUs", settings.scale_up_multiplier, size));
  } else {
    steps.push_back(fmt::format("at {} a GPU (TASKS_PER_GPU_THRESHOLD) x {} (SCALE_UP_MULTIPLIER): {} GPUs",
                                settings.tasks_per_gpu, settings.scale_up_multiplier, size));
  }
  if (settings.keep_idle != 0) {
    size += settings.keep_idle;
    steps.push_back(fmt::format("and {} to keep idle (MACHINES_TO_KEEP_IDLE): {}", settings.keep_idle, size));
  }
  const int floor = std::max(settings.min_active, 0);
  const int ceiling = std::max(settings.max_active, floor);
  if (size < floor) {
    size = floor;
    steps.push_back(fmt::format("at least {} (MIN_ACTIVE_GPUS): {}", floor, size));
  } else if (size > ceiling) {
    size = ceiling;
    steps.push_back(fmt::format("at most {} (MAX_ACTIVE_GPUS): {}", ceiling, size));
  }
  if (wanted.up != size) {
    size = wanted.up;
    steps.push_back(fmt::format("the gates below make it {}", size));
  }
  steps.push_back(fmt::format("more than {} are too many (SCALE_DOWN_MULTIPLIER {})", wanted.down,
                              settings.scale_down_multiplier));
  return steps;
}

}  // namespace gpuwarden::policy
