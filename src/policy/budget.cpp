#include "budget.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

namespace gpuwarden::policy {

std::optional<std::string> Budget::refuses(double price_per_hr) const {
  if (!max_hourly && !max_daily) return std::nullopt;
  const double price = priced(price_per_hr);
  if (price <= 0) return "the price of another pod is not known, and a cost limit is set";
  // Sums of prices: a limit that is met exactly is kept.
  constexpr double kRounding = 1e-6;
  if (max_hourly && hourly + price > *max_hourly + kRounding)
    return fmt::format("another pod at {} an hour would make {} an hour, {} is the limit", format_usd(price),
                       format_usd(hourly + price), format_usd(*max_hourly));
  if (max_daily && spent_last_day + price > *max_daily + kRounding)
    return fmt::format("{} spent in 24 hours, {} is the limit: another pod's first hour ({}) does not fit",
                       format_usd(spent_last_day), format_usd(*max_daily), format_usd(price));
  return std::nullopt;
}

void Budget::add(double price_per_hr) {
  const double price = priced(price_per_hr);
  hourly += price;
  spent_last_day += price;
}

double Budget::price_of(const Placement& placement) const {
  if (placement.price_per_hr <= 0) return 0;
  const auto paid = charged.find(placement.gpu);
  return paid == charged.end() ? placement.price_per_hr : std::max(placement.price_per_hr, paid->second);
}

Budget budget_of(const Tick& tick) {
  Budget budget;
  budget.max_hourly = tick.settings.max_hourly_cost_usd;
  budget.max_daily = tick.settings.max_daily_cost_usd;
  budget.spent_last_day = tick.snapshot.spent_last_day_usd;
  for (const Offer& offer : tick.seen.offers)
    budget.assumed_price = std::max(budget.assumed_price, offer.placement.price_per_hr);
  for (const Member& member : tick.members) {
    double cost = std::max(member.worker->cost_per_hr, member.worker->placement.price_per_hr);
    if (member.pod != nullptr && member.pod->cost_per_hr > 0) {
      cost = member.pod->cost_per_hr;
      double& dearest = budget.charged[member.worker->placement.gpu];
      dearest = std::max(dearest, cost);
    }
    budget.hourly += cost;
    budget.assumed_price = std::max(budget.assumed_price, cost);
  }
  for (const Stray& stray : tick.strays) budget.hourly += stray.pod->cost_per_hr;
  budget.hourly += tick.ghosts * budget.assumed_price;
  return budget;
}

}  // namespace gpuwarden::policy
