#include "cost_limit.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "scale_down.hpp"

namespace gpuwarden::policy {
namespace {

constexpr double kRounding = 1e-6;  // sums of prices: a limit that is met exactly is kept

double price_of(const Member& member) {
  return member.pod->cost_per_hr > 0 ? member.pod->cost_per_hr : member.worker->cost_per_hr;
}

/// Its pod is there and nothing has been done to end it.
bool stays(const Member& member) {
  return member.pod != nullptr && !member.ending && is_capacity(*member.worker);
}

double hourly_of_those_that_stay(const Tick& tick) {
  double sum = 0;
  for (const Member& member : tick.members) {
    if (stays(member)) sum += price_of(member);
  }
  return sum;
}

/// Who goes first; null = nobody can.
Member* first_to_go(Tick& tick) {
  for (Member* member : idle_longest_first(tick)) {
    if (stays(*member)) return member;
  }
  Member* youngest = nullptr;
  Member* dearest = nullptr;
  for (Member& member : tick.members) {
    if (!member.free() || !stays(member) || own_pod(tick, member).empty()) continue;
    const Worker& worker = *member.worker;
    if (worker.status == WorkerStatus::spawning && worker.tasks.empty()) {
      if (youngest == nullptr || worker.age < youngest->worker->age) youngest = &member;
    } else if (worker.status == WorkerStatus::active) {
      if (dearest == nullptr || price_of(member) > price_of(*dearest)) dearest = &member;
    }
  }
  return youngest != nullptr ? youngest : dearest;
}

}  // namespace

std::optional<std::string> cost_excess(const Tick& tick) {
  if (!tick.pods_known()) return std::nullopt;
  const Settings& settings = tick.settings;
  if (const auto& most = settings.max_hourly_cost_usd) {
    const double hourly = hourly_of_those_that_stay(tick);
    if (hourly > *most + kRounding)
      return fmt::format("the pods cost {} an hour, {} is the limit", format_usd(hourly), format_usd(*most));
  }
  const double spent = tick.snapshot.spent_last_day_usd;
  if (const auto& most = settings.max_daily_cost_usd; most && spent > *most + kRounding)
    return fmt::format("{} were spent in 24 hours, {} is the limit", format_usd(spent), format_usd(*most));
  return std::nullopt;
}

bool enforce_cost_limit(Tick& tick, const ObserverView& observer) {
  const auto excess = cost_excess(tick);
  if (!excess) return false;
  const bool held = tick.snapshot.switches.paused || observer.mass_silence;
  Member* member = held ? nullptr : first_to_go(tick);
  if (member != nullptr) {
    tick.act(*member, DrainWorker{member->worker->id}, fmt::format("{}: {}", kCostDrain, *excess));
    tick.memory.last_scale_down = tick.now;
  }
  const bool any_left = std::any_of(tick.members.begin(), tick.members.end(), stays);
  if (member != nullptr || any_left)
    tick.gate("over_budget",
              fmt::format("{}: {}", *excess,
                          held ? "nobody is let go meanwhile"
                               : "workers are let go, idle ones first, until it is kept again"));
  return true;
}

}  // namespace gpuwarden::policy
