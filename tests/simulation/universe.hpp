#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "simulation/cloud.hpp"
#include "simulation/database.hpp"
#include "simulation/profile.hpp"
#include "simulation/scheduler.hpp"
#include "simulation/store.hpp"
#include "simulation/trace.hpp"

namespace gpuwarden::simulation {

/// Something that must never happen has happened.
struct Violation {
  std::string invariant, what;
  MonoTime at{};
};

/// The world of one run without its daemons: what there is, not what happens to it.
struct Universe {
  Universe(Profile drawn, const WorldHooks& hooks, Random random)
      : profile(std::move(drawn)), cloud({scheduler, trace, probes, hooks}, random) {}
  Universe(const Universe&) = delete;
  Universe& operator=(const Universe&) = delete;

  MonoTime now() const { return scheduler.now(); }
  WallTime wall() const { return scheduler.wall(); }
  void note(std::string_view what) {
    trace.note(scheduler.now(), what);
    if (on_note) on_note(what);
  }
  void reached(std::string_view probe) { probes.reached(probe); }
  /// The first one ends the run as soon as the event under way is over.
  void violate(std::string invariant, std::string what) {
    if (violation) return;
    note("VIOLATION of " + invariant + ": " + what);
    violation = Violation{std::move(invariant), std::move(what), scheduler.now()};
  }

  Profile profile;
  Scheduler scheduler;
  Trace trace;
  Probes probes;
  Database database;
  DatabaseWeather weather;
  Cloud cloud;
  bool healed{false};  ///< nothing bad happens any more
  std::optional<Violation> violation{};
  std::function<void(std::string_view)> on_note{};
};

}  // namespace gpuwarden::simulation
