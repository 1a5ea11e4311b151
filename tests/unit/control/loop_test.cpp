#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gpuwarden/bootstrap/script.hpp"

#include "loop_world.hpp"

namespace gpuwarden::control {
namespace {

/// `count` active, idle workers with fresh heartbeats, and their pods.
void add_fleet(LoopWorld& world, int count) {
  for (int i = 0; i < count; ++i) {
    PodSpec spec;
    spec.name = make_worker_id("default", fakes::FakeClock::kWallStart, static_cast<std::uint32_t>(i)).str();
    const Pod pod = world.provider.add_pod(spec);
    Worker worker;
    worker.id = WorkerId(spec.name);
    worker.status = WorkerStatus::active;
    worker.phase = Phase::idle;
    worker.pod = pod.id;
    worker.proven = true;
    worker.age = 10min;
    worker.heartbeat_age = 1s;
    worker.idle_for = 1s;
    world.store.state.workers.push_back(worker);
  }
}

struct Loop : testing::Test {
  LoopWorld world;
};

TEST_F(Loop, Case05ATickCostsTheSameTwoRequestsForTenAndForTwoHundredWorkers) {
  for (const int count : {10, 200}) {
    LoopWorld fresh;
    LoopSettings settings = LoopWorld::settings();
    settings.policy.min_active = count;
    settings.policy.max_active = count;
    add_fleet(fresh, count);
    ControlLoop loop(fresh.environment(), settings);
    fresh.start(loop.run());
    fresh.advance(1s);
    const long store_before = static_cast<long>(fresh.store.calls.size());
    const long provider_before = static_cast<long>(fresh.provider.calls.size());
    fresh.advance(50s);
    EXPECT_EQ(static_cast<long>(fresh.store.calls.size()) - store_before, 10) << count;
    EXPECT_EQ(static_cast<long>(fresh.provider.calls.size()) - provider_before, 10) << count;
    loop.stop();
    fresh.advance(15s);
  }
}

TEST_F(Loop, AQueuedTaskBringsAPodAndTheScriptIsLaunchedOverSsh) {
  world.store.state.queue.queued = 1;
  world.shell.on_run = [this](ports::ShellCommand command) -> ports::Async<ports::ShellResult> {
    if (command.stdin_data.empty()) co_return ports::ShellResult{bootstrap::kNotStarted, ""};
    command.on_stdout("@gpuwarden {\"v\":1,\"worker\":\"" + world.provider.created.front().name +
                      "\",\"step\":\"start\",\"event\":\"end\",\"t\":\"\",\"exit\":0,\"tail\":[]}\n");
    co_return ports::ShellResult{0, ""};
  };
  ControlLoop loop(world.environment(), LoopWorld::settings());
  world.start(loop.run());
  world.advance(30s);
  EXPECT_EQ(world.provider.count("create"), 1);
  ASSERT_FALSE(world.shell.commands.empty());
  EXPECT_FALSE(world.store.token_hashes.empty());
  for (const std::string& command : world.shell.commands) {
    EXPECT_THAT(command, testing::Not(testing::HasSubstr("token-of-a-test"))) << "Case16: never in argv";
  }
  EXPECT_EQ(world.store.state.workers.front().phase, Phase::awaiting_heartbeat);
  loop.stop();
  world.advance(15s);
}

TEST_F(Loop, AWorkerThatWorksIsNotFailedByTheBringUpThatOutlivesItsFirstHeartbeat) {
  world.store.state.queue.queued = 1;
  bool launched = false;
  world.shell.on_run = [&](ports::ShellCommand command) -> ports::Async<ports::ShellResult> {
    if (command.stdin_data.empty() && !launched) co_return ports::ShellResult{bootstrap::kNotStarted, ""};
    launched = true;
    co_await world.clock.sleep_for(30s);
    co_return fail(ErrorKind::timeout, "the connection is gone");
  };
  ControlLoop loop(world.environment(), LoopWorld::settings());
  world.start(loop.run());
  world.advance(20s);
  ASSERT_TRUE(launched);
  world.store.state.workers.front().heartbeat_age = 1s;
  world.shell.refuse = Error{ErrorKind::unavailable, "connection refused", 0, "", {}};
  world.advance(1h);
  ASSERT_EQ(world.store.state.workers.size(), 1u);
  EXPECT_EQ(world.store.state.workers.front().status, WorkerStatus::active);
  EXPECT_TRUE(world.store.failed.empty());
  EXPECT_EQ(world.provider.count("remove"), 0);
  EXPECT_TRUE(loop.view().in_flight.empty());
  loop.stop();
  world.advance(15s);
}

TEST_F(Loop, ABringUpEndsWithTheLeadershipAndLeavesThePodToTheNextLeader) {
  world.store.state.queue.queued = 1;
  world.shell.refuse = Error{ErrorKind::unavailable, "connection refused", 0, "", {}};
  ControlLoop loop(world.environment(), LoopWorld::settings());
  world.start(loop.run());
  world.advance(20s);
  ASSERT_FALSE(world.shell.connects.empty());
  world.store.state.leader = {false, world.store.state.leader.epoch + 1, "another"};
  world.advance(1h);
  EXPECT_TRUE(world.store.failed.empty());
  EXPECT_EQ(world.provider.count("remove"), 0);
  EXPECT_EQ(world.store.state.workers.front().status, WorkerStatus::spawning);
  loop.stop();
  world.advance(15s);
}

TEST_F(Loop, ThePhaseConnectingIsShownAndTheBringUpPlannedOnceWhileSshIsTried) {
  world.store.state.queue.queued = 1;
  world.shell.refuse = Error{ErrorKind::unavailable, "connection refused", 0, "", {}};
  ControlLoop loop(world.environment(), LoopWorld::settings());
  int planned = 0;
  loop.on_tick = [&](const TickReport& report) {
    for (const PlannedAction& action : report.plan.actions)
      planned += std::holds_alternative<BringUpWorker>(action.action) ? 1 : 0;
  };
  world.start(loop.run());
  world.advance(2min);
  EXPECT_EQ(world.store.state.workers.front().phase, Phase::connecting);
  EXPECT_EQ(planned, 1);
  loop.stop();
  world.advance(15s);
}

TEST_F(Loop, AUsedUpQuotaLeavesNoTrailOfEndedRows) {
  world.store.state.queue.queued = 1;
  world.provider.on_create = [](const PodSpec&) { return CreateRateLimited{60s, "rate limit exceeded"}; };
  ControlLoop loop(world.environment(), LoopWorld::settings());
  world.start(loop.run());
  world.advance(10min);
  EXPECT_LE(world.store.count("register_worker"), 11);
  EXPECT_GE(world.store.count("register_worker"), 9);
  loop.stop();
  world.advance(15s);
}

TEST_F(Loop, Case01AnUnreadableDatabaseMeansNoActionAtAll) {
  add_fleet(world, 5);
  world.store.state.queue.queued = 3;
  LoopSettings settings = LoopWorld::settings();
  ControlLoop loop(world.environment(), settings);
  world.store.outage = Error{ErrorKind::unavailable, "PGRST001", 503, "PGRST001", {}};
  world.start(loop.run());
  world.advance(10min);
  EXPECT_EQ(world.provider.count("create"), 0);
  EXPECT_EQ(world.provider.count("remove"), 0);
  EXPECT_EQ(world.log.count("source_lost"), 1);
  loop.stop();
  world.advance(15s);
}

TEST_F(Loop, AnOutageOfThePlacementListsIsLoggedWhenItBeginsAndWhenItEnds) {
  world.provider.on_gpu_offers = [](Cloud) -> Result<std::vector<GpuOffer>> {
    return fail(ErrorKind::unavailable, "502");
  };
  ControlLoop loop(world.environment(), LoopWorld::settings());
  world.start(loop.run());
  world.advance(10min);
  EXPECT_GT(world.provider.count("gpu_offers"), 10);
  EXPECT_EQ(world.log.count("catalogue_unreadable"), 1);
  world.provider.on_gpu_offers = nullptr;
  world.advance(10min);
  EXPECT_EQ(world.log.count("catalogue_unreadable"), 1);
  EXPECT_EQ(world.log.count("catalogue_readable"), 1);
  loop.stop();
  world.advance(15s);
}

TEST_F(Loop, EveryActionSaysInTheLogWhyItWasTaken) {
  add_fleet(world, 1);
  world.store.state.workers.front().idle_for = 30min;
  world.store.wall = [this] { return world.clock.wall(); };
  ControlLoop loop(world.environment(), LoopWorld::settings());
  world.start(loop.run());
  world.advance(5min);
  ASSERT_EQ(world.log.count("drain"), 1);
  EXPECT_FALSE(world.log.field("drain", "reason").empty());
  EXPECT_FALSE(world.log.field("drain", "pod").empty());
  loop.stop();
  world.advance(15s);
}

TEST_F(Loop, ASpawnIsLoggedWithItsPodAndReasonAndAFailedOneWithItsCause) {
  world.store.state.queue.queued = 1;
  ControlLoop loop(world.environment(), LoopWorld::settings());
  world.start(loop.run());
  world.advance(30s);
  EXPECT_EQ(world.log.field("spawn", "pod"), world.provider.pods.at(0).id.str());
  EXPECT_THAT(world.log.field("spawn", "reason"), testing::HasSubstr("1 queued"));
  loop.stop();
  world.advance(15s);

  LoopWorld poor;
  poor.store.state.queue.queued = 1;
  poor.provider.on_create = [](const PodSpec&) -> ports::CreateOutcome {
    return CreateNoBalance{"no money"};
  };
  ControlLoop second(poor.environment(), LoopWorld::settings());
  poor.start(second.run());
  poor.advance(30s);
  EXPECT_EQ(poor.log.field("spawn", "cause"), "insufficient_balance");
  second.stop();
  poor.advance(15s);
}

TEST_F(Loop, Case14ASlowActionNeverDelaysTheNextTick) {
  world.store.state.queue.queued = 1;
  world.provider.before = [this](std::string_view method) -> boost::asio::awaitable<void> {
    if (method == "create") co_await world.clock.sleep_for(10min);
  };
  ControlLoop loop(world.environment(), LoopWorld::settings());
  world.start(loop.run());
  world.advance(60s);
  EXPECT_GE(world.store.count("snapshot"), 12);
  EXPECT_EQ(world.provider.count("create"), 1);
  loop.stop();
  world.advance(15min);
}

TEST_F(Loop, StopsWithinTenSecondsWhileActionsHangAndGivesLeadershipUp) {
  world.store.state.queue.queued = 1;
  world.provider.before = [this](std::string_view method) -> boost::asio::awaitable<void> {
    if (method == "create") co_await world.clock.sleep_for(10min);
  };
  ControlLoop loop(world.environment(), LoopWorld::settings());
  bool ended = false;
  world.start([](ControlLoop& l, bool& done) -> boost::asio::awaitable<void> {
    co_await l.run();
    done = true;
  }(loop, ended));
  world.advance(7s);
  loop.stop();
  world.advance(10s);
  EXPECT_TRUE(ended);
  EXPECT_EQ(world.store.resigned.size(), 1u);
  world.advance(10min);
}

TEST_F(Loop, ADryCycleTakesNoLeadershipAndTouchesNothing) {
  world.store.state.queue.queued = 3;
  ControlLoop loop(world.environment(), LoopWorld::settings());
  const CycleSummary summary = world.finish(loop.once(true));
  EXPECT_TRUE(world.store.snapshot_queries.at(0).holder.empty());
  EXPECT_TRUE(world.store.changes.empty());
  EXPECT_EQ(world.provider.count("create"), 0);
  EXPECT_TRUE(summary.results.empty());
}

TEST_F(Loop, IsSilentWhileNothingHappensButForASummaryEveryFiveMinutes) {
  ControlLoop loop(world.environment(), LoopWorld::settings());
  world.start(loop.run());
  world.advance(30s);
  world.log.lines.clear();
  world.advance(10min);
  EXPECT_EQ(world.log.count("summary"), 2);
  EXPECT_EQ(world.log.lines.size(), 2u);
  loop.stop();
  world.advance(15s);
}

}  // namespace
}  // namespace gpuwarden::control
