#include "gpuwarden/diagnosis/report.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "report_parts.hpp"

namespace gpuwarden::diagnosis {
namespace {

bool expired(const std::optional<Duration>& left) {
  return left && *left <= Duration{0};
}

void tell_scaling(const Incident& incident, IncidentReport& report) {
  const BreakerMemory& breaker = incident.breaker;
  const auto& word = incident.breaker_override;
  const std::string ends =
      word && word->expires_in ? fmt::format(" for {} more", format_duration(*word->expires_in)) : "";
  const auto say = [&](Scaling scaling, std::string why) {
    report.scaling = scaling;
    report.scaling_why = std::move(why);
  };
  if (incident.leader.empty()) {
    say(Scaling::no_daemon, "no daemon has ever led for this owner");
  } else if (expired(incident.leader_expires_in)) {
    say(Scaling::no_daemon, fmt::format("the lease of {} ended {} ago and nobody has taken over",
                                        incident.leader, format_duration(-*incident.leader_expires_in)));
  } else if (incident.switches.paused) {
    say(Scaling::paused,
        fmt::format("paused by {}: {}", incident.switches.paused_by, incident.switches.pause_reason));
  } else if (word && !expired(word->expires_in) && word->kind == BreakerOverride::Kind::hold) {
    say(Scaling::held, fmt::format("held by {}{}: {}", word->actor, ends, word->reason));
  } else if (word && !expired(word->expires_in)) {
    say(Scaling::released, fmt::format("released by {}{}: {}", word->actor, ends, word->reason));
  } else if (breaker.state == BreakerState::open) {
    say(Scaling::blocked, fmt::format("the breaker has been open for {}: {}",
                                      format_duration(breaker.state_age), breaker.reason));
  } else if (breaker.state == BreakerState::half_open) {
    say(Scaling::probing, fmt::format("the breaker is half open, one pod at a time: {}", breaker.reason));
  } else {
    std::string places;
    for (const ScopeBreaker& scope : breaker.scopes) {
      if (scope.state == BreakerState::closed) continue;
      places += fmt::format("{}{}: {}", places.empty() ? "" : "; ", scope.key, scope.reason);
    }
    if (!places.empty()) {
      say(Scaling::limited, "nothing is started at " + places);
    } else {
      say(Scaling::running, "the breaker is closed");
    }
  }
}

void count_starts(const Incident& incident, IncidentReport& report) {
  for (const StartRecord& start : incident.starts) {
    if (start.at <= report.now - report.window || !start.counts) continue;
    ++report.starts;
    report.failed_starts += start.success ? 0 : 1;
  }
}

/// A fault is over when starts succeed and it does not occur again.
void look_for_recovery(const Incident& incident, IncidentReport& report) {
  if (report.causes.empty()) return;
  for (const StartRecord& start : incident.starts) {
    if (!start.success || start.at <= report.causes.front().last) continue;
    ++report.recovered;
    report.recovered_at = std::min(report.recovered_at.value_or(start.at), start.at);
  }
}

void find_pattern(const Incident& incident, IncidentReport& report) {
  Pattern& pattern = report.pattern;
  pattern.bursts = bursts_of(incident.failures);
  pattern.period = period_of(pattern.bursts);
  if (pattern.bursts.empty()) return;
  const WallTime first = pattern.bursts.front().first;
  const WallTime half = first + (report.now - first) / 2;
  for (const FailedWorker& failed : incident.failures)
    ++(failed.at <= half ? pattern.earlier : pattern.later);
  pattern.changes = changes_of(failures_of(incident, report.causes.front()), incident.starts);
}

std::string headline_of(const IncidentReport& report) {
  if (report.failures == 0) return fmt::format("No failures in the last {}", format_duration(report.window));
  if (report.causes.empty()) return fmt::format("{} failed", many(report.failures, "worker"));
  const ReportedCause& lead = report.causes.front();
  std::string line =
      fmt::format("{} on {}, {}: {}", lead.cause, many(lead.pods, "pod"), format_usd(lead.cost_usd),
                  lead.evidence_line.empty() ? lead.summary : lead.evidence_line);
  if (report.recovered > 0) line += fmt::format(" (over since {})", format_time(*report.recovered_at));
  return line;
}

}  // namespace

std::string_view to_string(Scaling scaling) {
  switch (scaling) {
    case Scaling::running:
      return "running";
    case Scaling::limited:
      return "limited";
    case Scaling::probing:
      return "probing";
    case Scaling::blocked:
      return "blocked";
    case Scaling::released:
      return "released";
    case Scaling::held:
      return "held";
    case Scaling::paused:
      return "paused";
    case Scaling::no_daemon:
      return "no_daemon";
  }
  return "running";
}

IncidentReport make_report(const Incident& incident, Duration window, const ReportContext& context) {
  IncidentReport report;
  report.now = incident.db_now;
  report.window = window;
  report.live = incident.live;
  report.queue = incident.queue;
  report.failures = incident.failed;
  report.failures_usd = incident.failed_usd;
  report.spent_last_day_usd = incident.spent_last_day_usd;
  report.unread = std::max(0L, incident.failed - static_cast<long>(incident.failures.size()));
  tell_scaling(incident, report);
  count_starts(incident, report);
  report.causes = causes_of(incident);
  look_for_recovery(incident, report);
  find_pattern(incident, report);
  report.ruled_out = ruled_out(incident, report.causes);
  report.fixes = fixes_of(report, incident);
  report.next = next_of(report, incident, context);
  report.headline = headline_of(report);
  return report;
}

}  // namespace gpuwarden::diagnosis
