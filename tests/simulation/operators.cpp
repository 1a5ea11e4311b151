#include "simulation/operators.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "simulation/sql_values.hpp"

namespace gpuwarden::simulation {
namespace {

using namespace std::chrono_literals;

}  // namespace

void Operators::begin() {
  plan();
}

void Operators::plan() {
  const double rate = universe_.profile.faults.operator_presses;
  if (rate <= 0) return;
  const double hours = -std::log(1.0 - random_.unit()) / rate;
  universe_.scheduler.after(Duration(static_cast<Duration::rep>(hours * 3'600'000)), [this] {
    if (universe_.healed) return;
    press();
    plan();
  });
}

void Operators::command(const std::string& name, Duration ttl) {
  universe_.reached("operator." + name);
  universe_.note("operator: " + name);
  nlohmann::json arguments{{"owner_param", kOwner},
                           {"command_param", name},
                           {"actor_param", "ana"},
                           {"reason_param", "a test"},
                           {"ttl_sec_param", nullptr}};
  if (ttl > Duration{0}) arguments["ttl_sec_param"] = ttl.count() / 1000;
  try {
    universe_.database.rpc("gpuwarden_operator", arguments, universe_.wall());
  } catch (const SqlError& refused) {
    universe_.reached("operator.refused");
    universe_.note(fmt::format("operator: {} is refused: {}", name, refused.what()));
  }
}

void Operators::end_worker(const std::string& status) {
  const auto live = universe_.database.live_workers(kOwner);
  if (live.empty()) return;
  const std::string worker = live[static_cast<std::size_t>(random_.next() % live.size())]->id;
  universe_.reached("operator.writes_" + status);
  universe_.note(fmt::format("operator: workers.status of {} = {}", worker, status));
  universe_.database.set_shared_status(worker, status, universe_.wall());
}

void Operators::change_settings(bool script) {
  control::LoopSettings& settings = daemons_.settings;
  if (script) {
    settings.policy.script_hash = fmt::format("script-{}", ++scripts_);
    universe_.reached("operator.new_script");
  } else {
    const int most = static_cast<int>(random_.between(2, 16));
    settings.policy.max_active = std::max(most, settings.policy.min_active);  // else it would be refused
    settings.policy.keep_idle = static_cast<int>(random_.between(0, 2));
    universe_.reached("operator.new_settings");
  }
  universe_.note(fmt::format("operator: {}, at most {} workers, {} kept idle", settings.policy.script_hash,
                             settings.policy.max_active, settings.policy.keep_idle));
  daemons_.apply();
}

void Operators::press() {
  switch (random_.between(0, 9)) {
    case 0:
      command("pause");
      universe_.scheduler.after(random_.between(Duration(10'000), Duration(900'000)), [this] {
        if (!universe_.healed) command("resume");
      });
      return;
    case 1:
      return command("breaker_hold", random_.between(Duration(60'000), Duration(900'000)));
    case 2:
      return command("breaker_release", random_.between(Duration(60'000), Duration(900'000)));
    case 3:
      return command("breaker_clear");
    case 4:
      return command("breaker_reset");
    case 5:
      return end_worker("terminating");
    case 6:
      return end_worker("terminated");
    case 7:
      return change_settings(true);
    case 8:
      return change_settings(false);
    default:
      if (Daemon* daemon = daemons_.main(); daemon != nullptr && !daemon->process().stands_still()) {
        universe_.reached("operator.drain");
        universe_.note("operator: " + daemon->name() + " drains the fleet and stops");
        daemon->drain_and_stop(daemon->settings().policy.shutdown_timeout + 2min);
      }
  }
}

void Operators::heal() {
  if (universe_.profile.faults.operator_presses > 0) {
    command("resume");
    command("breaker_clear");
  }
  if (!daemons_.settings.policy.max_daily_cost_usd) return;
  daemons_.settings.policy.max_daily_cost_usd.reset();
  daemons_.apply();
}

}  // namespace gpuwarden::simulation
