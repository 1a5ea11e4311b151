#include <memory>
#include <optional>
#include <string>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gpuwarden/bootstrap/script.hpp"

#include "loop_world.hpp"

namespace gpuwarden::control {
namespace {

namespace asio = boost::asio;
using Wait = asio::awaitable<void>;

/// Never ends and cannot be called off.
Wait hang_for_good() {
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  asio::steady_timer never(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
  co_await never.async_wait(asio::as_tuple(asio::use_awaitable));
}

struct Stopping : testing::Test {
  LoopWorld world;
  LoopSettings settings = LoopWorld::settings();
  std::optional<MonoTime> ended;
  std::unique_ptr<ControlLoop> loop;

  void start() {
    loop = std::make_unique<ControlLoop>(world.environment(), settings);
    world.start([](Stopping& self) -> Wait {
      co_await self.loop->run();
      self.ended = self.world.clock.now();
    }(*this));
  }
  /// Asks to stop and gives virtual time; how long it took.
  std::optional<Duration> stop() {
    const MonoTime asked = world.clock.now();
    loop->stop();
    world.advance(20s);
    return ended ? std::optional(*ended - asked) : std::nullopt;
  }
  void hang(std::string_view what, std::string_view method, bool for_good = false) {
    auto before = [this, method = std::string(method), for_good](std::string_view called) -> Wait {
      if (called != method) co_return;
      if (for_good) {
        co_await hang_for_good();
      } else {
        co_await world.clock.sleep_for(1h);
      }
    };
    (what == "store" ? world.store.before : world.provider.before) = before;
  }
  void add_worker() {
    PodSpec spec;
    spec.name = make_worker_id("default", fakes::FakeClock::kWallStart, ++added).str();
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
  std::uint32_t added{0};
};

struct Hanging {
  const char* what;
  const char* method;
};
class GivesUp : public Stopping, public testing::WithParamInterface<Hanging> {};

TEST_P(GivesUp, ATickThatWaitsForAnAnswerAndBeginsNothing) {
  world.store.state.queue.queued = 1;
  hang(GetParam().what, GetParam().method);
  start();
  world.advance(3s);
  const auto took = stop();
  ASSERT_TRUE(took);
  EXPECT_LE(*took, 1s);
  EXPECT_EQ(world.provider.count("create"), 0) << "a pod was asked for after the signal";
  EXPECT_TRUE(world.store.registrations.empty());
}

INSTANTIATE_TEST_SUITE_P(EverySource, GivesUp,
                         testing::Values(Hanging{"store", "snapshot"}, Hanging{"provider", "list"},
                                         Hanging{"provider", "gpu_offers"}),
                         [](const auto& info) { return std::string(info.param.method); });

TEST_F(Stopping, AbandonsATickThatCannotBeCalledOffAndStillGivesTheLeadershipUp) {
  start();
  world.advance(3s);
  hang("provider", "list", true);
  world.advance(5s);
  const auto took = stop();
  ASSERT_TRUE(took);
  EXPECT_LE(*took, 8s);
  EXPECT_EQ(world.store.resigned.size(), 1U);
}

TEST_F(Stopping, EndsInTimeWhenNeitherAnActionNorTheResignationEnds) {
  world.store.state.queue.queued = 1;
  hang("provider", "create", true);
  start();
  world.advance(7s);
  hang("store", "resign");
  const auto took = stop();
  ASSERT_TRUE(took);
  EXPECT_LE(*took, 8s);
  EXPECT_EQ(world.log.field("resign_failed", "error"), "no answer in time");
}

TEST_F(Stopping, ACreateThatWasAbandonedIsAdoptedByTheNextDaemonAndNeverAskedForTwice) {
  world.store.state.queue.queued = 1;
  world.provider.before = [this](std::string_view method) -> Wait {
    if (method != "create") co_return;
    world.provider.add_pod(world.provider.created.back());  // Runpod has made it; the answer never comes
    co_await hang_for_good();
  };
  start();
  world.advance(7s);
  ASSERT_EQ(world.provider.count("create"), 1);
  ASSERT_TRUE(stop());
  world.provider.before = nullptr;
  ControlLoop next(world.environment(), settings);
  world.start(next.run());
  world.advance(60s);
  EXPECT_EQ(world.provider.count("create"), 1);
  ASSERT_EQ(world.store.state.workers.size(), 1U);
  EXPECT_EQ(world.store.state.workers.front().pod, PodId("pod-1"));
  next.stop();
  world.advance(10s);
}

TEST_F(Stopping, ABringUpThatIsCalledOffInTheMiddleOfACallEndsQuietly) {
  world.store.state.queue.queued = 1;
  world.shell.on_run = [](ports::ShellCommand) -> ports::Async<ports::ShellResult> {
    co_return ports::ShellResult{bootstrap::kNotStarted, ""};
  };
  world.store.before = [this](std::string_view method) -> Wait {
    if (method != "update_worker" || !world.store.changes.back().token_sha256) co_return;
    // As an adapter that waits for an answer or its deadline: in a branch that is called off between two
    // waits the second one throws.
    using namespace asio::experimental::awaitable_operators;
    const auto branch = [this]() -> Wait {
      co_await world.clock.sleep_for(1h);
      co_await world.clock.sleep_for(1h);
    };
    co_await (branch() || branch());
  };
  start();
  world.advance(30s);
  ASSERT_FALSE(world.store.changes.empty());
  ASSERT_TRUE(world.store.changes.back().token_sha256) << "the write before the launch is under way";
  const auto took = stop();
  ASSERT_TRUE(took);
  EXPECT_LE(*took, 1s);
  EXPECT_EQ(world.log.count("bring_up"), 0) << "what is called off is no result";
}

TEST_F(Stopping, SaysOnceThatTheEndBegins) {
  start();
  int said = 0;
  loop->on_stopping = [&] { ++said; };
  world.advance(3s);
  loop->stop();
  ASSERT_TRUE(stop());
  EXPECT_EQ(said, 1);
}

struct Draining : Stopping {};

TEST_F(Draining, EndsWhenNoWorkerIsLeft) {
  add_worker();
  add_worker();
  settings.control.poll = 5min;
  start();
  world.advance(1s);
  loop->drain_and_stop(10min);
  world.advance(2min);
  ASSERT_TRUE(ended) << "a long poll interval must not hold it up";
  EXPECT_EQ(loop->drain(), Drain::done);
  EXPECT_TRUE(world.provider.pods.empty());
  EXPECT_TRUE(world.store.state.workers.empty());
}

TEST_F(Draining, EndsAtOnceWhenAnotherDaemonLeads) {
  add_worker();
  world.store.state.leader.leading = false;
  start();
  world.advance(1s);
  loop->drain_and_stop(10min);
  world.advance(10s);
  ASSERT_TRUE(ended);
  EXPECT_EQ(loop->drain(), Drain::not_leading);
  EXPECT_EQ(world.provider.pods.size(), 1U);
}

TEST_F(Draining, EndsWhenItsTimeIsUpAlthoughTheDatabaseCannotBeRead) {
  add_worker();
  world.store.outage = Error{ErrorKind::unavailable, "PGRST001", 503, "PGRST001", {}};
  start();
  world.advance(1s);
  const MonoTime asked = world.clock.now();
  loop->drain_and_stop(60s);
  world.advance(59s);
  EXPECT_FALSE(ended);
  world.advance(10s);
  ASSERT_TRUE(ended);
  EXPECT_LE(*ended - asked, 68s);
  EXPECT_EQ(loop->drain(), Drain::out_of_time);
}

TEST_F(Draining, EndsWhenItsTimeIsUpInTheMiddleOfATickThatHangs) {
  start();
  world.advance(3s);
  hang("store", "snapshot", true);
  loop->drain_and_stop(60s);
  world.advance(69s);
  ASSERT_TRUE(ended);
  EXPECT_EQ(loop->drain(), Drain::out_of_time);
}

TEST_F(Draining, IsCalledOffByStop) {
  add_worker();
  world.store.state.workers.front().phase = Phase::busy;
  world.store.state.workers.front().idle_for.reset();
  world.store.state.workers.front().tasks.emplace_back("task-1");
  start();
  world.advance(1s);
  loop->drain_and_stop(10min);
  world.advance(60s);
  EXPECT_FALSE(ended) << "the worker finishes its task first";
  EXPECT_EQ(loop->drain(), Drain::under_way);
  const auto took = stop();
  ASSERT_TRUE(took);
  EXPECT_LE(*took, 1s);
  EXPECT_EQ(loop->drain(), Drain::called_off);
  EXPECT_EQ(world.provider.pods.size(), 1U);
}

}  // namespace
}  // namespace gpuwarden::control
