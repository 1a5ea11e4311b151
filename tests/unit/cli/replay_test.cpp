#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli_fixture.hpp"

namespace gpuwarden::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::Spoken;
using testing::Terminal;
using Json = nlohmann::json;

Json answer() {
  return Json::parse(R"({
    "file":"j","ticks":12,"processes":1,"from":"2026-11-24T00:00:00Z","until":"2026-11-24T00:00:55Z",
    "recorded_by":["0.1.0"],"program":"0.1.0","reproduced":true,"mismatches":0,"first_mismatch":null,
    "changes":[{"name":"MAX_ACTIVE_GPUS","value":"2"}],"differing_ticks":1,
    "differences":[{"tick":3,"at":"2026-11-24T00:00:10Z","wanted":[4,2],"only_recorded":["spawn gpu-a on L4"],
                    "only_changed":["drain gpu-b"],"gates_gone":["slow_start"],"gates_new":["ceiling"]}],
    "summary":{"recorded":{"actions":{"spawn":4},"workers_drained":0,"workers_failed":1,"most_missing":4,
                           "wanted_pod_s":7200,"held_back_s":{"slow_start":30}},
               "changed":{"actions":{"spawn":2,"drain":1},"workers_drained":1,"workers_failed":1,"most_missing":2,
                          "wanted_pod_s":3600,"held_back_s":{"ceiling":60}}},
    "warnings":[]})");
}

TEST(ReplayCommand, PrintsWhereDecisionsDifferAndTheSums) {
  Terminal terminal;
  terminal.replay_answer = answer().dump();
  const Spoken said = terminal.type({"replay", "j", "--set", "MAX_ACTIVE_GPUS=2"});
  EXPECT_EQ(said.code, kDone);
  ASSERT_EQ(terminal.replayed.size(), 1U);
  EXPECT_EQ(terminal.replayed[0].file, "j");
  EXPECT_EQ(terminal.replayed[0].changes,
            (std::vector<std::pair<std::string, std::string>>{{"MAX_ACTIVE_GPUS", "2"}}));
  EXPECT_EQ(
      said.out,
      "Record    12 ticks of 1 run, 2026-11-24T00:00:00Z to 2026-11-24T00:00:55Z, by gpuwarden 0.1.0\n"
      "Replayed  the recorded settings give the recorded decisions in every tick\n"
      "Changed   MAX_ACTIVE_GPUS=2\n"
      "\n"
      "Decisions differ in 1 of 12 ticks\n"
      "  2026-11-24T00:00:10Z  tick 3  wanted 4 -> 2\n"
      "    - spawn gpu-a on L4\n"
      "    + drain gpu-b\n"
      "    no longer held back by slow_start\n"
      "    held back by ceiling\n"
      "\n"
      "FIGURE                   RECORDED  CHANGED\n"
      "pod hours wanted             2.00     1.00\n"
      "most missing at once            4        2\n"
      "workers to drain                0        1\n"
      "workers to fail                 1        1\n"
      "drain asked for                 0        1\n"
      "spawn asked for                 4        2\n"
      "held back by ceiling           0s    1m 0s\n"
      "held back by slow_start       30s       0s\n"
      "\n"
      "The recorded world does not react to other decisions: a pod that only the changed settings ask for\n"
      "never appears, so it is asked for again, and one that they would not have asked for stays. Counts of\n"
      "actions are therefore upper bounds; what was wanted and what held back is exact.\n"
      "\n"
      "Next: gpuwarden config --explain   # says what each variable means\n");
}

TEST(ReplayCommand, AlikeDifferencesThatFollowEachOtherAreToldOnce) {
  Terminal terminal;
  Json json = answer();
  Json one = json["differences"][0];
  json["differences"] = Json::array();
  for (const int tick : {3, 4, 5, 7}) {
    one["tick"] = tick;
    one["at"] = "2026-11-24T00:00:0" + std::to_string(tick) + "Z";
    json["differences"].push_back(one);
  }
  terminal.replay_answer = json.dump();
  const Spoken said = terminal.type({"replay", "j", "--set", "MAX_ACTIVE_GPUS=2"});
  EXPECT_THAT(said.out,
              HasSubstr("  2026-11-24T00:00:03Z to 2026-11-24T00:00:05Z  ticks 3 to 5  wanted 4 -> 2\n"));
  EXPECT_THAT(said.out, HasSubstr("  2026-11-24T00:00:07Z  tick 7  wanted 4 -> 2\n"))
      << "tick 6 did not differ";
  json["differences"] = Json::array();
  for (int tick = 1; tick < 60; tick += 2) {
    one["tick"] = tick;
    json["differences"].push_back(one);
  }
  terminal.replay_answer = json.dump();
  const Spoken many = terminal.type({"replay", "j", "--set", "MAX_ACTIVE_GPUS=2"});
  EXPECT_THAT(many.out, HasSubstr("tick 39 "));
  EXPECT_THAT(many.out, Not(HasSubstr("tick 41 ")));
  EXPECT_THAT(many.out, HasSubstr("  … all of them: --json\n"));
}

TEST(ReplayCommand, WithoutChangesOnlyTheRecordIsChecked) {
  Terminal terminal;
  Json json = answer();
  json["changes"] = Json::array();
  json.erase("differences");
  json["summary"].erase("changed");
  terminal.replay_answer = json.dump();
  const Spoken said = terminal.type({"replay", "-"});
  EXPECT_EQ(terminal.replayed.at(0).file, "-");
  EXPECT_THAT(said.out, Not(HasSubstr("Decisions differ")));
  EXPECT_THAT(said.out, HasSubstr("spawn asked for "));
  EXPECT_THAT(said.out, Not(HasSubstr("does not react")));
}

TEST(ReplayCommand, ARecordThatIsNotReproducedEndsWithOneAndSaysWhereAndWhy) {
  Terminal terminal;
  Json json = answer();
  json["reproduced"] = false;
  json["mismatches"] = 2;
  json["program"] = "0.2.0";
  json["first_mismatch"] = {
      {"tick", 3}, {"at", "2026-11-24T00:00:10Z"}, {"line", 4}, {"difference", answer()["differences"][0]}};
  terminal.replay_answer = json.dump();
  const Spoken said = terminal.type({"replay", "j"});
  EXPECT_EQ(said.code, kFailed);
  EXPECT_THAT(said.out,
              HasSubstr("Replayed  2 of 12 ticks give other decisions, the first at 2026-11-24T00:00:10Z "
                        "(tick 3, line 4)\n          this is gpuwarden 0.2.0: it decides otherwise\n"));
  json["program"] = "0.1.0";
  json["first_mismatch"]["difference"] = nullptr;
  terminal.replay_answer = json.dump();
  EXPECT_THAT(terminal.type({"replay", "j"}).out, HasSubstr("although this is gpuwarden 0.1.0 too"));
  EXPECT_THAT(terminal.type({"replay", "j"}).out, HasSubstr("the same actions and gates, for other reasons"));
  EXPECT_EQ(terminal.type({"replay", "j", "--json"}).code, kFailed);
}

TEST(ReplayCommand, WrongUsageEndsWithTwo) {
  Terminal terminal;
  EXPECT_EQ(terminal.type({"replay"}).code, kUsage);
  for (const auto* set : {"MAX_ACTIVE_GPUS", "=3"}) {
    const Spoken said = terminal.type({"replay", "j", "--set", set});
    EXPECT_EQ(said.code, kUsage) << set;
    EXPECT_THAT(said.err, HasSubstr("--set takes NAME=VALUE"));
  }
  EXPECT_TRUE(terminal.replayed.empty());
  terminal.replay_answer =
      fail(ErrorKind::invalid_input, "MAX_ACTIVE_GPU is not known. Did you mean MAX_ACTIVE_GPUS?");
  const Spoken said = terminal.type({"replay", "j", "--set", "MAX_ACTIVE_GPU=3"});
  EXPECT_EQ(said.code, kUsage);
  EXPECT_THAT(said.err, HasSubstr("Did you mean MAX_ACTIVE_GPUS?\nNext: gpuwarden config --explain"));
  terminal.replay_answer = fail(ErrorKind::not_found, "j: No such file or directory");
  EXPECT_EQ(terminal.type({"replay", "j"}).code, kFailed);
  terminal.replay_answer = fail(ErrorKind::malformed, "j: no journal");
  EXPECT_EQ(terminal.type({"replay", "j", "--json"}).code, kFailed);
}

TEST(ReplayCommand, NeedsNoConfiguration) {
  Terminal terminal;
  terminal.environment.clear();
  terminal.replay_answer = answer().dump();
  EXPECT_EQ(terminal.type({"replay", "j"}).code, kDone);
}

}  // namespace
}  // namespace gpuwarden::cli
