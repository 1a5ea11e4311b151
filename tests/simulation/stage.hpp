#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "simulation/daemons.hpp"
#include "simulation/invariants.hpp"
#include "simulation/random.hpp"
#include "simulation/swarm.hpp"
#include "simulation/universe.hpp"

namespace gpuwarden::simulation {

/// A world, what goes wrong in it, its daemons, and the invariants that watch them: what drawn runs, stories
/// and the named cases share.
class Stage {
 public:
  /// Takes three streams out of `random`.
  Stage(Profile profile, Random& random);
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  /// Lives until then, or until something is violated.
  void until(MonoTime limit);

  Universe universe;
  Swarm swarm;
  Daemons daemons;
  Invariants invariants;
  std::vector<Gate> last_gates;  ///< of the newest tick of any daemon

  /// Told of each effect of a daemon's requests, after the invariants.
  std::function<void(Service service, std::string_view call)> on_effect;
  /// Told of each tick, before the invariants.
  std::function<void(Daemon& daemon, const control::TickReport& report)> on_tick;

 private:
  WorldHooks hooks();
  void tick(Daemon& daemon, const control::TickReport& report);
};

}  // namespace gpuwarden::simulation
