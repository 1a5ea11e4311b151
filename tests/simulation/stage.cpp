#include "simulation/stage.hpp"

#include <exception>
#include <utility>

#include <fmt/format.h>

namespace gpuwarden::simulation {
namespace {

constexpr std::uint64_t kMostEvents = 20'000'000;

}  // namespace

Stage::Stage(Profile profile, Random& random)
    : universe(std::move(profile), hooks(), random.fork()),
      swarm(universe, random.fork()),
      daemons(universe, swarm, random.fork()),
      invariants(universe, swarm, daemons) {
  swarm.on_effect = [this](Service service, std::string_view call) {
    universe.note(fmt::format("effect of {}", call));
    invariants.on_effect(service, call);
    if (call != "gpuwarden_snapshot") daemons.at_effect();
    if (on_effect) on_effect(service, call);
  };
  daemons.on_start = [this](Daemon& daemon) { invariants.on_start(daemon); };
  daemons.on_tick = [this](Daemon& daemon, const control::TickReport& report) { tick(daemon, report); };
}

WorldHooks Stage::hooks() {
  WorldHooks hooks;
  hooks.rpc = [this](std::string_view function, const nlohmann::json& arguments) {
    return universe.database.rpc(function, arguments, universe.wall());
  };
  hooks.database_reachable = [this] { return universe.weather.reaches_pods() && !swarm.silenced(); };
  hooks.reply_lost = [this] { return swarm.reply_to_pod_lost(); };
  hooks.pod_fate = [this](const nlohmann::json& request) { return swarm.pod_fate(request); };
  hooks.task_fate = [this](const std::string& type, const std::string&, int attempt) {
    return swarm.task_fate(type, attempt);
  };
  hooks.command = [this](std::string_view text, std::string_view stdin_data) {
    if (swarm.word.command) swarm.word.command(text, stdin_data);
  };
  return hooks;
}

void Stage::tick(Daemon& daemon, const control::TickReport& report) {
  for (const PlannedAction& planned : report.plan.actions)
    universe.note(fmt::format("{} plans {} {}: {}", daemon.name(), action_name(planned.action),
                              worker_of(planned.action).str(), planned.reason));
  last_gates = report.plan.gates;
  if (on_tick) on_tick(daemon, report);
  invariants.on_tick(daemon, report);
}

void Stage::until(MonoTime limit) {
  try {
    while (!universe.violation && universe.scheduler.run_next(limit)) {
      if (universe.scheduler.events_run() > kMostEvents) universe.violate("run.ends", "too many events");
    }
  } catch (const std::exception& error) {
    universe.violate("no.exception", error.what());
  }
}

}  // namespace gpuwarden::simulation
