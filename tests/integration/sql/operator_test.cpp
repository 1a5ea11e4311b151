// An operator's word: pause, hold, release, clear, reset. Without a daemon, and against one that has just
// decided.
#include "integration/sql/sql_world.hpp"

namespace gpuwarden::test {
namespace {

class Operator : public SqlTest {
 protected:
  static Json said(const std::string& command, const Json& ttl = nullptr, const std::string& actor = "ann",
                   const std::string& reason = "because") {
    return {{"owner_param", "test"},
            {"command_param", command},
            {"actor_param", actor},
            {"reason_param", reason},
            {"ttl_sec_param", ttl}};
  }
  Json say(const std::string& command, const Json& ttl = nullptr) {
    return project().ask("gpuwarden_operator", said(command, ttl));
  }
  Json saving(const std::string& state, int generation) const {
    return {{"owner_param", "test"},
            {"epoch_param", epoch},
            {"key_param", "breaker"},
            {"value_param",
             {{"state", state},
              {"generation", generation},
              {"pause_s", 120},
              {"canary_successes", 1},
              {"canary", nullptr},
              {"scopes", {{{"key", "host|x"}}}}}}};
  }
  Json save(const std::string& state, int generation) {
    return project().ask("gpuwarden_save_state", saving(state, generation));
  }
  static Json breaker() { return project().snapshot().at("breaker"); }
};

TEST_F(Operator, PauseAndResumeAreSeenByTheNextSnapshot) {
  const auto answer = say("pause");
  EXPECT_TRUE(answer.at("done"));
  EXPECT_EQ(answer.at("reason"), "paused");
  EXPECT_EQ(answer.at("state").at("paused"), true);
  const auto switches = project().snapshot().at("switches");
  EXPECT_EQ(switches, (Json{{"paused", true}, {"paused_by", "ann"}, {"pause_reason", "because"}}));
  EXPECT_FALSE(say("pause").at("done")) << "it is paused already";
  EXPECT_TRUE(say("resume").at("done"));
  EXPECT_EQ(project().snapshot().at("switches").at("paused"), false);
  const auto again = say("resume");
  EXPECT_FALSE(again.at("done"));
  EXPECT_EQ(again.at("reason"), "not_paused");
}

TEST_F(Operator, AHoldIsInForceUntilItsTimeIsUp) {
  EXPECT_TRUE(say("breaker_hold", 7200).at("done"));
  auto forced = project().snapshot().at("breaker_override");
  EXPECT_EQ(forced.at("kind"), "hold");
  EXPECT_EQ(forced.at("actor"), "ann");
  EXPECT_EQ(forced.at("reason"), "because");
  EXPECT_NEAR(forced.at("expires_in_s").get<double>(), 7200, 5);
  project().exec(
      "update public.gpuwarden_state set value = value || jsonb_build_object('expires_at', now() - interval "
      "'1 second') where key = 'breaker_override'");
  EXPECT_TRUE(project().snapshot().at("breaker_override").is_null());
  const auto cleared = say("breaker_clear");
  EXPECT_FALSE(cleared.at("done")) << "it is over by itself";
  EXPECT_TRUE(cleared.at("state").at("override").is_null());
}

TEST_F(Operator, ReleaseReplacesHoldAndClearEndsIt) {
  say("breaker_hold");
  EXPECT_TRUE(project().snapshot().at("breaker_override").at("expires_in_s").is_null());
  EXPECT_EQ(say("breaker_release", 60).at("state").at("override").at("kind"), "release");
  EXPECT_EQ(project().snapshot().at("breaker_override").at("kind"), "release");
  EXPECT_TRUE(say("breaker_clear").at("done"));
  EXPECT_TRUE(project().snapshot().at("breaker_override").is_null());
  EXPECT_FALSE(say("breaker_clear").at("done"));
}

TEST_F(Operator, AResetClosesTheBreakerUnderANewGenerationAndEndsTheOverride) {
  ASSERT_TRUE(save("open", 4).at("done"));
  say("breaker_hold");
  const auto answer = say("breaker_reset");
  EXPECT_TRUE(answer.at("done"));
  EXPECT_EQ(answer.at("state").at("breaker"), "closed");
  EXPECT_EQ(answer.at("state").at("generation"), 6);
  EXPECT_TRUE(answer.at("state").at("override").is_null());
  const auto seen = breaker();
  EXPECT_EQ(seen.at("state"), "closed");
  EXPECT_EQ(seen.at("generation"), 6);
  EXPECT_EQ(seen.at("pause_s"), 0);
  EXPECT_EQ(seen.at("canary_successes"), 0);
  EXPECT_EQ(seen.at("scopes"), Json::array());
  EXPECT_EQ(seen.at("reason"), "reset by ann: because");
  EXPECT_LT(seen.at("state_age_s").get<double>(), 5);
  EXPECT_TRUE(project().snapshot().at("breaker_override").is_null());
}

TEST_F(Operator, AResetBeforeTheFirstSaveIsAboveWhatADaemonCanHaveDecidedFromNothing) {
  EXPECT_EQ(say("breaker_reset").at("state").at("generation"), 3);
  EXPECT_EQ(breaker().at("state"), "closed");
  EXPECT_FALSE(save("open", 2).at("done")) << "decided from the first generation, which is 1";
  EXPECT_TRUE(save("open", 4).at("done")) << "decided after a look at the reset";
}

/// A daemon that has read generation 4 saves 4 (the same state) or 5 (another one): both were decided before
/// the reset. One that has read the reset (6) saves 6 or 7.
TEST_F(Operator, WhatWasDecidedBeforeAResetNeverOverwritesIt) {
  ASSERT_TRUE(save("open", 4).at("done"));
  say("breaker_reset");
  for (const int generation : {4, 5}) {
    const auto late = save("open", generation);
    EXPECT_FALSE(late.at("done")) << generation;
    EXPECT_EQ(late.at("reason"), "older_generation");
    EXPECT_EQ(breaker().at("state"), "closed");
    EXPECT_EQ(breaker().at("reason"), "reset by ann: because");
  }
  EXPECT_TRUE(save("closed", 6).at("done"));
  EXPECT_TRUE(save("open", 7).at("done"));
  EXPECT_EQ(breaker().at("state"), "open");
}

TEST_F(Operator, InWhateverOrderSavesAndResetsArriveTheResetStands) {
  for (int round = 0; round < 12; ++round) {
    const int read = 10 + round * 10;
    project().exec("delete from public.gpuwarden_state");
    ASSERT_TRUE(save("half_open", read).at("done"));
    std::vector<std::pair<std::string, Json>> calls{{"gpuwarden_save_state", saving("open", read + 1)},
                                                    {"gpuwarden_operator", said("breaker_reset")},
                                                    {"gpuwarden_save_state", saving("half_open", read)}};
    std::rotate(calls.begin(), calls.begin() + round % 3, calls.end());
    for (const auto& answer : project().parallel(calls, Key::secret))
      EXPECT_EQ(answer.status, 200) << answer.text;
    EXPECT_EQ(breaker().at("state"), "closed") << round;
    EXPECT_GE(breaker().at("generation"), read + 2);
  }
}

TEST_F(Operator, OtherKeysKnowNoGenerations) {
  Json other = saving("x", 9);
  other["key_param"] = "other";
  EXPECT_TRUE(project().ask("gpuwarden_save_state", other).at("done"));
  other["value_param"]["generation"] = 1;
  EXPECT_TRUE(project().ask("gpuwarden_save_state", other).at("done"));
}

TEST_F(Operator, NeedsNoLeaderAndTouchesNoOtherOwner) {
  project().exec("delete from public.gpuwarden_leaders");
  EXPECT_TRUE(say("pause").at("done"));
  EXPECT_TRUE(say("breaker_reset").at("done"));
  EXPECT_EQ(project().snapshot("other").at("switches").at("paused"), false);
  EXPECT_TRUE(project().snapshot("other").at("breaker").is_null());
}

TEST_F(Operator, AWordWithoutNameReasonOrMeaningIsRefused) {
  for (const auto& [arguments, words] : std::vector<std::pair<Json, std::string>>{
           {said("pause", nullptr, "  "), "needs a name"},
           {said("pause", nullptr, "ann", " "), "needs a reason"},
           {said("breaker_hold", nullptr, "ann", ""), "needs a reason"},
           {said("breaker_reset", nullptr, "ann", ""), "needs a reason"},
           {said("dance"), "unknown command dance"},
           {said("breaker_hold", 0), "1 s or more"},
           {said("pause", 60), "only breaker_hold"}}) {
    const auto answer = project().rpc("gpuwarden_operator", arguments);
    EXPECT_EQ(answer.status, 400) << answer.text;
    EXPECT_NE(answer.text.find(words), std::string::npos) << answer.text;
  }
  EXPECT_EQ(project().rows("select 1 from public.gpuwarden_state where key <> 'settings'").size(), 0U);
  EXPECT_TRUE(project().ask("gpuwarden_operator", said("resume", nullptr, "ann", "")).contains("done"));
  EXPECT_TRUE(project().ask("gpuwarden_operator", said("breaker_hold", 1)).at("done"));
}

TEST_F(Operator, WhoAndWhenAreStored) {
  for (const auto* command : {"pause", "breaker_release", "breaker_reset", "breaker_hold"}) say(command);
  const auto rows = project().rows(
      "select key, value from public.gpuwarden_state where key in ('switches', 'breaker', "
      "'breaker_override') "
      "order by key");
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows.at(0).at("value").at("reset").at("actor"), "ann");
  EXPECT_TRUE(rows.at(0).at("value").at("reset").at("at").is_string());
  EXPECT_EQ(rows.at(1).at("value").at("kind"), "hold");
  EXPECT_TRUE(rows.at(1).at("value").at("at").is_string());
  EXPECT_TRUE(rows.at(2).at("value").at("paused_at").is_string());
  say("resume");
  EXPECT_EQ(project()
                .rows("select value from public.gpuwarden_state where key = 'switches'")
                .at(0)
                .at("value")
                .at("resumed")
                .at("actor"),
            "ann");
}

TEST_F(Operator, PodsCannotSayAnything) {
  for (const auto* command : {"pause", "breaker_reset"}) {
    const auto answer = project().rpc("gpuwarden_operator", said(command), Key::publishable);
    EXPECT_EQ(answer.status, 401) << answer.text;
    EXPECT_EQ(answer.body.value("code", ""), "42501");
    EXPECT_EQ(project().rpc("gpuwarden_operator", said(command), Key::none).status, 401);
  }
  EXPECT_EQ(project().snapshot().at("switches").at("paused"), false);
  EXPECT_TRUE(project().snapshot().at("breaker").is_null());
}

}  // namespace
}  // namespace gpuwarden::test
