#include "gpuwarden/ops/api.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "unit/control/loop_world.hpp"

namespace gpuwarden::ops {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;

struct ApiTest : testing::Test {
  control::LoopWorld world;
  control::ControlLoop loop{world.environment(), control::LoopWorld::settings()};
  Api api{loop, world.provider, world.clock, {"1.2.3", 42, fakes::FakeClock::kWallStart}};

  void tick() {
    world.start(loop.run());
    world.advance(std::chrono::seconds(1));
    loop.stop();
    world.advance(std::chrono::seconds(15));
  }
};

TEST_F(ApiTest, StatusAnswersBeforeTheFirstTick) {
  const Answer answer = api.get("/v1/status");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(Json::parse(answer.body)["daemon"]["version"], "1.2.3");
}

TEST_F(ApiTest, PlanIsUnavailableBeforeTheFirstTick) {
  EXPECT_EQ(api.get("/v1/plan").status, 503);
}

TEST_F(ApiTest, StatusHoldsQueueScaleBreakerGatesAndWorkers) {
  world.store.state.queue.queued = 2;
  tick();
  const Json status = Json::parse(api.get("/v1/status").body);
  EXPECT_EQ(status["queue"]["queued"], 2);
  EXPECT_EQ(status["breaker"]["state"], "closed");
  EXPECT_TRUE(status["gates"].is_array());
  EXPECT_TRUE(status["workers"].is_array());
  EXPECT_EQ(status["daemon"]["leading"], true);
  EXPECT_EQ(status["runpod_budget"][0]["window"], "minute");
}

TEST_F(ApiTest, MetricsArePrometheusText) {
  world.store.state.queue.queued = 2;
  world.store.state.spent_last_day_usd = 3;
  world.store.state.fruitless_last_day_usd = 0.5;
  tick();
  EXPECT_EQ(Json::parse(api.get("/v1/status").body)["fruitless_last_day_usd"], 0.5);
  const Answer answer = api.get("/metrics");
  EXPECT_THAT(answer.body, HasSubstr("\ngpuwarden_fruitless_usd_last_day 0.5\n"));
  EXPECT_THAT(answer.content_type, HasSubstr("0.0.4"));
  EXPECT_THAT(answer.body, HasSubstr("# TYPE gpuwarden_tasks_queued gauge\ngpuwarden_tasks_queued 2\n"));
  EXPECT_THAT(answer.body, HasSubstr("gpuwarden_runpod_requests_remaining{window=\"minute\"} 58\n"));
}

TEST_F(ApiTest, AnUnreadableDatabaseIsSaidInTheStatus) {
  world.store.outage = Error{ErrorKind::unavailable, "PGRST001", 503, "PGRST001", {}};
  tick();
  EXPECT_THAT(Json::parse(api.get("/v1/status").body)["errors"][0], HasSubstr("PGRST001"));
}

TEST_F(ApiTest, UnknownPathsAre404) {
  EXPECT_EQ(api.get("/v2/nope").status, 404);
}

}  // namespace
}  // namespace gpuwarden::ops
