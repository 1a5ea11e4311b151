#include "gpuwarden/ops/api.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "ops/gate_advice.hpp"
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

TEST_F(ApiTest, ExplainsTheNewestTick) {
  EXPECT_EQ(api.get("/v1/explain").status, 503) << "before the first tick";
  world.store.state.queue.queued = 5;
  world.store.state.switches = {true, "ann", "maintenance"};
  tick();
  const Json json = Json::parse(api.get("/v1/explain").body);
  EXPECT_EQ(json["fresh"], false);
  EXPECT_EQ(json["missing"], 5);
  EXPECT_EQ(json["scale"]["steps"][0], "5 queued + 0 running = 5 tasks");
  EXPECT_EQ(json["gates"][0]["name"], "paused");
  EXPECT_EQ(json["gates"][0]["by_itself"], false);
  EXPECT_EQ(json["gates"][0]["remedy"], "gpuwarden resume");
  EXPECT_TRUE(json["gates"][0]["opens_at"].is_null());
  EXPECT_EQ(json["history"][0]["gate"], "paused");
  EXPECT_TRUE(json["history"][0]["until"].is_null());
  EXPECT_TRUE(json["next"]["actions"].empty());
  EXPECT_TRUE(json["error_kinds"].empty());
  EXPECT_FALSE(json.contains("worker"));
}

TEST_F(ApiTest, ExplainsAWorkerAndSaysNullForAStranger) {
  world.store.state.queue.queued = 1;
  world.start(loop.run());
  world.advance(std::chrono::seconds(11));
  ASSERT_FALSE(world.store.state.workers.empty());
  const std::string id = world.store.state.workers.front().id.str();
  const Json json = Json::parse(api.get("/v1/explain/" + id).body);
  EXPECT_EQ(json["worker"]["id"], id);
  EXPECT_EQ(json["worker"]["status"], "spawning");
  EXPECT_TRUE(json["worker"]["heartbeat"]["by_database_s"].is_null());
  EXPECT_GE(json["worker"]["deadlines"].size(), 2U);
  EXPECT_TRUE(json["worker"]["because"].is_array());
  EXPECT_EQ(json["worker"]["recent"][0]["action"], "spawn");
  EXPECT_EQ(json["worker"]["recent"][0]["ok"], true);
  EXPECT_TRUE(Json::parse(api.get("/v1/explain/gpu-nobody").body)["worker"].is_null());
  loop.stop();
  world.advance(std::chrono::seconds(15));
}

TEST(GateAdvice, TellsAnOperatorsHoldFromTheDaemonsJudgement) {
  const Gate held{"breaker", "held by ann: looking", std::nullopt};
  Snapshot snapshot;
  snapshot.breaker_override = BreakerOverride{BreakerOverride::Kind::hold, "ann", "looking", {}};
  EXPECT_FALSE(advice_for(held, &snapshot).by_itself);
  EXPECT_EQ(advice_for(held, &snapshot).remedy, "gpuwarden breaker clear");
  snapshot.breaker_override.reset();
  EXPECT_TRUE(advice_for(held, &snapshot).by_itself);
  EXPECT_THAT(advice_for(held, nullptr).remedy, HasSubstr("gpuwarden breaker reset"));
}

TEST(GateAdvice, AGateThatKnowsItsTimeOpensByItself) {
  EXPECT_FALSE(advice_for({"ceiling", "", std::nullopt}, nullptr).by_itself);
  EXPECT_TRUE(advice_for({"ceiling", "", std::chrono::seconds(1)}, nullptr).by_itself);
  EXPECT_TRUE(advice_for({"a_new_gate", "", std::nullopt}, nullptr).by_itself);
  EXPECT_EQ(advice_for({"a_new_gate", "", std::nullopt}, nullptr).remedy, "");
}

TEST_F(ApiTest, UnknownPathsAre404) {
  EXPECT_EQ(api.get("/v2/nope").status, 404);
}

}  // namespace
}  // namespace gpuwarden::ops
