#include <benchmark/benchmark.h>

#include "fakes/world.hpp"

namespace gpuwarden::policy {
namespace {

using namespace fakes;

Observation fleet_of(int workers, bool eventful) {
  World world;
  world.snapshot.workers.reserve(static_cast<std::size_t>(workers));
  for (int i = 0; i < workers; ++i) {
    Worker& worker = i % 4 == 0 ? world.idle(eventful ? Duration(1h) : Duration(1s)) : world.busy();
    if (eventful && i % 10 == 1) worker.crash = CrashReport{std::nullopt, 1, "", {"Traceback"}, 3s};
    if (eventful && i % 10 == 2) worker.heartbeat_age = 10min;
  }
  world.snapshot.queue.queued = eventful ? 0 : workers / 4;
  Observation seen;
  seen.snapshot = std::move(world.snapshot);
  seen.pods = std::move(world.pods);
  seen.offers = std::move(world.offers);
  return seen;
}

/// One tick of a fleet that the daemon has watched for a while; a quiet one, and one full of trouble.
void decide_fleet(benchmark::State& state) {
  const Observation seen = fleet_of(static_cast<int>(state.range(0)), state.range(1) != 0);
  Settings settings;
  settings.script_hash = "s1";
  settings.max_active = 20000;
  MonoTime now{1000s};
  Memory memory;
  std::size_t actions = 0;
  for (auto _ : state) {
    now += settings.poll;
    Decision decision = decide(seen, std::move(memory), settings, now, 1);
    memory = std::move(decision.memory);
    actions = decision.plan.actions.size();
  }
  state.counters["actions"] = static_cast<double>(actions);
}
BENCHMARK(decide_fleet)
    ->ArgNames({"workers", "eventful"})
    ->ArgsProduct({{10, 200, 1000, 10000}, {0, 1}})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace gpuwarden::policy

BENCHMARK_MAIN();
