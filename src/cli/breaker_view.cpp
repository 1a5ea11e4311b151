#include "breaker_view.hpp"

#include <algorithm>
#include <map>
#include <vector>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "table.hpp"

namespace gpuwarden::cli {
namespace {

/// Starts of the window. `counted`: since the breaker's last change of state; only those are evidence.
struct Starts {
  long all{0}, failed{0}, counted{0}, counted_failed{0};
  std::map<std::string, long> causes;
  const StartOutcome* newest{nullptr};  ///< failure
};

Starts starts_of(const Snapshot& snapshot, Duration window) {
  Starts starts;
  for (const StartOutcome& outcome : snapshot.outcomes) {
    if (outcome.age > window) continue;
    const bool counts = outcome.generation == snapshot.breaker.generation;
    ++starts.all;
    starts.counted += counts ? 1 : 0;
    if (outcome.success) continue;
    ++starts.failed;
    starts.counted_failed += counts ? 1 : 0;
    ++starts.causes[std::string(to_string(outcome.cause))];
    if (starts.newest == nullptr || outcome.age < starts.newest->age) starts.newest = &outcome;
  }
  return starts;
}

/// When a canary may start; none where that is no question of time.
std::optional<Duration> canary_in(BreakerState state, Duration age, Duration pause) {
  if (state != BreakerState::open) return std::nullopt;
  return std::max(Duration{0}, pause - age);
}

Json seconds_or_null(const std::optional<Duration>& duration) {
  return duration ? Json(seconds(*duration)) : Json(nullptr);
}

std::string share(long failed, long all) {
  return all == 0 ? "" : fmt::format(" ({} %)", (failed * 100 + all / 2) / all);
}

void print_next(const BreakerMemory& breaker, Output& output) {
  const auto wait = canary_in(breaker.state, breaker.state_age, breaker.pause);
  if (wait) {
    output.out << "Canary    "
               << (*wait > Duration{0} ? "one pod is tried in " + format_duration(*wait)
                                       : std::string("one pod is tried with the next tick"))
               << "\n";
  } else if (breaker.state == BreakerState::half_open) {
    output.out << fmt::format(
        "Canary    {}; {} came up so far\n",
        breaker.canary.empty() ? "none is on its way" : printable(breaker.canary.str()) + " is on its way",
        breaker.canary_successes);
  }
}

void print_starts(const Snapshot& snapshot, Duration window, Output& output) {
  const Starts starts = starts_of(snapshot, window);
  output.out << fmt::format(
      "Starts    {} in the last {}, {} failed{}; since its last change {}, {} failed{}\n", starts.all,
      format_duration(window), starts.failed, share(starts.failed, starts.all), starts.counted,
      starts.counted_failed, share(starts.counted_failed, starts.counted));
  if (starts.newest == nullptr) return;
  std::string causes;
  for (const auto& [cause, count] : starts.causes)
    causes += fmt::format("{}{} {}", causes.empty() ? "" : ", ", count, cause);
  const Placement& place = starts.newest->placement;
  output.out << fmt::format("Failed    {}; newest {} ago: {} on {}{}\n", causes,
                            format_duration(starts.newest->age), printable(starts.newest->worker.str()),
                            place.gpu.empty() ? "an unknown GPU" : printable(place.gpu),
                            place.data_center.empty() ? "" : " in " + printable(place.data_center));
}

void print_scopes(const Snapshot& snapshot, Output& output) {
  const std::vector<ScopeBreaker> scopes = troubled(snapshot);
  if (scopes.empty()) return;
  output.out << "\nPlaces with a breaker of their own; the others go on\n";
  Table table({{"WHAT", false, true}, {"STATE"}, {"FOR", true}, {"CANARY IN", true}, {"WHY", false, true}});
  for (const ScopeBreaker& scope : scopes) {
    const Duration age = std::max(Duration{0}, Duration(snapshot.db_now - scope.since));
    const auto wait = canary_in(scope.state, age, scope.pause);
    table.add({{scope.key, Colour::bold},
               {std::string(to_string(scope.state)), Colour::red},
               {format_duration(age)},
               {wait ? format_duration(*wait) : ""},
               {scope.reason}});
  }
  table.print(output.out, output.width, output.colour, "  ");
}

}  // namespace

std::vector<ScopeBreaker> troubled(const Snapshot& snapshot) {
  std::vector<ScopeBreaker> scopes = snapshot.breaker.scopes;
  std::erase_if(scopes, [](const ScopeBreaker& scope) { return scope.state == BreakerState::closed; });
  return scopes;
}

Json override_json(const std::optional<BreakerOverride>& override_row) {
  if (!override_row) return nullptr;
  return {{"kind", override_row->kind == BreakerOverride::Kind::hold ? "hold" : "release"},
          {"actor", override_row->actor},
          {"reason", override_row->reason},
          {"expires_in_s", seconds_or_null(override_row->expires_in)}};
}

std::string override_text(const BreakerOverride& override_row) {
  return fmt::format(
      "{} by {} {}: {}", override_row.kind == BreakerOverride::Kind::hold ? "held" : "released",
      printable(override_row.actor),
      override_row.expires_in ? fmt::format("for {} more", format_duration(*override_row.expires_in))
                              : std::string("without an end"),
      printable(override_row.reason));
}

Json breaker_view(const Snapshot& snapshot, Duration window) {
  const BreakerMemory& breaker = snapshot.breaker;
  const Starts starts = starts_of(snapshot, window);
  Json scopes = Json::array();
  for (const ScopeBreaker& scope : troubled(snapshot)) {
    const Duration age = std::max(Duration{0}, Duration(snapshot.db_now - scope.since));
    scopes.push_back({{"key", scope.key},
                      {"state", to_string(scope.state)},
                      {"since", format_time(scope.since)},
                      {"pause_s", seconds(scope.pause)},
                      {"canary_in_s", seconds_or_null(canary_in(scope.state, age, scope.pause))},
                      {"canary_successes", scope.canary_successes},
                      {"reason", scope.reason}});
  }
  return {{"at", format_time_ms(snapshot.db_now)},
          {"state", to_string(breaker.state)},
          {"generation", breaker.generation},
          {"since", format_time(snapshot.db_now - breaker.state_age)},
          {"state_age_s", seconds(breaker.state_age)},
          {"pause_s", seconds(breaker.pause)},
          {"canary_in_s", seconds_or_null(canary_in(breaker.state, breaker.state_age, breaker.pause))},
          {"canary", text_or_null(breaker.canary.str())},
          {"canary_successes", breaker.canary_successes},
          {"reason", breaker.reason},
          {"override", override_json(snapshot.breaker_override)},
          {"evidence",
           {{"window_s", seconds(window)},
            {"starts", starts.all},
            {"failed", starts.failed},
            {"starts_since_change", starts.counted},
            {"failed_since_change", starts.counted_failed},
            {"causes", starts.causes}}},
          {"scopes", std::move(scopes)}};
}

void print_breaker(const Snapshot& snapshot, Duration window, Output& output) {
  const BreakerMemory& breaker = snapshot.breaker;
  const bool closed = breaker.state == BreakerState::closed;
  // Without a row there never was a change of state.
  const bool since = breaker.state_age > Duration{0};
  output.out << "Breaker   "
             << paint(to_string(breaker.state), closed ? Colour::green : Colour::red, output.colour)
             << (since ? fmt::format(" for {}, since {}", format_duration(breaker.state_age),
                                     format_time(snapshot.db_now - breaker.state_age))
                       : std::string())
             << fmt::format(" (generation {})\n", breaker.generation);
  if (!breaker.reason.empty()) output.out << "Why       " << printable(breaker.reason) << "\n";
  if (snapshot.breaker_override)
    output.out << "Override  "
               << paint(override_text(*snapshot.breaker_override), Colour::yellow, output.colour) << "\n";
  if (!snapshot.breaker_override) print_next(breaker, output);
  print_starts(snapshot, window, output);
  print_scopes(snapshot, output);
  if (snapshot.switches.paused)
    output.out << fmt::format("\nThe fleet is paused by {}: {}. To end it: gpuwarden resume\n",
                              printable(snapshot.switches.paused_by),
                              printable(snapshot.switches.pause_reason));
}

}  // namespace gpuwarden::cli
