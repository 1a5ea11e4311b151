// What a snapshot leaves behind for the next one, and whom it names of those that failed lately.
#include "integration/sql/sql_world.hpp"

namespace gpuwarden::test {
namespace {

using std::chrono::seconds;

class Beacon : public SqlTest {
 protected:
  static Json look(const std::string& beacon, const std::string& holder = "daemon") {
    return project().ask("gpuwarden_snapshot",
                         {{"owner_param", "test"},
                          {"holder_param", holder.empty() ? Json(nullptr) : Json(holder)},
                          {"options_param", {{"beacon", beacon}}}});
  }
};

TEST_F(Beacon, ComesBackWithTheNextSnapshotOfTheLeader) {
  EXPECT_TRUE(look("one").at("beacon").is_null());
  EXPECT_EQ(look("two").at("beacon"), "one");
  EXPECT_EQ(look("three").at("beacon"), "two");
}

TEST_F(Beacon, IsLeftByTheLeaderAlone) {
  look("one");
  EXPECT_TRUE(look("of a standby", "another").at("beacon").is_null());
  EXPECT_TRUE(look("of a looker", "").at("beacon").is_null());
  EXPECT_TRUE(look("").at("beacon").is_null()) << "none was given";
  EXPECT_EQ(look("two").at("beacon"), "one");
}

TEST_F(Beacon, WaitsForNobody) {
  look("one");
  {
    const OpenTransaction other(project().database, "select 1 from public.gpuwarden_state for update");
    const auto began = std::chrono::steady_clock::now();
    const Json seen = look("two");
    EXPECT_LT(std::chrono::steady_clock::now() - began, seconds(2));
    EXPECT_TRUE(seen.at("leader").at("leading"));
    EXPECT_EQ(seen.at("beacon"), "one");
  }
  EXPECT_EQ(look("three").at("beacon"), "one") << "the second could not be left";
  EXPECT_EQ(look("four").at("beacon"), "three");
}

TEST_F(Beacon, IsKeptShort) {
  look(std::string(100'000, 'x'));
  EXPECT_EQ(look("two").at("beacon").get<std::string>().size(), 200U);
}

TEST_F(Beacon, IsNoMatterWhereTheDatabaseCannotBeWritten) {
  look("one");
  project().gateway->set_outage(sandbox::Outage::unwritable);
  const Json seen = look("two");
  project().gateway->set_outage(sandbox::Outage::none);
  EXPECT_FALSE(seen.at("writable"));
  EXPECT_TRUE(seen.at("beacon").is_null());
  EXPECT_EQ(look("three").at("beacon"), "one");
}

class RecentFailures : public SqlTest {};

TEST_F(RecentFailures, AreThoseOfTheLastTenMinutesWithTheLengthOfTheirSilence) {
  const auto silent = worker("aaaaaaaa"), starting = worker("bbbbbbbb", "spawning"), old = worker("cccccccc");
  fail_worker(silent.id, "heartbeat_lost", {{"evidence", {{"heartbeat_age_s", 131.5}}}});
  fail_worker(starting.id, "setup_failed", {{"evidence", {{"heartbeat_age_s", nullptr}}}});
  fail_worker(old.id, "heartbeat_lost", {{"evidence", {{"heartbeat_age_s", 140}}}});
  project().exec(
      "update public.gpuwarden_failures set created_at = now() - interval '601 seconds' where worker_id = '" +
      old.id + "'");
  const Json failures = project().snapshot().at("recent_failures");
  ASSERT_EQ(failures.size(), 1U) << failures;
  EXPECT_EQ(failures.at(0).at("worker_id"), silent.id);
  EXPECT_EQ(failures.at(0).at("silent_s"), 131.5);
  EXPECT_LT(failures.at(0).at("age_s"), 60.0);
}

}  // namespace
}  // namespace gpuwarden::test
