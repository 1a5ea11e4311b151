#include "script_canary.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "tick.hpp"

namespace gpuwarden::policy {
namespace {

constexpr std::size_t kDigitsShown = 8;
constexpr int kMostDoublings = 16;

std::string short_name(const std::string& script) {
  return script.substr(0, kDigitsShown);
}

/// The newest starts of a script, as far as they failed in a row.
struct FailedCanaries {
  int count{0};
  const StartOutcome* newest{nullptr};
};

FailedCanaries failed_canaries(const Snapshot& snapshot, const std::string& script) {
  FailedCanaries failed;
  for (const StartOutcome& outcome : snapshot.outcomes) {  // newest first
    if (outcome.script_hash != script || outcome.success || !facts(outcome.cause).counts_for_breaker)
      continue;
    if (failed.count++ == 0) failed.newest = &outcome;
  }
  return failed;
}

/// A pod with the script that has not had its first heartbeat. A spawn whose row is not read yet may be one.
bool is_under_way(const Tick& tick, const std::string& script) {
  return tick.ghosts > 0 || std::any_of(tick.members.begin(), tick.members.end(), [&](const Member& member) {
           const Worker& worker = *member.worker;
           return worker.script_hash == script && !worker.proven &&
                  (worker.status == WorkerStatus::spawning || worker.status == WorkerStatus::terminating);
         });
}

Duration pause_after(int failures, const Settings& settings) {
  const Duration longest = std::max(settings.breaker_probe_max, settings.breaker_probe_interval);
  const auto doublings = static_cast<unsigned>(std::clamp(failures - 1, 0, kMostDoublings));
  return std::min(settings.breaker_probe_interval * (1L << doublings), longest);
}

std::string words(const ScriptTrial& trial, const FailedCanaries& failed, const std::string& good) {
  const std::string meanwhile =
      trial.serves ? fmt::format("the fleet stays on {}", short_name(good))
                   : fmt::format("nothing else is spawned, and running workers keep serving");
  if (failed.newest == nullptr)
    return fmt::format("new script/configuration {} is tried on one pod first; until that works {}",
                       trial.name, meanwhile);
  return fmt::format("new script/configuration {} failed on {} ({}); until a try works {}", trial.name,
                     failed.newest->worker.str(), to_string(failed.newest->cause), meanwhile);
}

}  // namespace

int ScriptTrial::room(int count) const {
  return on && !serves ? std::min(count, canaries) : count;
}

std::string good_script(const Snapshot& snapshot) {
  if (!snapshot.breaker.good_script.empty()) return snapshot.breaker.good_script;
  for (const StartOutcome& outcome : snapshot.outcomes) {
    if (outcome.success && !outcome.script_hash.empty()) return outcome.script_hash;
  }
  for (const Worker& worker : snapshot.workers) {
    if (worker.proven && !worker.script_hash.empty()) return worker.script_hash;
  }
  return {};
}

bool is_proven(const Snapshot& snapshot, const std::string& script) {
  const auto started = [&](const StartOutcome& outcome) {
    return outcome.success && outcome.script_hash == script;
  };
  const auto lives = [&](const Worker& worker) {
    return worker.script_hash == script && (worker.proven || worker.heartbeat_age.has_value());
  };
  return std::any_of(snapshot.outcomes.begin(), snapshot.outcomes.end(), started) ||
         std::any_of(snapshot.workers.begin(), snapshot.workers.end(), lives);
}

ScriptTrial judge_script(const Tick& tick) {
  ScriptTrial trial;
  const std::string& script = tick.settings.script_hash;
  const std::string good = good_script(tick.snapshot);
  if (script.empty() || good.empty() || script == good || is_proven(tick.snapshot, script)) return trial;
  trial.on = true;
  trial.name = short_name(script);
  // A breaker that is not closed lets one pod through, and that is the canary of what is new.
  const bool closed = tick.snapshot.breaker.state == BreakerState::closed;
  trial.serves = closed && tick.seen.held_script == good;
  if (closed) {  // whether or not its settings are at hand: the breaker must not depend on this process
    trial.fleet = tick.settings;
    trial.fleet->script_hash = good;
  }
  const FailedCanaries failed = failed_canaries(tick.snapshot, script);
  trial.reason = words(trial, failed, good);
  if (is_under_way(tick, script)) return trial;
  if (closed && failed.newest != nullptr) {
    const Duration left = pause_after(failed.count, tick.settings) - failed.newest->age;
    if (left > Duration{0}) {
      trial.opens_in = left;
      return trial;
    }
  }
  trial.canaries = 1;
  return trial;
}

bool note_good_script(const Tick& tick, BreakerMemory& state) {
  const std::string& script = tick.settings.script_hash;
  if (script.empty() || state.good_script == script || !is_proven(tick.snapshot, script)) return false;
  state.good_script = script;
  return true;
}

}  // namespace gpuwarden::policy
