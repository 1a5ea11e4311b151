#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "simulation/simulation.hpp"

namespace gpuwarden::simulation {

/// What many runs come to.
struct Totals {
  std::uint64_t runs{0}, events{0}, ticks{0}, effects{0}, kills{0}, daemons{0}, pods{0};
  double hours{0}, pod_hours{0};
  Duration slowest_convergence{0};
  std::map<std::string, std::uint64_t, std::less<>> probes;
  std::vector<RunResult> failed;

  void add(RunResult result);
};

/// Runs all of them on so many threads. `progress` is told of each result, one at a time, in no order.
Totals run_all(const std::vector<RunOptions>& runs, unsigned jobs,
               const std::function<void(const RunResult&, const Totals&)>& progress = {});

/// All runs of a story with one mishap: each of `CrashAt::How` at each call that changes something. The first
/// one is without any.
std::vector<RunOptions> crashes_of(const Scenario& scenario);

}  // namespace gpuwarden::simulation
