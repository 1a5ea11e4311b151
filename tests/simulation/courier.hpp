#pragma once

#include <deque>

#include <nlohmann/json.hpp>

#include "gpuwarden/base/time.hpp"

namespace gpuwarden::simulation {

class ScriptRun;

/// Delivers the reports of steps and crashes in order, however long the database is away, as
/// src/bootstrap/scripts/couriers.sh does.
class Courier {
 public:
  explicit Courier(ScriptRun& run) : run_(run) {}
  void spool(nlohmann::json report);
  bool empty() const { return spool_.empty(); }

 private:
  void deliver();
  ScriptRun& run_;
  std::deque<nlohmann::json> spool_;
  bool under_way_{false};
  Duration pause_{250};
};

/// The next pause, doubled to at most 30 s; how long to wait has up to a quarter more.
Duration next_pause(Duration& pause, std::uint64_t random);

}  // namespace gpuwarden::simulation
