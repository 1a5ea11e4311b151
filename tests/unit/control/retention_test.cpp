#include <gtest/gtest.h>

#include "loop_world.hpp"

namespace gpuwarden::control {
namespace {

struct RetentionOfTheLoop : testing::Test {
  LoopWorld world;
  LoopSettings settings = LoopWorld::settings();
  void run_for(Duration time) {
    ControlLoop loop(world.environment(), settings);
    world.start(loop.run());
    world.advance(time);
    loop.stop();
    world.advance(15s);
  }
};

TEST_F(RetentionOfTheLoop, PrunesWhenItBeginsToLeadAndThenEveryHour) {
  settings.control.failure_retention = std::chrono::days(7);
  world.store.old_rows = {{2, 3}};
  run_for(2h + 30min);
  ASSERT_EQ(world.store.pruned.size(), 3U);
  EXPECT_EQ(world.store.pruned.front(), std::chrono::days(7));
  EXPECT_EQ(world.log.count("pruned"), 1) << "nothing is said of nothing";
  EXPECT_EQ(world.log.field("pruned", "failures"), "2");
  EXPECT_EQ(world.log.field("pruned", "events"), "3");
}

TEST_F(RetentionOfTheLoop, GoesOnBatchByBatchOneATick) {
  world.store.old_rows = {{1000, 0}, {200, 800}, {0, 17}};
  ControlLoop loop(world.environment(), settings);
  world.start(loop.run());
  world.advance(1s);
  EXPECT_EQ(world.store.pruned.size(), 1U);
  world.advance(settings.control.poll);
  EXPECT_EQ(world.store.pruned.size(), 2U);
  world.advance(settings.control.poll * 5);
  loop.stop();
  world.advance(15s);
  EXPECT_EQ(world.store.pruned.size(), 3U);
  EXPECT_EQ(world.log.count("pruned"), 1) << "one line for the round";
  EXPECT_EQ(world.log.field("pruned", "failures"), "1200");
  EXPECT_EQ(world.log.field("pruned", "events"), "817");
}

TEST_F(RetentionOfTheLoop, LeavesItToTheLeader) {
  world.store.state.leader.leading = false;
  run_for(10min);
  EXPECT_TRUE(world.store.pruned.empty());
}

TEST_F(RetentionOfTheLoop, ASlowBatchDelaysNoTickAndIsNotBegunTwice) {
  int running = 0, most = 0;
  world.store.before = [&](std::string_view method) -> boost::asio::awaitable<void> {
    if (method != "prune") co_return;
    most = std::max(most, ++running);
    co_await world.clock.sleep_for(3h);
    --running;
  };
  ControlLoop loop(world.environment(), settings);
  world.start(loop.run());
  world.advance(90min);
  EXPECT_EQ(world.store.count("snapshot"), 90 * 60 / 5 + 1);
  EXPECT_EQ(most, 1);
  EXPECT_EQ(world.store.pruned.size(), 1U);
  loop.stop();
  world.advance(100ms);
  EXPECT_EQ(world.store.count("resign"), 1) << "the end waits for no batch";
  EXPECT_EQ(world.log.count("prune_failed"), 0);
  world.advance(15s);
}

TEST_F(RetentionOfTheLoop, AFailureIsToldAndTriedAgainAnHourLater) {
  world.store.on_prune = [](const ports::Fence&, Duration) -> Result<ports::Pruned> {
    return fail(ErrorKind::not_found, "there is no function gpuwarden_prune");
  };
  run_for(61min);
  EXPECT_EQ(world.store.pruned.size(), 2U);
  EXPECT_EQ(world.log.field("prune_failed", "error"), "there is no function gpuwarden_prune");
}

}  // namespace
}  // namespace gpuwarden::control
