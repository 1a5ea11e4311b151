#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "simulation/invariants.hpp"
#include "simulation/profile.hpp"
#include "simulation/scenario.hpp"

namespace gpuwarden::simulation {

struct RunOptions {
  std::uint64_t seed{1};
  double hours{0};  ///< of faults; 0 = by the seed
  std::set<FaultGroup> groups;
  /// A story without chance instead of drawn faults.
  const Scenario* scenario{nullptr};
  CrashAt crash{};
  /// Told of each line of the trace.
  std::function<void(MonoTime at, std::string_view what)> on_note{};
  /// Called once, in the middle of the run: for tests of the harness itself.
  std::function<void(Universe&, Daemons&)> sabotage{};
};

struct RunResult {
  std::uint64_t seed{0};
  const Scenario* scenario{nullptr};
  CrashAt crash{};
  std::optional<Violation> violation;
  std::vector<Trace::Line> trace;  ///< the newest lines, with a violation
  std::uint64_t hash{0};
  std::uint64_t events{0}, kills{0}, daemons{0};
  double hours{0};
  Duration converged_after{0};  ///< from the healing on
  int changing_calls{0};        ///< of a story
  Invariants::Figures figures;
  std::map<std::string, std::uint64_t, std::less<>> probes;
};

/// One world from its first to its last event: faults for so many hours, then everything is healed and the
/// fleet has to come to rest. The same result for the same options, to the last event.
RunResult run(const RunOptions& options);

}  // namespace gpuwarden::simulation
