#include "simulation/batch.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>
#include <utility>

namespace gpuwarden::simulation {

void Totals::add(RunResult result) {
  ++runs;
  events += result.events;
  ticks += result.figures.ticks;
  effects += result.figures.effects;
  pods += result.figures.pods;
  kills += result.kills;
  daemons += result.daemons;
  hours += result.hours;
  pod_hours += result.figures.pod_hours;
  slowest_convergence = std::max(slowest_convergence, result.converged_after);
  for (const auto& [name, count] : result.probes) probes[name] += count;
  if (result.violation) failed.push_back(std::move(result));
}

Totals run_all(const std::vector<RunOptions>& runs, unsigned jobs,
               const std::function<void(const RunResult&, const Totals&)>& progress) {
  Totals totals;
  std::mutex mutex;
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    while (true) {
      const std::size_t index = next++;
      if (index >= runs.size()) return;
      RunResult result = run(runs[index]);
      const std::lock_guard lock(mutex);
      if (progress) progress(result, totals);
      totals.add(std::move(result));
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < jobs; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  std::sort(totals.failed.begin(), totals.failed.end(),
            [](const RunResult& a, const RunResult& b) { return a.seed < b.seed; });
  return totals;
}

std::vector<RunOptions> crashes_of(const Scenario& scenario) {
  std::vector<RunOptions> runs(1);
  runs.front().scenario = &scenario;
  const int calls = run(runs.front()).changing_calls;
  for (int call = 1; call <= calls; ++call) {
    for (const auto& [name, how] : kCrashKinds) {
      runs.push_back(runs.front());
      runs.back().crash = {call, how};
    }
  }
  return runs;
}

}  // namespace gpuwarden::simulation
