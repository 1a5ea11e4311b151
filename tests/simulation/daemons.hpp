#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "simulation/daemon.hpp"
#include "simulation/swarm.hpp"
#include "simulation/universe.hpp"

namespace gpuwarden::simulation {

/// The service manager and what goes wrong with daemons: starts them, starts them again when they have ended,
/// kills them, lets them stand still, lets two run at once.
class Daemons {
 public:
  Daemons(Universe& universe, Swarm& swarm, Random random);

  /// Starts the first one and plans what goes wrong.
  void begin();
  /// One healthy daemon from now on.
  void heal();
  /// To be called at each effect of a request: a kill may wait for one.
  void at_effect();
  /// Starts one beside those that run.
  Daemon& start();
  /// Kills the newest daemon now and starts another after `pause`.
  void kill_and_restart(Duration pause);

  const std::vector<std::unique_ptr<Daemon>>& alive() const { return alive_; }
  /// The one that an operator means; null = none runs.
  Daemon* main() const;
  /// Settings of the next start.
  control::LoopSettings settings;
  Redactor redactor;
  /// Gives them to all that run, as a reload does.
  void apply();
  MonoTime applied_at() const { return applied_at_; }

  std::function<void(Daemon&, const control::TickReport&)> on_tick;
  std::function<void(Daemon&)> on_start, on_death;

  std::uint64_t kills() const { return kills_; }
  std::uint64_t starts() const { return starts_; }

 private:
  void start_after(Duration pause);
  void kill(Daemon& daemon, std::string_view why);
  void bury();
  void plan_crash();
  void plan_stall();
  void plan_wall_jump();
  void plan_second();
  void second();
  Duration pause();

  Universe& universe_;
  Swarm& swarm_;
  Random random_;
  std::vector<std::unique_ptr<Daemon>> alive_;
  MonoTime applied_at_{};
  int numbers_{0};
  int kill_in_effects_{0};  ///< 0 = no kill waits for one
  bool starting_{false};
  std::uint64_t kills_{0}, starts_{0};
};

}  // namespace gpuwarden::simulation
