#pragma once

#include <map>
#include <optional>
#include <string>

#include "tick.hpp"

namespace gpuwarden::policy {

/// Money: what every pod that exists or may exist costs, against the operator's limits.
struct Budget {
  std::optional<double> max_hourly, max_daily;
  double hourly{0};  ///< USD per hour of all pods that exist or may exist, and of those planned so far
  double spent_last_day{0};  ///< USD
  double assumed_price{0};   ///< USD per hour where the catalogue gives none; 0 = nothing is known
  /// The dearest pod of each GPU type, USD per hour: a catalogue may lag behind what is charged.
  std::map<std::string, double> charged{};

  /// Why one more pod at that price (0 = not known) does not fit; none = it does.
  std::optional<std::string> refuses(double price_per_hr) const;
  void add(double price_per_hr);
  /// What a pod there is reckoned with: 0 = not known.
  double price_of(const Placement& placement) const;

 private:
  double priced(double price_per_hr) const { return price_per_hr > 0 ? price_per_hr : assumed_price; }
};

Budget budget_of(const Tick& tick);

}  // namespace gpuwarden::policy
