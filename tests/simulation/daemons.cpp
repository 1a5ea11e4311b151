#include "simulation/daemons.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

namespace gpuwarden::simulation {
namespace {

using namespace std::chrono_literals;

constexpr Duration kHardStop = 9500ms;  // of the program: what is in flight then is abandoned
constexpr Duration kWallJump = 1h;
constexpr Duration kLongestStall = 120s;

Duration wait_for(Random& random, double per_hour) {
  const double hours = -std::log(1.0 - random.unit()) / per_hour;
  return Duration(static_cast<Duration::rep>(std::min(hours, 1000.0) * 3'600'000));
}

}  // namespace

Daemons::Daemons(Universe& universe, Swarm& swarm, Random random)
    : settings(universe.profile.settings), universe_(universe), swarm_(swarm), random_(random) {}

void Daemons::begin() {
  start();
  plan_crash();
  plan_stall();
  plan_wall_jump();
  plan_second();
}

void Daemons::apply() {
  applied_at_ = universe_.now();
  bool all = true;
  for (const auto& daemon : alive_) {
    const bool can = !daemon->process().stands_still();
    if (can) daemon->apply(settings);
    all = all && can;
  }
  // A signal waits for a process that stands still.
  if (!all) universe_.scheduler.after(1s, [this] { apply(); });
}

Daemon* Daemons::main() const {
  for (auto daemon = alive_.rbegin(); daemon != alive_.rend(); ++daemon) {
    if (!(*daemon)->ended()) return daemon->get();
  }
  return nullptr;
}

Daemon& Daemons::start() {
  ++starts_;
  auto owned = std::make_unique<Daemon>(
      Daemon::Outside{universe_.cloud, universe_.database, universe_.weather, swarm_, redactor}, settings,
      ++numbers_, random_.fork());
  Daemon& daemon = *owned;
  alive_.push_back(std::move(owned));
  daemon.on_log = [this](const std::string& line) { universe_.note(line); };
  daemon.on_tick = [this, &daemon](const control::TickReport& report) {
    if (on_tick) on_tick(daemon, report);
  };
  daemon.on_end = [this, &daemon] {
    universe_.note(daemon.name() + " has ended");
    universe_.reached("daemon.ended");
    universe_.scheduler.after(1ms, [this] { bury(); });
  };
  universe_.note(daemon.name() + " starts");
  if (on_start) on_start(daemon);
  daemon.start();
  return daemon;
}

void Daemons::start_after(Duration pause) {
  if (std::exchange(starting_, true)) return;
  universe_.scheduler.after(pause, [this] {
    starting_ = false;
    if (main() == nullptr) start();
  });
}

Duration Daemons::pause() {
  if (universe_.healed || random_.chance(0.7)) return 5s;
  return random_.between(Duration(1000), Duration(300'000));
}

/// Forgets the dead and sees to it that one lives.
void Daemons::bury() {
  for (const auto& daemon : alive_) {
    if (daemon->ended() && on_death) on_death(*daemon);
  }
  std::erase_if(alive_, [](const auto& daemon) { return daemon->ended(); });
  if (alive_.empty()) start_after(pause());
}

void Daemons::kill(Daemon& daemon, std::string_view why) {
  if (daemon.ended()) return;
  ++kills_;
  universe_.note(fmt::format("{} is killed {}", daemon.name(), why));
  universe_.reached("daemon.killed");
  daemon.kill();
  universe_.scheduler.after(Duration{0}, [this] { bury(); });
}

void Daemons::kill_and_restart(Duration pause_before) {
  Daemon* daemon = main();
  if (daemon == nullptr) return;
  start_after(pause_before);
  kill(*daemon, "here");
}

void Daemons::heal() {
  kill_in_effects_ = 0;
  Daemon* kept = main();
  for (const auto& daemon : alive_) {
    if (daemon.get() != kept) daemon->stop();
  }
  if (kept != nullptr) {
    kept->process().wall_skew = Duration{0};
  } else {
    start_after(1s);
  }
}

void Daemons::at_effect() {
  if (kill_in_effects_ == 0 || --kill_in_effects_ > 0) return;
  Daemon* daemon = main();
  if (daemon == nullptr) return;
  universe_.reached("daemon.killed_at_effect");
  kill(*daemon, "right after an effect");
}

void Daemons::plan_crash() {
  const double rate = universe_.profile.faults.crashes;
  if (rate <= 0) return;
  universe_.scheduler.after(wait_for(random_, rate), [this] {
    if (universe_.healed) return;
    if (Daemon* daemon = main(); daemon != nullptr) {
      if (random_.chance(0.5)) {
        kill_in_effects_ = static_cast<int>(random_.between(1, 6));
      } else if (random_.chance(0.7)) {
        kill(*daemon, "by nobody knows whom");
      } else {
        universe_.note(daemon->name() + " is asked to stop");
        universe_.reached("daemon.stopped");
        daemon->stop();
        universe_.scheduler.after(kHardStop, [this, name = daemon->name()] {
          for (const auto& one : alive_) {
            if (one->name() == name) kill(*one, "because it did not stop in time");
          }
        });
      }
    }
    plan_crash();
  });
}

void Daemons::plan_stall() {
  const double rate = universe_.profile.faults.stalls;
  if (rate <= 0) return;
  universe_.scheduler.after(wait_for(random_, rate), [this] {
    if (universe_.healed) return;
    if (Daemon* daemon = main(); daemon != nullptr && !daemon->process().stands_still()) {
      const Duration duration = random_.between(Duration(2000), kLongestStall);
      const bool suspended = random_.chance(0.3);
      universe_.reached(suspended ? "daemon.suspended" : "daemon.stalled");
      universe_.note(fmt::format("{} stands still for {} ms{}", daemon->name(), duration.count(),
                                 suspended ? ", its clock too" : ""));
      daemon->process().stand_still(duration, suspended);
    }
    plan_stall();
  });
}

void Daemons::plan_wall_jump() {
  const double rate = universe_.profile.faults.wall_jumps;
  if (rate <= 0) return;
  universe_.scheduler.after(wait_for(random_, rate), [this] {
    if (universe_.healed) return;
    if (Daemon* daemon = main(); daemon != nullptr) {
      daemon->process().wall_skew = random_.between(-Duration(kWallJump), Duration(kWallJump));
      universe_.reached("daemon.wall_jump");
      universe_.note(fmt::format("the wall clock of {} is wrong by {} s", daemon->name(),
                                 daemon->process().wall_skew.count() / 1000));
    }
    plan_wall_jump();
  });
}

void Daemons::plan_second() {
  const double rate = universe_.profile.faults.second_daemons;
  if (rate <= 0) return;
  universe_.scheduler.after(wait_for(random_, rate), [this] {
    if (universe_.healed) return;
    second();
    plan_second();
  });
}

/// Somebody starts another daemon beside the first, and ends one of the two after a while.
void Daemons::second() {
  if (main() == nullptr) return;
  universe_.reached("daemon.second");
  const std::string older = main()->name(), newer = start().name();
  const std::string victim = random_.chance(0.5) ? older : newer;
  const bool gently = random_.chance(0.5);
  universe_.scheduler.after(random_.between(Duration(20'000), Duration(900'000)), [this, victim, gently] {
    for (const auto& one : alive_) {
      if (one->name() != victim || one->ended()) continue;
      if (gently) {
        universe_.note(victim + " is asked to stop");
        one->stop();
      } else {
        kill(*one, "as one too many");
      }
    }
  });
}

}  // namespace gpuwarden::simulation
