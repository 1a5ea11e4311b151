#include "tick_log.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

namespace gpuwarden::control {
namespace {

/// Gates that come and go with ordinary work, and "leader", which `standing_by` tells. They are shown by
/// `plan`, not logged.
constexpr std::array<std::string_view, 9> kQuietGates{
    "spawn_rate",       "scale_up_delay", "scale_down_delay",
    "scale_down_grace", "slow_start",     "ceiling",
    "spawning_grace",   "hysteresis",     "leader"};

bool is_quiet(std::string_view gate) {
  return std::find(kQuietGates.begin(), kQuietGates.end(), gate) != kQuietGates.end();
}

/// Somebody has to mend it by hand: it is repeated until that is done.
constexpr std::string_view kUndeletable = "undeletable";
constexpr Duration kRepeatEvery = std::chrono::hours(1);
/// Its reason names what was tried and failed, which is news each time.
constexpr std::string_view kScriptCanary = "script_canary";

/// One of the two things that a tick looks at.
struct Source {
  std::string_view service, name;
};

void tell_source(ports::Log& log, bool ok, bool& was_ok, const Source& source, const std::string& error,
                 ErrorKind kind) {
  if (ok == was_ok) return;
  was_ok = ok;
  const std::string service(source.service);
  if (ok) {
    log.info("source_back", fmt::format("{} can be read again", source.name), {{"service", service}});
  } else {
    log.error("source_lost",
              fmt::format("{} cannot be read: nothing is created, deleted or judged by it", source.name),
              {{"service", service}, {"error", error}, {"kind", std::string(to_string(kind))}});
  }
}

}  // namespace

std::string summary_line(const TickReport& report) {
  if (!report.snapshot) return "Supabase cannot be read: nothing is done";
  if (!report.snapshot->writable) return "Supabase answers reads only: nothing is done";
  if (!report.snapshot->leader.leading)
    return fmt::format("standing by: {} leads; {} queued, {} running", report.snapshot->leader.holder,
                       report.snapshot->queue.queued, report.snapshot->queue.running);
  const ScaleFigures& scale = report.plan.scale;
  std::string line = fmt::format(
      "{} queued, {} running; {} active ({} idle), {} spawning, {} draining; wanted {}", scale.queued,
      scale.running, scale.active, scale.idle, scale.spawning, scale.draining, scale.wanted);
  if (const double spent = report.snapshot->spent_last_day_usd; spent > 0)
    line += fmt::format("; {} in 24 hours, {} of it on pods that never finished a task", format_usd(spent),
                        format_usd(report.snapshot->fruitless_last_day_usd));
  return line;
}

void TickLog::tell_leader(ports::Log& log, const TickReport& report) {
  // What answers reads only can renew nobody's lead; that is no news of who leads.
  if (!report.snapshot || !report.snapshot->writable) return;
  const auto& leader = report.snapshot->leader;
  if (leading_ == leader.leading) return;
  leading_ = leader.leading;
  log.info(leader.leading ? "leading" : "standing_by",
           leader.leading ? "this daemon leads" : "another daemon leads: " + leader.holder,
           {{"epoch", std::to_string(leader.epoch)}});
}

void TickLog::tell_gates(ports::Log& log, const TickReport& report) {
  if (!report.snapshot) return;  // `source_lost` has told, and nothing is known of the gates
  if (leading_ == false && !report.plan.gates.empty() && report.plan.gates.front().name == "leader") {
    gates_.clear();  // they are the other daemon's business now
    return;
  }
  std::map<std::string, Told> gates;
  for (const Gate& gate : report.plan.gates) {
    if (is_quiet(gate.name) || (gate.name == "pods" && !report.pods)) continue;
    const auto told = gates_.find(gate.name);
    const bool again = told != gates_.end() &&
                       ((gate.name == kUndeletable && report.now - told->second.at >= kRepeatEvery) ||
                        (gate.name == kScriptCanary && told->second.reason != gate.reason));
    if (told != gates_.end() && !again) {
      gates.insert(*told);
      continue;
    }
    if (!gates.try_emplace(gate.name, Told{report.now, gate.reason}).second) continue;
    ports::LogFields fields{{"gate", gate.name}};
    if (gate.opens_in) fields.emplace_back("opens_in", format_duration(*gate.opens_in));
    log.warning("held_back", gate.reason, fields);
  }
  const bool saw_everything = report.pods && report.snapshot->writable;
  for (const auto& [gate, told] : gates_) {
    if (gates.contains(gate)) continue;
    if (saw_everything || (gate == "database" && report.snapshot->writable)) {
      log.info("released", "no longer held back", {{"gate", gate}});
    } else {
      gates.emplace(gate, told);
    }
  }
  gates_ = std::move(gates);
}

void TickLog::tick(ports::Log& log, const TickReport& report, Duration summary_every) {
  tell_source(log, report.snapshot.has_value(), snapshot_ok_, {"supabase", "Supabase"}, report.snapshot_error,
              report.snapshot_error_kind);
  tell_source(log, report.pods.has_value(), pods_ok_, {"runpod", "Runpod's pod list"}, report.pods_error,
              report.pods_error_kind);
  tell_leader(log, report);
  tell_gates(log, report);
  if (!summary_at_) summary_at_ = report.now;
  if (report.now - *summary_at_ >= summary_every) {
    summary_at_ = report.now;
    log.info("summary", summary_line(report));
  }
}

void TickLog::action_done(ports::Log& log, const ActionResult& result) {
  ports::LogFields fields;
  for (const auto& [name, value] : {std::pair{"worker", &result.worker}, std::pair{"pod", &result.pod},
                                    std::pair{"cause", &result.cause}, std::pair{"reason", &result.reason}}) {
    if (!value->empty()) fields.emplace_back(name, *value);
  }
  fields.emplace_back("duration", format_duration(result.took));
  if (result.action == "probe") {
    log.debug(result.action, result.detail, fields);
  } else if (result.ok) {
    log.info(result.action, result.detail, fields);
  } else {
    log.warning(result.action, result.detail, fields);
  }
}

}  // namespace gpuwarden::control
