#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "loop_world.hpp"

namespace gpuwarden::control {
namespace {

namespace asio = boost::asio;
using Wait = asio::awaitable<void>;

struct Limits : testing::Test {
  LoopWorld world;
  LoopSettings settings = LoopWorld::settings();

  Worker& add_worker(WorkerStatus status, Phase phase) {
    PodSpec spec;
    spec.name = make_worker_id("default", fakes::FakeClock::kWallStart, ++added).str();
    const Pod pod = world.provider.add_pod(spec);
    Worker worker;
    worker.id = WorkerId(spec.name);
    worker.status = status;
    worker.phase = phase;
    worker.pod = pod.id;
    worker.age = worker.phase_age = 1min;
    worker.heartbeat_age = 1s;
    world.store.state.workers.reserve(64);
    world.store.state.workers.push_back(worker);
    return world.store.state.workers.back();
  }
  /// Active workers whose pods have reported a crash; each is failed, and its bundle is collected for long.
  void add_crashed(int count) {
    for (int i = 0; i < count; ++i) {
      Worker& worker = add_worker(WorkerStatus::active, Phase::busy);
      worker.proven = true;
      worker.crash = CrashReport{std::nullopt, 2, "", {"worker.sh: error"}, 300ms};
    }
    world.provider.before = [this](std::string_view method) -> Wait {
      if (method == "logs") co_await world.clock.sleep_for(1h);
    };
  }
  std::uint32_t added{0};
};

TEST_F(Limits, CrashBundlesBeingCollectedHoldNoShortActionUp) {
  settings.control.max_actions_in_flight = 2;
  settings.policy.max_active = 50;
  add_crashed(6);
  const WorkerId newcomer = add_worker(WorkerStatus::spawning, Phase::awaiting_heartbeat).id;
  PodSpec orphan;
  orphan.name = make_worker_id("default", fakes::FakeClock::kWallStart, 4711).str();
  world.provider.add_pod(orphan);
  ControlLoop loop(world.environment(), settings);
  world.start(loop.run());
  world.advance(16s);  // four ticks, while the first two bundles are being collected
  EXPECT_EQ(world.store.failed.size(), 2U);
  ASSERT_NE(world.store.find(newcomer), nullptr);
  EXPECT_EQ(world.store.find(newcomer)->status, WorkerStatus::active);
  EXPECT_EQ(world.provider.find_by_name(orphan.name), nullptr) << "the orphan is deleted";
  EXPECT_GE(world.log.count("actions_dropped"), 3);
  EXPECT_EQ(world.log.field("actions_dropped", "count"), "4");
  world.advance(90s);
  EXPECT_EQ(world.store.failed.size(), 6U) << "what was dropped is decided again";
  loop.stop();
  world.advance(20s);
}

struct Alive : Limits {
  int fed{0};
  /// Turns the loop for `duration`; how often it said that it lives.
  int during(Duration duration) {
    const int before = fed;
    world.advance(duration);
    return fed - before;
  }
};

TEST_F(Alive, ALoopThatTurnsSaysSoWhileItWaitsForTheNextTickAndDuringAnOutage) {
  settings.control.poll = settings.policy.poll = 10min;
  ControlLoop loop(world.environment(), settings);
  loop.on_alive = [this] { ++fed; };
  world.provider.before = [this](std::string_view method) -> Wait {
    if (method == "list") co_await world.clock.sleep_for(58s);
  };
  world.start(loop.run());
  for (int minute = 0; minute < 25; ++minute) EXPECT_GT(during(1min), 60) << minute;
  loop.stop();
  world.advance(10s);
}

TEST_F(Alive, ATickThatNeverEndsFallsSilentAfterTwoMinutes) {
  ControlLoop loop(world.environment(), settings);
  loop.on_alive = [this] { ++fed; };
  world.provider.before = [this](std::string_view method) -> Wait {
    if (method == "list") co_await world.clock.sleep_for(1h);
  };
  world.start(loop.run());
  EXPECT_GT(during(119s), 400);
  world.advance(2s);
  EXPECT_EQ(during(60s), 0);
  loop.stop();
  world.advance(10s);
}

TEST_F(Alive, BetweenTicksTheLoopWakesForItsStallProbesAlone) {
  settings.control.poll = settings.policy.poll = 10min;
  settings.control.stall_probe = 2s;
  ControlLoop loop(world.environment(), settings);
  world.start(loop.run());
  world.advance(30s);
  const int before = world.clock.sleeps;
  world.advance(60s);
  EXPECT_EQ(world.clock.sleeps - before, 30);
  loop.stop();
  world.advance(10s);
}

TEST_F(Alive, NewSettingsEndTheWaitForTheNextTickAtOnce) {
  settings.control.poll = settings.policy.poll = 10min;
  ControlLoop loop(world.environment(), settings);
  world.start(loop.run());
  world.advance(30s);
  ASSERT_EQ(world.store.count("snapshot"), 1);
  loop.apply(settings);
  world.advance(10ms);
  EXPECT_EQ(world.store.count("snapshot"), 2);
  loop.stop();
  world.advance(10s);
}

struct Offers : Limits {};

TEST_F(Offers, TheFirstRefreshIsWaitedForButNotForGood) {
  world.provider.before = [this](std::string_view method) -> Wait {
    if (method == "gpu_offers") co_await world.clock.sleep_for(1h);
  };
  ControlLoop loop(world.environment(), settings);
  world.start(loop.run());
  world.advance(14s);
  EXPECT_EQ(world.store.count("snapshot"), 1);
  world.advance(16s);
  EXPECT_GE(world.store.count("snapshot"), 3);
  loop.stop();
  world.advance(10s);
}

TEST_F(Offers, ARefreshAfterAChangeOfSettingsDelaysNoTickAndTheOldOffersHoldMeanwhile) {
  ControlLoop loop(world.environment(), settings);
  world.start(loop.run());
  world.advance(3s);
  world.provider.before = [this](std::string_view method) -> Wait {
    if (method == "gpu_offers") co_await world.clock.sleep_for(60s);
  };
  settings.policy.gpu_types = {"NVIDIA L4"};
  world.provider.offers.push_back({"NVIDIA L4", "L4", 0.3, StockLevel::high, {}, 24});
  loop.apply(settings);
  world.store.state.queue.queued = 1;
  world.advance(20s);
  EXPECT_GE(world.store.count("snapshot"), 4);
  ASSERT_EQ(world.provider.created.size(), 1U);
  EXPECT_EQ(world.provider.created.front().placement.gpu, "NVIDIA GeForce RTX 4090");
  world.advance(60s);
  world.store.state.queue.queued = 4;
  world.advance(60s);
  ASSERT_GE(world.provider.created.size(), 2U);
  EXPECT_EQ(world.provider.created.back().placement.gpu, "NVIDIA L4");
  loop.stop();
  world.advance(20s);
}

TEST_F(Offers, ARefreshThatBeganBeforeAChangeOfSettingsIsNotTakenForTheNewOnes) {
  world.provider.before = [this](std::string_view method) -> Wait {
    if (method == "gpu_offers") co_await world.clock.sleep_for(10s);
  };
  world.provider.offers.push_back({"NVIDIA L4", "L4", 0.3, StockLevel::high, {}, 24});
  ControlLoop loop(world.environment(), settings);
  world.start(loop.run());
  world.advance(1s);
  settings.policy.gpu_types = {"NVIDIA L4"};
  loop.apply(settings);
  world.store.state.queue.queued = 1;
  world.advance(60s);
  ASSERT_EQ(world.provider.created.size(), 1U);
  EXPECT_EQ(world.provider.created.front().placement.gpu, "NVIDIA L4");
  loop.stop();
  world.advance(20s);
}

}  // namespace
}  // namespace gpuwarden::control
