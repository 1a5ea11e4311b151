#pragma once

#include <string>

#include "simulation/daemons.hpp"
#include "simulation/universe.hpp"

namespace gpuwarden::simulation {

/// People who press buttons: pause and resume, the breaker's override and reset, workers.status by hand, new
/// settings, a drain of the fleet.
class Operators {
 public:
  Operators(Universe& universe, Daemons& daemons, Random random)
      : universe_(universe), daemons_(daemons), random_(random) {}
  void begin();
  /// Takes back whatever holds the fleet: no pause, no hold, no limit on the day's costs.
  void heal();

 private:
  void plan();
  void press();
  void command(const std::string& name, Duration ttl = Duration{0});
  void end_worker(const std::string& status);
  void change_settings(bool script);

  Universe& universe_;
  Daemons& daemons_;
  Random random_;
  int scripts_{1};
};

}  // namespace gpuwarden::simulation
