// Time and memory of decide() on large fleets.
//   decide_bench [--workers N] [--ticks N]     prints a table; target: p99 <= 10 ms with 10,000 workers,
//   optimised decide_bench --check-growth ...            ends with 1 when a tick leaves more memory than one
//   before it did
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <time.h>

#include "gpuwarden/policy/decide.hpp"

#include "heap_count.hpp"

namespace gpuwarden::bench {
namespace {

using namespace std::chrono_literals;

constexpr int kTypes = 50, kTasksAWorker = 10, kOutcomes = 2000, kTombstones = 200, kWarmUp = 20;
constexpr double kMedian = 0.5, kTail = 0.99;

struct Shape {
  const char* name;
  bool timed;     ///< sized by time, with cost limits
  bool eventful;  ///< one worker in ten crashes, one in ten is silent, nobody is needed
};

WorkerId id_of(int n) {
  return make_worker_id("default", WallTime{1'700'000'000'000ms}, static_cast<std::uint32_t>(n));
}

std::string type_of(int n) {
  return "task_type_" + std::to_string(n % kTypes);
}

void add_worker(policy::Observation& seen, int n, const Shape& shape) {
  Snapshot& snapshot = *seen.snapshot;
  Worker worker;
  worker.id = id_of(n);
  worker.pod = PodId("pod" + std::to_string(n));
  worker.age = worker.phase_age = 1h;
  worker.placement = seen.offers[static_cast<std::size_t>(n) % seen.offers.size()].placement;
  worker.cost_per_hr = worker.placement.price_per_hr;
  worker.script_hash = "s1";
  worker.generation = 1;
  worker.proven = true;
  worker.heartbeat_age = 3s;
  worker.status = WorkerStatus::active;
  if (n % 20 == 7) {
    worker.status = WorkerStatus::spawning;
    worker.phase = Phase::bootstrapping;
    worker.step = BootStep::setup;
    worker.heartbeat_age.reset();
    worker.proven = false;
    worker.age = 200s;
  } else if (n % 20 == 8) {
    worker.status = WorkerStatus::terminating;
    worker.phase = Phase::draining;
    worker.phase_age = 10s;
  } else if (n % 4 == 0) {
    worker.phase = Phase::idle;
    worker.idle_for = shape.eventful ? Duration(1h) : Duration(1s);
  } else {
    worker.phase = Phase::busy;
  }
  if (worker.phase == Phase::busy || worker.phase == Phase::draining) {
    worker.tasks.emplace_back("00000000-0000-0000-0000-" + std::to_string(100'000'000'000 + n));
    snapshot.running.push_back({worker.tasks.front(), type_of(n), worker.id, 1, 30s});
    ++snapshot.queue.running;
    ++snapshot.queue.by_type[type_of(n)].running;
  }
  if (shape.eventful && n % 10 == 1) worker.crash = CrashReport{std::nullopt, 1, "", {"Traceback"}, 3s};
  if (shape.eventful && n % 10 == 2) worker.heartbeat_age = 10min;
  Pod pod;
  pod.id = worker.pod;
  pod.name = worker.id.str();
  pod.status = PodStatus::running;
  pod.status_text = "RUNNING";
  pod.ssh = SshEndpoint{"192.0.2.1", 22, "root"};
  pod.uptime = worker.age;
  pod.gpu = worker.placement.gpu;
  pod.cost_per_hr = worker.cost_per_hr;
  seen.pods->push_back(std::move(pod));
  snapshot.workers.push_back(std::move(worker));
}

policy::Observation fleet_of(int workers, const Shape& shape) {
  policy::Observation seen;
  Snapshot& snapshot = seen.snapshot.emplace();
  snapshot.db_now = WallTime{1'700'000'000'000ms};
  snapshot.leader = {true, 1, "us"};
  seen.pods.emplace();
  for (int i = 0; i < 12; ++i) {
    policy::Offer offer;
    offer.placement.gpu = "NVIDIA GeForce RTX 40" + std::to_string(i);
    offer.placement.data_center = "EU-RO-" + std::to_string(i);
    offer.placement.price_per_hr = 0.4 + 0.01 * i;
    offer.stock = StockLevel::low;
    offer.preference = i;
    seen.offers.push_back(std::move(offer));
  }
  const long queued = shape.eventful ? 0 : static_cast<long>(workers) * kTasksAWorker;
  for (int i = 0; i < kTypes; ++i) {
    snapshot.queue.by_type[type_of(i)].queued = queued / kTypes;
    snapshot.pace[type_of(i)] = {60s + i * 1s, 50};
  }
  snapshot.queue.queued = queued;
  for (int i = 0; i < workers; ++i) add_worker(seen, i, shape);
  for (int i = 0; i < kOutcomes; ++i) {
    StartOutcome outcome;
    outcome.worker = id_of(1'000'000 + i);
    outcome.success = i % 10 != 3;
    outcome.cause = FailureCause::pod_error;
    outcome.placement = seen.offers[static_cast<std::size_t>(i) % seen.offers.size()].placement;
    outcome.script_hash = "s1";
    outcome.generation = 1;
    outcome.age = i * 1s;
    snapshot.outcomes.push_back(std::move(outcome));
  }
  for (int i = 0; i < kTombstones; ++i)
    snapshot.tombstones.push_back({id_of(2'000'000 + i), PodId("gone" + std::to_string(i)), i * 60s});
  return seen;
}

/// Five seconds later: heartbeats have come in where they do.
void pass(policy::Observation& seen, bool eventful) {
  Snapshot& snapshot = *seen.snapshot;
  snapshot.db_now += 5s;
  for (Pod& pod : *seen.pods) *pod.uptime += 5s;
  if (eventful) {
    for (Worker& worker : snapshot.workers) {
      if (worker.heartbeat_age && *worker.heartbeat_age > 1min) *worker.heartbeat_age += 5s;
    }
  }
}

/// Of one kind of time, in milliseconds.
struct Times {
  std::vector<double> sorted;

  double part(double of_all) const {
    return sorted[std::min(sorted.size() - 1,
                           static_cast<std::size_t>(static_cast<double>(sorted.size()) * of_all))];
  }
};

struct Figures {
  Times wall, cpu;
  double allocations{0};
  std::size_t live_bytes{0}, actions{0};
  /// Live bytes after a tick: of all, and the most of either half of the ticks.
  std::size_t least_live{SIZE_MAX}, most_before{0}, most_after{0};
};

/// What this process has computed: a busy machine changes it less than the time that passes.
double cpu_ms() {
  timespec spent{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
  return static_cast<double>(spent.tv_sec) * 1e3 + static_cast<double>(spent.tv_nsec) / 1e6;
}

Figures measure(int workers, int ticks, const Shape& shape) {
  policy::Observation seen = fleet_of(workers, shape);
  policy::Settings settings;
  settings.script_hash = "s1";
  settings.max_active = workers;
  if (shape.timed) {
    settings.queue_drain_target = 600s;
    settings.max_hourly_cost_usd = settings.max_daily_cost_usd = 1e9;
  }
  MonoTime now{1000s};
  policy::Memory memory;
  Figures figures;
  figures.wall.sorted.reserve(static_cast<std::size_t>(ticks));
  figures.cpu.sorted.reserve(static_cast<std::size_t>(ticks));
  const std::size_t before = heap_count().live_bytes;
  for (int tick = -kWarmUp; tick < ticks; ++tick) {
    now += settings.poll;
    pass(seen, shape.eventful);
    const std::size_t calls = heap_count().allocations;
    const auto began = std::chrono::steady_clock::now();
    const double cpu_began = cpu_ms();
    policy::Decision decision = policy::decide(seen, std::move(memory), settings, now, 1);
    memory = std::move(decision.memory);
    const double cpu = cpu_ms() - cpu_began;
    const std::chrono::duration<double, std::milli> wall = std::chrono::steady_clock::now() - began;
    figures.actions = decision.plan.actions.size();
    decision = {};
    if (tick < 0) continue;
    figures.wall.sorted.push_back(wall.count());
    figures.cpu.sorted.push_back(cpu);
    figures.allocations += static_cast<double>(heap_count().allocations - calls) / ticks;
    figures.live_bytes = heap_count().live_bytes - before;
    figures.least_live = std::min(figures.least_live, figures.live_bytes);
    std::size_t& most = tick < ticks / 2 ? figures.most_before : figures.most_after;
    most = std::max(most, figures.live_bytes);
  }
  std::sort(figures.wall.sorted.begin(), figures.wall.sorted.end());
  std::sort(figures.cpu.sorted.begin(), figures.cpu.sorted.end());
  return figures;
}

int run(int workers, int ticks, bool check_growth) {
  constexpr Shape kShapes[] = {{"counted", false, false}, {"timed", true, false}, {"eventful", true, true}};
  std::printf("%-10s %8s %8s %8s %10s %10s %10s %10s %12s %12s %8s\n", "fleet", "workers", "pods", "queued",
              "p50 ms", "p99 ms", "p50 cpu ms", "p99 cpu ms", "allocations", "live bytes", "actions");
  bool grows = false;
  for (const Shape& shape : kShapes) {
    const Figures figures = measure(workers, ticks, shape);
    std::printf("%-10s %8d %8d %8d %10.2f %10.2f %10.2f %10.2f %12.0f %12zu %8zu\n", shape.name, workers,
                workers, shape.eventful ? 0 : workers * kTasksAWorker, figures.wall.part(kMedian),
                figures.wall.part(kTail), figures.cpu.part(kMedian), figures.cpu.part(kTail),
                figures.allocations, figures.live_bytes, figures.actions);
    // Where nothing happens every tick leaves the same; where much happens it swings, but no higher.
    const std::size_t most = std::max(figures.most_before, figures.most_after);
    const bool higher =
        shape.eventful ? figures.most_after > figures.most_before : most != figures.least_live;
    if (!higher) continue;
    std::printf("  grows: %zu to %zu bytes live between ticks, %zu in the first half\n", figures.least_live,
                most, figures.most_before);
    grows = true;
  }
  return check_growth && grows ? 1 : 0;
}

}  // namespace
}  // namespace gpuwarden::bench

int main(int argc, char** argv) {
  int workers = 10'000, ticks = 400;
  bool check_growth = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--check-growth") {
      check_growth = true;
    } else if (word == "--workers" && i + 1 < argc) {
      workers = std::max(1, std::atoi(argv[++i]));
    } else if (word == "--ticks" && i + 1 < argc) {
      ticks = std::max(1, std::atoi(argv[++i]));
    } else {
      std::fputs("usage: decide_bench [--workers N] [--ticks N] [--check-growth]\n", stderr);
      return 2;
    }
  }
  return gpuwarden::bench::run(workers, ticks, check_growth);
}
