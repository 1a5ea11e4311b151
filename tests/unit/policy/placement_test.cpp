#include "policy/placement.hpp"

#include <gtest/gtest.h>

#include "fakes/world.hpp"
#include "policy/budget.hpp"

namespace gpuwarden::policy {
namespace {

using namespace fakes;

TEST(Pauses, GrowFromOneToFortyMinutes) {
  Duration pause{0};
  std::vector<Duration> seen;
  for (int i = 0; i < 7; ++i) seen.push_back(pause = exhaustion_pause(pause));
  EXPECT_EQ(seen, (std::vector<Duration>{1min, 2min, 5min, 10min, 20min, 40min, 40min}));
}

World two_places() {
  World world;
  world.offers.clear();
  world.offer("first", 0.4);
  world.offer("second", 0.3);
  world.snapshot.queue.queued = 1;
  return world;
}

std::string chosen(World& world) {
  const auto spawns = actions<SpawnWorker>(world.tick());
  return spawns.empty() ? "" : spawns.front().placement.gpu;
}

TEST(Placement, FollowsTheOperatorsOrder) {
  World world = two_places();
  EXPECT_EQ(chosen(world), "first");
}

TEST(Case08, ACandidateWithoutCapacityIsSetAsideAndTriedAgain) {
  World world = two_places();
  note_no_capacity(world.memory, world.offers[0].placement, "none left", world.now);
  EXPECT_EQ(chosen(world), "second");
  world.pass(59'999ms);
  EXPECT_EQ(chosen(world), "second");
  world.pass(1ms);
  EXPECT_EQ(chosen(world), "first");
  note_no_capacity(world.memory, world.offers[0].placement, "none left", world.now);
  EXPECT_EQ(world.memory.exhausted.begin()->second.pause, Duration(2min));
  note_created(world.memory, world.offers[0].placement);
  EXPECT_EQ(chosen(world), "first");
}

TEST(Case08, SeveralAnswersOfOneTickAreOneAnswer) {
  World world = two_places();
  for (int i = 0; i < 5; ++i) note_no_capacity(world.memory, world.offers[0].placement, "", world.now);
  EXPECT_EQ(world.memory.exhausted.begin()->second.pause, Duration(1min));
}

TEST(Case08, WithoutAnyCapacityTheGateSaysWhenItTriesAgain) {
  World world = two_places();
  note_no_capacity(world.memory, world.offers[0].placement, "", world.now);
  world.pass(10s);
  note_no_capacity(world.memory, world.offers[1].placement, "", world.now);
  const Plan plan = world.tick();
  EXPECT_TRUE(plan.actions.empty()) << words(plan);
  ASSERT_NE(gate(plan, "placement"), nullptr);
  EXPECT_EQ(gate(plan, "placement")->opens_in, Duration(50s));
}

TEST(Placement, TakesWhatTheCatalogueCallsEmptyLastButTakesIt) {
  World world = two_places();
  world.offers[0].stock = StockLevel::none;
  EXPECT_EQ(chosen(world), "second");
  note_no_capacity(world.memory, world.offers[1].placement, "", world.now);
  EXPECT_EQ(chosen(world), "first");
}

TEST(Placement, SaysSoWhenThereIsNothingToAskFor) {
  World world = two_places();
  world.offers.clear();
  EXPECT_NE(gate(world.tick(), "placement"), nullptr);
}

TEST(Placement, SpreadsWhereTheStockIsNotKnownToBeGood) {
  Spread plenty({{{"a", "", "", "", Cloud::secure, 0}, StockLevel::high}});
  const auto any = [](const Placement&) { return true; };
  for (int i = 0; i < 10; ++i) EXPECT_EQ(plenty.next(any)->gpu, "a");

  Spread scarce({{{"a", "", "", "", Cloud::secure, 0}, StockLevel::low},
                 {{"b", "", "", "", Cloud::secure, 0}, StockLevel::unknown}});
  std::string order;
  for (int i = 0; i < 7; ++i) order += scarce.next(any)->gpu;
  EXPECT_EQ(order, "aabbaab");
}

TEST(Placement, WaitsWhenTheBalanceIsTooLow) {
  World world = two_places();
  note_no_balance(world.memory, world.now);
  const Plan plan = world.tick();
  EXPECT_TRUE(plan.actions.empty());
  ASSERT_NE(gate(plan, "balance"), nullptr);
  world.pass(299'999ms);
  EXPECT_EQ(chosen(world), "");
  world.pass(1ms);
  EXPECT_EQ(chosen(world), "first");
}

TEST(Placement, TriesTheOthersWhenOneCandidateIsRefused) {
  World world = two_places();
  note_refused(world.memory, world.offers[0].placement, "access denied", world.now);
  EXPECT_EQ(chosen(world), "second");
}

TEST(Placement, SaysThatItIsOurRequestOnlyWhenEveryCandidateIsRefused) {
  World world = two_places();
  note_refused(world.memory, world.offers[0].placement, "access denied", world.now);
  note_no_capacity(world.memory, world.offers[1].placement, "none left", world.now);
  EXPECT_EQ(gate(world.tick(), "rejected"), nullptr);
  world.pass(10s);
  note_refused(world.memory, world.offers[1].placement, "disk too large", world.now);
  const Plan plan = world.tick();
  EXPECT_TRUE(plan.actions.empty()) << words(plan);
  ASSERT_NE(gate(plan, "rejected"), nullptr);
  EXPECT_EQ(gate(plan, "rejected")->reason, "Runpod refuses our request for every placement: disk too large");
  EXPECT_EQ(gate(plan, "rejected")->opens_in, Duration(50s));
  world.pass(50s);
  EXPECT_EQ(chosen(world), "first");
}

TEST(Placement, RegistersNothingBeforeCreatesCanBeSentAgain) {
  World world = two_places();
  note_rate_limited(world.memory, world.now + 42s);
  note_rate_limited(world.memory, world.now + 10s);  // an answer that comes later says less
  const Plan plan = world.tick();
  EXPECT_TRUE(plan.actions.empty()) << words(plan);
  ASSERT_NE(gate(plan, "request_quota"), nullptr);
  EXPECT_EQ(gate(plan, "request_quota")->opens_in, Duration(42s));
  world.pass(41'999ms);
  EXPECT_EQ(chosen(world), "");
  world.pass(1ms);
  EXPECT_EQ(chosen(world), "first");
}

StartOutcome outcome_at(const Placement& placement, bool success, FailureCause cause, Duration age) {
  StartOutcome outcome;
  outcome.placement = placement;
  outcome.success = success;
  outcome.cause = cause;
  outcome.age = age;
  return outcome;
}

TEST(Mistrust, GrowsFromFiveMinutesToAnHour) {
  EXPECT_EQ(mistrust(1), Duration(5min));
  EXPECT_EQ(mistrust(2), Duration(10min));
  EXPECT_EQ(mistrust(4), Duration(40min));
  EXPECT_EQ(mistrust(5), Duration(60min));
  EXPECT_EQ(mistrust(1000), Duration(60min));
}

TEST(Mistrust, PutsAPlaceBehindTheOthersWhileItsNewestStartsFailedByAFaultOfTheHost) {
  World world = two_places();
  auto& outcomes = world.snapshot.outcomes;
  const Placement first = world.offers[0].placement;
  outcomes = {outcome_at(first, false, FailureCause::preflight_gpu, 299'999ms)};
  EXPECT_EQ(chosen(world), "second");
  outcomes[0].age = 5min;
  EXPECT_EQ(chosen(world), "first");
  outcomes.push_back(outcome_at(first, false, FailureCause::provision_timeout, 20min));
  outcomes.push_back(outcome_at(first, true, {}, 21min));
  outcomes.push_back(outcome_at(first, false, FailureCause::pod_error, 22min));  // before a success
  outcomes[0].age = 10min - 1ms;                                                 // two in a row
  EXPECT_EQ(chosen(world), "second");
  outcomes[0].age = 10min;
  EXPECT_EQ(chosen(world), "first");
}

TEST(Mistrust, EndsWithASuccessAndIsNotRaisedByOtherFaults) {
  World world = two_places();
  auto& outcomes = world.snapshot.outcomes;
  const Placement first = world.offers[0].placement;
  outcomes = {outcome_at(first, false, FailureCause::start_failed, 1s)};
  EXPECT_EQ(chosen(world), "first") << "the script's fault";
  outcomes = {outcome_at(first, false, FailureCause::no_capacity, 1s)};
  EXPECT_EQ(chosen(world), "first") << "has a pause of its own";
  outcomes = {outcome_at(first, true, {}, 1s), outcome_at(first, false, FailureCause::pod_error, 2s)};
  EXPECT_EQ(chosen(world), "first");
  outcomes = {outcome_at(first, false, FailureCause::start_failed, 1s),
              outcome_at(first, false, FailureCause::pod_error, 2s)};
  EXPECT_EQ(chosen(world), "second") << "nothing is known of the host since";
}

TEST(Mistrust, TakesTheMistrustedPlaceWhereThereIsNoOther) {
  World world = two_places();
  for (const Offer& offer : world.offers)
    world.snapshot.outcomes.push_back(outcome_at(offer.placement, false, FailureCause::pod_error, 1s));
  EXPECT_EQ(chosen(world), "first");
}

TEST(Placement, OrdersByPriceThenStockWhereTheOperatorHasNoPreference) {
  World world = two_places();
  world.offers[1].preference = world.offers[0].preference;
  EXPECT_EQ(chosen(world), "second");  // $0.30 against $0.40
  world.offers[1].placement.price_per_hr = 0.4;
  world.offers[0].stock = StockLevel::low;
  world.offers[1].stock = StockLevel::medium;
  EXPECT_EQ(chosen(world), "second");
  world.offers[1].placement.price_per_hr = 0;  // a price that is not known comes last
  EXPECT_EQ(chosen(world), "first");
  world.offers[0].stock = StockLevel::none;
  EXPECT_EQ(chosen(world), "second");
}

Budget hourly(double limit, double spent) {
  Budget budget;
  budget.max_hourly = limit;
  budget.hourly = spent;
  return budget;
}

TEST(Budget, LetsALimitBeMetExactlyAndNotPassed) {
  EXPECT_FALSE(hourly(1.32, 0.88).refuses(0.44).has_value());
  EXPECT_TRUE(hourly(1.31, 0.88).refuses(0.44).has_value());
  Budget daily;
  daily.max_daily = 10;
  daily.spent_last_day = 9.5;
  EXPECT_FALSE(daily.refuses(0.5).has_value());
  EXPECT_TRUE(daily.refuses(0.51).has_value());
}

TEST(Budget, TakesTheDearestKnownPriceForAnUnknownOne) {
  Budget budget = hourly(1.0, 0.5);
  EXPECT_TRUE(budget.refuses(0).has_value());
  budget.assumed_price = 0.5;
  EXPECT_FALSE(budget.refuses(0).has_value());
  budget.add(0);
  EXPECT_TRUE(budget.refuses(0).has_value());
}

TEST(Budget, AssumesTheDearestOfOffersAndPodsForAnOfferWithoutAPrice) {
  World world;
  world.offers.clear();
  world.offer("unpriced", 0);
  world.snapshot.queue.queued = 2;
  world.settings.max_hourly_cost_usd = 100;
  EXPECT_NE(gate(world.tick(), "budget"), nullptr);  // nothing is known at all
  Worker& worker = world.idle();
  worker.cost_per_hr = 0.4;
  world.pods.front().cost_per_hr = 0;
  world.settings.max_hourly_cost_usd = 0.79;
  EXPECT_NE(gate(world.tick(), "budget"), nullptr);
  world.settings.max_hourly_cost_usd = 0.8;
  EXPECT_EQ(actions<SpawnWorker>(world.tick()).size(), 1U);
  world.offer("dear", 0.5);  // now the unpriced one is taken to be as dear
  EXPECT_NE(gate(world.tick(), "budget"), nullptr);
}

TEST(Budget, SaysWhatAnotherPodWouldMake) {
  EXPECT_EQ(hourly(1.0, 0.8).refuses(0.44),
            "another pod at $0.44 an hour would make $1.24 an hour, $1.00 is the limit");
}

TEST(Budget, IsUnlimitedWhereTheOperatorSetNothing) {
  EXPECT_FALSE(Budget{}.refuses(0).has_value());
  EXPECT_FALSE(Budget{}.refuses(1000).has_value());
}

TEST(Budget, CountsEveryPodThatCostsAndHoldsSpawnsBack) {
  World world = two_places();
  world.settings.max_hourly_cost_usd = 2.0;
  world.idle();
  world.row(WorkerStatus::spawning, Phase::unknown);  // may exist, may bill
  world.stray("orphan", world.name(70).str());
  Worker& ending = world.row(WorkerStatus::terminating, Phase::deleting, 1s);
  world.pod_of(ending).cost_per_hr = 0.44;
  world.snapshot.queue.queued = 10;
  // Known: 0.44 + 0.40 + 0.44 + 0.44 = 1.72
  const Plan plan = world.tick();
  EXPECT_TRUE(actions<SpawnWorker>(plan).empty()) << words(plan);
  ASSERT_NE(gate(plan, "budget"), nullptr) << words(plan);
  world.settings.max_hourly_cost_usd = 2.02;  // the cheaper one fits
  const auto spawns = actions<SpawnWorker>(world.tick());
  ASSERT_EQ(spawns.size(), 1U);
  EXPECT_EQ(spawns.front().placement.gpu, "second");
}

TEST(Budget, HoldsSpawnsBackWhenTheDaysMoneyIsSpent) {
  World world = two_places();
  world.settings.max_daily_cost_usd = 20;
  world.snapshot.spent_last_day_usd = 19.8;
  EXPECT_NE(gate(world.tick(), "budget"), nullptr);
}

}  // namespace
}  // namespace gpuwarden::policy
