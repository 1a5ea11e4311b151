#include "tick_log.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

namespace gpuwarden::control {
namespace {

/// Gates that come and go with ordinary work; they are shown by `plan`, not logged.
constexpr std::array<std::string_view, 6> kQuietGates{"spawn_rate", "scale_down_grace", "slow_start",
                                                      "ceiling",    "spawning_grace",   "hysteresis"};

void tell_source(ports::Log& log, bool ok, bool& was_ok, std::string_view name, const std::string& error) {
  if (ok == was_ok) return;
  was_ok = ok;
  if (ok) {
    log.info("source_back", fmt::format("{} can be read again", name));
  } else {
    log.error("source_lost",
              fmt::format("{} cannot be read: nothing is created, deleted or judged by it", name),
              {{"error", error}});
  }
}

}  // namespace

std::string summary_line(const TickReport& report) {
  const ScaleFigures& scale = report.plan.scale;
  return fmt::format("{} queued, {} running; {} active ({} idle), {} spawning, {} draining; wanted {}",
                     scale.queued, scale.running, scale.active, scale.idle, scale.spawning, scale.draining,
                     scale.wanted);
}

void TickLog::tick(ports::Log& log, const TickReport& report, Duration summary_every) {
  tell_source(log, report.snapshot.has_value(), snapshot_ok_, "Supabase", report.snapshot_error);
  tell_source(log, report.pods.has_value(), pods_ok_, "Runpod's pod list", report.pods_error);
  if (report.snapshot && report.snapshot->leader.leading != leading_) {
    leading_ = report.snapshot->leader.leading;
    const auto& leader = report.snapshot->leader;
    log.info(leading_ ? "leading" : "standing_by",
             leading_ ? "this daemon leads" : "another daemon leads: " + leader.holder,
             {{"epoch", std::to_string(leader.epoch)}});
  }
  std::set<std::string> gates;
  for (const Gate& gate : report.plan.gates) {
    if (std::find(kQuietGates.begin(), kQuietGates.end(), gate.name) != kQuietGates.end()) continue;
    gates.insert(gate.name);
    if (gates_.contains(gate.name)) continue;
    ports::LogFields fields{{"gate", gate.name}};
    if (gate.opens_in) fields.emplace_back("opens_in", format_duration(*gate.opens_in));
    log.warning("held_back", gate.reason, fields);
  }
  for (const std::string& gate : gates_) {
    if (!gates.contains(gate)) log.info("released", "no longer held back", {{"gate", gate}});
  }
  gates_ = std::move(gates);
  if (!summary_at_) summary_at_ = report.at;
  if (report.at - *summary_at_ >= summary_every) {
    summary_at_ = report.at;
    log.info("summary", summary_line(report));
  }
}

void TickLog::action_done(ports::Log& log, const ActionResult& result) {
  ports::LogFields fields;
  if (!result.worker.empty()) fields.emplace_back("worker", result.worker);
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
