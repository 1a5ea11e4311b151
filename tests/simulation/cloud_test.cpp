#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "simulation/cloud_world.hpp"

namespace gpuwarden::simulation {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(SimulatedAccount, GivesAPodThatIsListedAndRunsWithAnEndpoint) {
  CloudWorld world;
  const SimPodPtr pod = world.created(CloudWorld::name(1));
  EXPECT_EQ(world.listed(pod->id)->status, PodStatus::provisioning);
  world.pass(8s);
  EXPECT_EQ(world.listed(pod->id)->status, PodStatus::starting);
  world.pass(25s);
  const auto running = world.listed(pod->id);
  EXPECT_EQ(running->status, PodStatus::running);
  ASSERT_TRUE(running->ssh);
  EXPECT_EQ(running->ssh->port, pod->ssh_port);
  EXPECT_EQ(running->gpu, "NVIDIA L40S");
  EXPECT_DOUBLE_EQ(running->cost_per_hr, 0.86);
  EXPECT_EQ(world.finish(world.provider.get(PodId(pod->id)))->value().name, CloudWorld::name(1));
  EXPECT_THAT(world.fates.effects, ElementsAre("create " + CloudWorld::name(1)));
}

TEST(SimulatedAccount, CostsByTheWorldsTimeAndNothingAfterItsEnd) {
  CloudWorld world;
  const SimPodPtr pod = world.created(CloudWorld::name(1));
  const MonoTime made = pod->created;
  world.scheduler.at(made + 30min, [&] { world.cloud.exit(pod); });
  world.pass(1h);
  EXPECT_NEAR(pod->cost(world.scheduler.now()), 0.43, 1e-9) << "an exited pod costs nothing more";
  EXPECT_NEAR(world.cloud.cost(), 0.43, 1e-9);
  EXPECT_EQ(world.finish(world.provider.remove(PodId(pod->id))), DeleteOutcome::accepted);
  world.pass(1h);
  EXPECT_NEAR(world.cloud.cost(), 0.43, 1e-9);
  EXPECT_EQ(pod->ended_by, "daemon 1");
}

TEST(SimulatedAccount, HidesANewPodForTheLengthOfItsLag) {
  CloudWorld world;
  world.pod_fate.list_lag = 3min;
  const SimPodPtr pod = world.created(CloudWorld::name(1));
  const auto at = [&](Duration age) {
    world.pass(pod->created + age - world.scheduler.now());
    return world.cloud.handle("GET", "/pods/" + pod->id, "", "x").status;
  };
  EXPECT_EQ(world.finish(world.provider.remove(PodId(pod->id))), DeleteOutcome::not_found);
  EXPECT_FALSE(world.listed(pod->id));
  EXPECT_EQ(at(3min - 1ms), 404);
  EXPECT_EQ(at(3min), 200);
  EXPECT_TRUE(world.listed(pod->id));
  EXPECT_TRUE(pod->exists()) << "the delete that found nothing has done nothing";
  EXPECT_EQ(pod->delete_calls.front().status, 404);
}

TEST(SimulatedAccount, PagesItsListAndAFailedPageIsAnErrorNeverAPart) {
  CloudWorld world;
  world.cloud.weather.page_size = 2;
  for (int n = 1; n <= 5; ++n) world.created(CloudWorld::name(n));
  EXPECT_EQ(world.finish(world.provider.list())->size(), 5U);
  world.cloud.weather.page_fails = 1;
  const auto failed = world.finish(world.provider.list());
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().kind, ErrorKind::unavailable);
  EXPECT_THAT(failed.error().message, HasSubstr("page 2 of"));
}

TEST(SimulatedAccount, RefusesByPlaceBalanceAndKeyInTheWordsThatTheCodecKnows) {
  CloudWorld world;
  PodSpec spec = CloudWorld::spec(CloudWorld::name(1));
  spec.placement.data_center = "EU-RO-1";
  world.cloud.weather.sold_out = {"NVIDIA L40S|EU-RO-1"};
  EXPECT_TRUE(std::holds_alternative<CreateNoCapacity>(world.finish(world.provider.create(spec))));
  const auto offers = world.finish(world.provider.gpu_offers(gpuwarden::Cloud::secure));
  EXPECT_EQ(offers->at(2).stock_by_data_center.at("EU-RO-1"), StockLevel::none);
  EXPECT_EQ(offers->at(2).stock, StockLevel::high);
  spec.placement.data_center = "EU-SE-1";
  EXPECT_TRUE(std::holds_alternative<PodCreated>(world.finish(world.provider.create(spec))));
  world.cloud.weather.balance = false;
  EXPECT_TRUE(std::holds_alternative<CreateNoBalance>(world.finish(world.provider.create(spec))));
  world.cloud.weather.key_accepted = false;
  EXPECT_TRUE(std::holds_alternative<CreateUnauthorized>(world.finish(world.provider.create(spec))));
  EXPECT_EQ(world.finish(world.provider.list()).error().kind, ErrorKind::unauthorized);
}

TEST(SimulatedAccount, RefusesAVolumeThatLiesElsewhere) {
  CloudWorld world;
  PodSpec spec = CloudWorld::spec(CloudWorld::name(1));
  spec.placement.volume_id = "vol-eu";
  spec.placement.data_center = "US-KS-2";
  EXPECT_TRUE(std::holds_alternative<CreateInvalid>(world.finish(world.provider.create(spec))));
  spec.placement.data_center = "EU-RO-1";
  EXPECT_TRUE(std::holds_alternative<PodCreated>(world.finish(world.provider.create(spec))));
  EXPECT_EQ(world.finish(world.provider.volumes())->front().data_center, "EU-RO-1");
  EXPECT_EQ(world.finish(world.provider.data_centers())->size(), 3U);
}

TEST(SimulatedAccount, TellsItsQuotaAndShutsTheDoorWhenItIsUsedUp) {
  CloudWorld world;
  world.cloud.set_quota(30);
  EXPECT_TRUE(world.finish(world.provider.list()));
  EXPECT_EQ(world.provider.budget().front().limit, 30);
  world.cloud.block(90s);
  const auto outcome = world.finish(world.provider.create(CloudWorld::spec(CloudWorld::name(1))));
  ASSERT_TRUE(std::holds_alternative<CreateRateLimited>(outcome));
  EXPECT_GE(std::get<CreateRateLimited>(outcome).retry_after, 89s);
  const std::uint64_t asked = world.provider.requests();
  EXPECT_EQ(world.finish(world.provider.list()).error().kind, ErrorKind::rate_limited);
  EXPECT_EQ(world.provider.requests(), asked) << "a shut budget sends nothing";
}

TEST(SimulatedAccount, ACreateWhoseAnswerIsLostHasMadeThePodOnce) {
  for (const Fate::Kind kind : {Fate::Kind::reply_lost, Fate::Kind::failed_but_done}) {
    CloudWorld world;
    world.fates.kinds = {{"create", kind}};
    const auto outcome = world.finish(world.provider.create(CloudWorld::spec(CloudWorld::name(1))));
    EXPECT_TRUE(std::holds_alternative<CreateAmbiguous>(outcome));
    EXPECT_TRUE(world.pod_of(CloudWorld::name(1)));
    EXPECT_EQ(world.cloud.posts().at(CloudWorld::name(1)), 1);
    EXPECT_EQ(world.fates.effects.size(), 1U);
  }
}

TEST(SimulatedAccount, ACreateThatDidNotArriveHasMadeNothing) {
  const std::map<Fate::Kind, bool> surely_nothing{
      {Fate::Kind::not_reached, true}, {Fate::Kind::refused, false}, {Fate::Kind::request_lost, false}};
  for (const auto& [kind, sure] : surely_nothing) {
    CloudWorld world;
    world.fates.kinds = {{"create", kind}};
    const auto outcome = world.finish(world.provider.create(CloudWorld::spec(CloudWorld::name(1))));
    EXPECT_EQ(std::holds_alternative<CreateNotSent>(outcome), sure);
    EXPECT_EQ(std::holds_alternative<CreateAmbiguous>(outcome), !sure);
    world.pass(10min);
    EXPECT_FALSE(world.pod_of(CloudWorld::name(1)));
    EXPECT_TRUE(world.fates.effects.empty());
  }
}

TEST(SimulatedAccount, ALostCreateMayBeCarriedOutMinutesLater) {
  CloudWorld world;
  world.cloud.weather.late_create = 1;
  world.fates.kinds = {{"create", Fate::Kind::request_lost}};
  EXPECT_TRUE(std::holds_alternative<CreateAmbiguous>(
      world.finish(world.provider.create(CloudWorld::spec(CloudWorld::name(1))))));
  world.pass(world.cloud.weather.latest_create);
  ASSERT_TRUE(world.pod_of(CloudWorld::name(1)));
  EXPECT_EQ(world.cloud.posts().at(CloudWorld::name(1)), 1);
}

TEST(SimulatedAccount, WhatWasSentTakesEffectAlthoughTheDaemonIsKilled) {
  CloudWorld world;
  world.begin(world.provider.create(CloudWorld::spec(CloudWorld::name(1))), [](const auto&) { FAIL(); });
  world.process->kill();
  world.pass(1s);
  EXPECT_TRUE(world.pod_of(CloudWorld::name(1)));
}

TEST(SimulatedAccount, ADeleteMayTakeItsTimeOrNeverHappen) {
  CloudWorld world;
  world.pod_fate.delete_takes = 2min;
  const SimPodPtr slow = world.created(CloudWorld::name(1));
  world.pod_fate.delete_takes = 0ms;
  world.pod_fate.undeletable = true;
  const SimPodPtr stuck = world.created(CloudWorld::name(2));
  for (const SimPodPtr& pod : {slow, stuck})
    EXPECT_EQ(world.finish(world.provider.remove(PodId(pod->id))), DeleteOutcome::accepted);
  const MonoTime asked = slow->delete_calls.front().at;
  world.pass(asked + 2min - 1ms - world.scheduler.now());
  EXPECT_TRUE(slow->exists());
  world.pass(1ms);
  EXPECT_FALSE(slow->exists());
  world.pass(24h);
  EXPECT_TRUE(stuck->exists());
  world.cloud.heal();
  EXPECT_EQ(world.finish(world.provider.remove(PodId(stuck->id))), DeleteOutcome::accepted);
  EXPECT_FALSE(stuck->exists());
  EXPECT_EQ(world.finish(world.provider.remove(PodId(stuck->id))), DeleteOutcome::not_found);
}

TEST(SimulatedAccount, ADeleteIsRepeatedAndDoubtStays) {
  CloudWorld world;
  const SimPodPtr pod = world.created(CloudWorld::name(1));
  world.fates.kinds = {{"delete", Fate::Kind::refused}};
  EXPECT_EQ(world.finish(world.provider.remove(PodId(pod->id))), DeleteOutcome::ambiguous);
  EXPECT_EQ(world.provider.requests(), 4U) << "one create, three deletes";
  world.fates.kinds = {{"delete", Fate::Kind::not_reached}};
  EXPECT_EQ(world.finish(world.provider.remove(PodId(pod->id))), DeleteOutcome::not_sent);
  EXPECT_TRUE(pod->exists());
}

TEST(SimulatedAccount, PodsVanishExitAndRestartInPlace) {
  CloudWorld world;
  using Kind = RuntimeFault::Kind;
  world.pod_fate.faults = {
      {Kind::restarts_in_place, 1min}, {Kind::pod_exits, 2min}, {Kind::pod_vanishes, 3min}};
  const SimPodPtr pod = world.created(CloudWorld::name(1));
  world.pass(33s);
  const MonoTime runs = *pod->running_since;
  world.pass(runs + 59s - world.scheduler.now());
  const auto before = world.listed(pod->id);
  EXPECT_GE(before->uptime, 58s);
  world.pass(2s);
  const auto after = world.listed(pod->id);
  EXPECT_LE(after->uptime, 2s);
  EXPECT_NE(after->ssh->port, before->ssh->port);
  world.pass(runs + 2min - world.scheduler.now());
  EXPECT_EQ(world.listed(pod->id)->status, PodStatus::exited);
  EXPECT_TRUE(pod->exists());
  world.cloud.vanish(pod);
  EXPECT_FALSE(world.listed(pod->id));
  EXPECT_EQ(pod->ended_by, "provider");
}

TEST(SimulatedAccount, HoldsPodsOfOthersToo) {
  CloudWorld world;
  const SimPodPtr foreign = world.cloud.add_foreign("gpu-other-20261124000000-00000001");
  world.pass(1min);
  EXPECT_EQ(world.listed(foreign->id)->status, PodStatus::running);
  EXPECT_EQ(world.cloud.cost(), 0) << "somebody else pays for it";
}

TEST(SimulatedAccount, ShowsThePodsLogsWithTheKeysOfItsHost) {
  CloudWorld world;
  const SimPodPtr pod = world.created(CloudWorld::name(1));
  world.pass(1min);
  ports::LogQuery query;
  query.pod = PodId(pod->id);
  query.source = "container";
  const auto container = world.finish(world.provider.logs(query));
  ASSERT_TRUE(container);
  EXPECT_THAT(container->back().line, HasSubstr(pod->host_key));
  query.source = "system";
  query.tail = 1;
  const auto system = world.finish(world.provider.logs(query));
  ASSERT_EQ(system->size(), 1U);
  EXPECT_THAT(system->front().line, HasSubstr("success"));
}

}  // namespace
}  // namespace gpuwarden::simulation
