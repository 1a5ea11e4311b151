#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "simulation/call.hpp"
#include "simulation/universe.hpp"

namespace gpuwarden::simulation {

/// A small story without chance, told again and again with one crash in each place.
struct Scenario {
  std::string_view name, meaning;
  void (*shape)(Profile& profile);
  /// Plans what happens to the world.
  void (*begin)(Universe& universe);
  /// What keeps the n-th pod (from 1) from its first heartbeat.
  std::optional<FailureCause> (*start)(int nth);
  /// Fate of the n-th call (from 1) that changes something; none = done.
  std::optional<Fate::Kind> (*call)(std::string_view call, int nth);
};
const std::vector<Scenario>& scenarios();

/// Where the daemon is killed: right after the effect of the n-th call that changes something (from 1), whose
/// own fate is `kind`.
struct CrashAt {
  int call{0};  ///< 0 = nowhere
  Fate::Kind kind{Fate::Kind::done};
};

/// True for calls that change something worth a crash.
bool changes_something(Service service, std::string_view call);

}  // namespace gpuwarden::simulation
