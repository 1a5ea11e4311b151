#include "control/beacon.hpp"

#include <gtest/gtest.h>

#include "control/observe.hpp"
#include "loop_world.hpp"

namespace gpuwarden::control {
namespace {

struct BeaconTest : testing::Test {
  Beacon beacon;
  std::uint64_t random{0};
  std::string send() { return beacon.fresh(++random, "us"); }
};

TEST_F(BeaconTest, IsNotKnownOfBeforeAnythingWasLeft) {
  send();
  EXPECT_EQ(beacon.answered(""), std::nullopt);
}

TEST_F(BeaconTest, ReturnsWithTheNextRead) {
  const std::string first = send();
  beacon.answered("");
  const std::string second = send();
  EXPECT_NE(first, second);
  EXPECT_EQ(beacon.answered(first), true);
  send();
  EXPECT_EQ(beacon.answered(second), true);
}

TEST_F(BeaconTest, ThatIsAnotherOrNoneHasNotReturned) {
  const std::string first = send();
  beacon.answered("");
  send();
  EXPECT_EQ(beacon.answered("of somebody else"), false);
  send();
  EXPECT_EQ(beacon.answered(""), false);
  send();
  EXPECT_EQ(beacon.answered(first), false) << "an old copy";
}

TEST_F(BeaconTest, WhoseAnswerWasLostLeavesTwoThatMayStandThere) {
  for (const bool arrived : {false, true}) {
    beacon = {};
    const std::string first = send();
    beacon.answered("");
    const std::string lost = send();  // no answer
    send();
    EXPECT_EQ(beacon.answered(arrived ? lost : first), true);
  }
}

TEST_F(BeaconTest, WhoseRequestWasRepeatedReadsBackItsOwn) {
  send();
  beacon.answered("");
  const std::string repeated = send();
  EXPECT_EQ(beacon.answered(repeated), true);
}

TEST_F(BeaconTest, MustNotReturnOlderThanTheNewestAnsweredOne) {
  const std::string first = send();
  beacon.answered("");
  const std::string second = send();
  EXPECT_EQ(beacon.answered(first), true);
  send();
  EXPECT_EQ(beacon.answered(first), false) << second;
}

TEST_F(BeaconTest, OutlastsALongOutageAndStaysSmall) {
  const std::string first = send();
  beacon.answered("");
  for (int i = 0; i < 10'000; ++i) send();
  EXPECT_EQ(beacon.answered(first), true);
}

TEST_F(BeaconTest, OfANewLeadershipBeginsWithTheRequestThatWasAnswered) {
  const std::string taken = send();
  beacon.begin();
  send();
  EXPECT_EQ(beacon.answered(taken), true);
}

TEST_F(BeaconTest, IsForgottenByWhoeverDoesNotLead) {
  send();
  beacon.answered("");
  send();
  beacon.forget();
  send();
  EXPECT_EQ(beacon.answered("of the other leader"), std::nullopt);
}

struct ObservedBeacon : testing::Test {
  LoopWorld world;
  Context context{world.environment(), LoopWorld::settings()};
  std::optional<bool> look(bool lead = true) { return world.finish(observe(context, lead)).beacon_returned; }
};

TEST_F(ObservedBeacon, ReturnsFromTheSecondReadOn) {
  EXPECT_EQ(look(), std::nullopt);
  EXPECT_EQ(look(), true);
  EXPECT_EQ(look(), true);
  const auto& queries = world.store.snapshot_queries;
  EXPECT_NE(queries[0].beacon, queries[1].beacon);
  EXPECT_NE(queries[0].beacon.find("test-holder"), std::string::npos);
}

TEST_F(ObservedBeacon, DoesNotReturnFromADatabaseThatSwallowsWrites) {
  look();
  look();
  const Snapshot frozen = world.store.state;
  world.store.on_snapshot = [frozen](const auto&) -> Result<Snapshot> { return frozen; };
  EXPECT_EQ(look(), true);  // what stood there when it froze
  EXPECT_EQ(look(), false);
}

TEST_F(ObservedBeacon, ReturnsAfterAnOutage) {
  look();
  world.store.outage = Error{ErrorKind::timeout, "no answer", 0, "", {}};
  EXPECT_EQ(look(), std::nullopt);
  world.store.outage.reset();
  EXPECT_EQ(look(), true);
}

TEST_F(ObservedBeacon, IsNotKnownOfAfterAChangeOfLeader) {
  look();
  look();
  world.store.state.leader.epoch += 2;  // another one led meanwhile
  EXPECT_EQ(look(), std::nullopt);
  EXPECT_EQ(look(), true);
}

TEST_F(ObservedBeacon, IsNotLeftByWhoeverOnlyLooks) {
  EXPECT_EQ(look(false), std::nullopt);
  EXPECT_TRUE(world.store.snapshot_queries.back().beacon.empty());
}

}  // namespace
}  // namespace gpuwarden::control
