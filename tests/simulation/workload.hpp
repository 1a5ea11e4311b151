#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "simulation/universe.hpp"

namespace gpuwarden::simulation {

/// People who queue tasks, in bursts and trickles, and sometimes take one back.
class Workload {
 public:
  Workload(Universe& universe, Random random)
      : universe_(universe), mix_(universe.profile.tasks), random_(random) {}
  void begin();
  /// From now on only so many more come.
  void last(int count);
  const std::vector<std::string>& cancelled() const { return cancelled_; }

 private:
  void trickle();
  void burst();
  void add(int count);
  void api_worker();
  nlohmann::json call(std::string_view function, const nlohmann::json& arguments);
  void cancel_later(const std::string& task);
  /// So many wait that more would teach nothing.
  bool full() const;

  Universe& universe_;
  const TaskMix& mix_;
  Random random_;
  std::vector<std::string> cancelled_;
};

}  // namespace gpuwarden::simulation
