#include "control/observe.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "loop_world.hpp"

namespace gpuwarden::control {
namespace {

struct Observe : testing::Test {
  LoopWorld world;
  Context context{world.environment(), LoopWorld::settings()};

  Worker& row(int n, WorkerStatus status) {
    Worker worker;
    worker.id = make_worker_id("default", fakes::FakeClock::kWallStart, static_cast<std::uint32_t>(n));
    worker.status = status;
    worker.pod = PodId("pod-" + std::to_string(n));
    context.bring_ups[worker.id] = std::make_shared<RunningBringUp>();
    world.store.state.workers.push_back(worker);
    return world.store.state.workers.back();
  }
  bool called_off(int n) {
    return context
        .bring_ups[make_worker_id("default", fakes::FakeClock::kWallStart, static_cast<std::uint32_t>(n))]
        ->cancelled;
  }
  policy::Observation look() { return world.finish(observe(context, true)); }
};

TEST_F(Observe, CallsOffBringUpsOfWorkersThatAreNotSpawningAnyMore) {
  row(1, WorkerStatus::spawning);
  row(2, WorkerStatus::active);
  row(3, WorkerStatus::error);
  row(4, WorkerStatus::spawning);
  world.store.state.workers.pop_back();  // the row has ended
  const policy::Observation seen = look();
  EXPECT_FALSE(called_off(1));
  EXPECT_TRUE(called_off(2));
  EXPECT_TRUE(called_off(3));
  EXPECT_TRUE(called_off(4));
  EXPECT_TRUE(seen.bringing_up.contains(world.store.state.workers.front().id));
}

TEST_F(Observe, CallsOffAllBringUpsWhenAnotherDaemonLeads) {
  row(1, WorkerStatus::spawning);
  world.store.state.leader.leading = false;
  look();
  EXPECT_TRUE(called_off(1));
}

TEST_F(Observe, LetsBringUpsGoOnWhileTheDatabaseCannotBeRead) {
  row(1, WorkerStatus::spawning);
  world.store.outage = Error{ErrorKind::unavailable, "down", 503, "", {}};
  look();
  EXPECT_FALSE(called_off(1));
}

TEST_F(Observe, KeepsAPinAsLongAsTheWorkersRowWhateverAListLacks) {
  row(1, WorkerStatus::active);
  context.pins[PodId("pod-1")].sha256 = {"SHA256:a"};
  context.pins[PodId("pod-2")].sha256 = {"SHA256:b"};
  look();  // the list has neither
  EXPECT_TRUE(context.pins.contains(PodId("pod-1")));
  EXPECT_FALSE(context.pins.contains(PodId("pod-2")));
}

}  // namespace
}  // namespace gpuwarden::control
