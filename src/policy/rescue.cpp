#include "rescue.hpp"

#include <fmt/format.h>

namespace gpuwarden::policy {
namespace {
constexpr Duration kRescueEvery{10'000};
}

void rescue_tasks(Tick& tick, const ObserverView& observer) {
  if (tick.snapshot.rescuable <= 0) return;
  if (!observer.settled) {
    tick.gate("observer",
              fmt::format("{} tasks without a live worker wait: the database was out a moment ago",
                          tick.snapshot.rescuable));
    return;
  }
  auto& last = tick.memory.last_rescue;
  if (last && tick.now - *last < kRescueEvery) return;
  last = tick.now;
  tick.act(RescueTasks{}, fmt::format("{} tasks in progress have no live worker", tick.snapshot.rescuable));
}

}  // namespace gpuwarden::policy
