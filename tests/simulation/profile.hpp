#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "gpuwarden/control/environment.hpp"

#include "simulation/random.hpp"
#include "simulation/store.hpp"

namespace gpuwarden::simulation {

/// Groups of faults that `--faults` names.
enum class FaultGroup { runpod, supabase, pods, daemon, operators };
/// "none", "all", or names of groups joined by commas; none = not understood.
std::optional<std::set<FaultGroup>> parse_faults(std::string_view text);

/// How the requests to one service fare.
struct Losses {
  double lost{0};             ///< request or reply lost, or nobody there
  double refused{0};          ///< 5xx without effect
  double failed_but_done{0};  ///< 5xx with effect
  Duration latency{60};       ///< one way, on average
};

/// What goes wrong in one run, and how often. Rates are per simulated hour; zero = never.
struct Faults {
  Losses supabase, runpod, ssh;
  double request_duplicates{0};

  double database_outages{0};
  Duration database_outage_longest{0};
  std::vector<DatabaseWeather::Fault> database_faults;
  bool database_slow{false};

  double cloud_episodes{0};      ///< down, no list, partial lists, 429, sold out, no balance, key refused
  Duration list_lag_longest{0};  ///< of new pods
  double late_create{0}, undeletable{0}, slow_deletes{0};

  double start_fails{0};      ///< share of starts
  double pod_death_rate{0};   ///< of each pod
  double bad_releases{0};     ///< for a while every start fails in the same way
  double bad_places{0};       ///< or every start in one place
  double mass_silences{0};    ///< all heartbeats stay away for a while
  double mass_deaths{0};      ///< most pods end at once
  double pod_calls_lost{0};   ///< share of the pods' calls whose answer is lost
  double slow_starts{0};      ///< share of starts that take much longer
  double odd_completions{0};  ///< share of pods whose completions stall or arrive twice

  double crashes{0}, stalls{0}, wall_jumps{0}, second_daemons{0};
  double operator_presses{0};
};

struct TaskMix {
  double arrivals{0};  ///< trickle, per hour
  double bursts{0};    ///< per hour
  int burst_most{0};
  Duration longest{0};
  double fails{0}, kills{0}, never_ends{0}, poison{0}, cancelled{0};
  double api_claims{0};  ///< per hour: an API worker takes a task, and half of these never end it
};

/// Everything that is drawn for a run before it begins.
struct Profile {
  std::uint64_t seed{0};
  Duration length{0};
  std::set<FaultGroup> groups;
  control::LoopSettings settings;
  Faults faults;
  TaskMix tasks;
};

/// The same for the same arguments, on every machine. `hours` 0 = drawn.
Profile draw_profile(std::uint64_t seed, const std::set<FaultGroup>& groups, double hours);

inline constexpr const char* kOwner = "sim";

}  // namespace gpuwarden::simulation
