#include "database_clock.hpp"

#include <algorithm>

namespace gpuwarden::policy {
namespace {

/// More than an answer is late with all its repetitions, less than any deadline that somebody dies by.
constexpr Duration kJump{30'000};
/// Jumps that are remembered; and for how long, which no worker's deadline exceeds.
constexpr std::size_t kMostJumps = 8;
constexpr Duration kRemember{24 * 3'600'000};

/// Forward: remembered. Backward: what was ahead before is so no more.
void add_jump(Memory& memory, WallTime db_now, Duration step, MonoTime received) {
  auto& jumps = memory.clock_jumps;
  if (step > Duration{0}) {
    if (jumps.size() == kMostJumps) jumps.erase(jumps.begin());
    // Stamps of before lie at least a step behind; those of after are about as new as the snapshot.
    jumps.push_back({db_now - step / 2, step, received});
    return;
  }
  Duration back = -step;
  while (!jumps.empty() && back > Duration{0}) {
    const Duration taken = std::min(back, jumps.back().by);
    back -= taken;
    jumps.back().by -= taken;
    if (jumps.back().by < kJump) jumps.pop_back();
  }
}

}  // namespace

void note_database_clock(Memory& memory, const Snapshot& snapshot, MonoTime received) {
  auto& jumps = memory.clock_jumps;
  std::erase_if(jumps, [&](const Memory::ClockJump& jump) { return received - jump.seen > kRemember; });
  if (memory.clock_seen) {
    const Duration step =
        (snapshot.db_now - memory.clock_seen->database) - (received - memory.clock_seen->ours);
    if (step > kJump || step < -kJump) add_jump(memory, snapshot.db_now, step, received);
  }
  memory.clock_seen = {snapshot.db_now, received};
}

Duration jumped_ahead(const Memory& memory) {
  Duration sum{0};
  for (const Memory::ClockJump& jump : memory.clock_jumps) sum += jump.by;
  return sum;
}

std::optional<Snapshot> without_jumps(const Memory& memory, const Snapshot& snapshot) {
  if (memory.clock_jumps.empty()) return std::nullopt;
  const auto correct = [&](Duration& age) {
    const WallTime stamp = snapshot.db_now - age;
    for (const Memory::ClockJump& jump : memory.clock_jumps) {
      if (stamp < jump.between) age -= jump.by;
    }
    age = std::max(age, Duration{0});
  };
  Snapshot corrected = snapshot;
  for (Worker& worker : corrected.workers) {
    correct(worker.age);
    correct(worker.phase_age);
    if (worker.heartbeat_age) correct(*worker.heartbeat_age);
    if (worker.idle_for) correct(*worker.idle_for);
  }
  for (RunningTask& task : corrected.running) correct(task.running_for);
  return corrected;
}

}  // namespace gpuwarden::policy
