#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "journal_codec.hpp"

namespace gpuwarden::app::journal {

/// What a row of decisions came to.
class Sums {
 public:
  /// `held` = how long this plan was in force.
  void add(const Json& plan, Duration held);
  /// {actions: {spawn: 3, …}, workers_drained, workers_failed, most_missing, wanted_pod_s, held_back_s:
  /// {gate: s}}
  Json json() const;

 private:
  std::map<std::string, long> actions_;
  std::set<std::string> drained_, failed_;
  std::map<std::string, Duration> held_back_;
  double wanted_pod_s_{0};
  long most_missing_{0};
};

/// Where two plans differ, as people see it: {wanted: [a, b], only_recorded, only_changed, gates_gone,
/// gates_new}; none when they do not. Reasons and the time until a gate opens are no difference.
std::optional<Json> difference(const Json& recorded, const Json& changed);

}  // namespace gpuwarden::app::journal
