#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli_fixture.hpp"

namespace gpuwarden::cli {
namespace {

using namespace std::chrono_literals;
using testing::Spoken;
using testing::Terminal;

control::CycleSummary summary() {
  control::CycleSummary made;
  control::TickReport& report = made.report;
  report.number = 1;
  report.at = fakes::FakeClock::kWallStart;
  report.snapshot = Snapshot{};
  report.pods = std::vector<Pod>{};
  report.plan.scale = {4, 1, 1, 0, 0, 0, 3, 1};
  Placement placement;
  placement.gpu = "RTX 4090";
  placement.data_center = "EU-RO-1";
  report.plan.actions = {
      {SpawnWorker{WorkerId("gpu-a"), placement, false, 1}, "4 tasks wait, 3 workers are wanted"},
      {DeleteOrphan{PodId("pod-9"), "gpu-old"}, "no row for two lists"}};
  report.plan.gates = {{"spawn_rate", "10 a minute reached", 42s},
                       {"ceiling", "MAX_ACTIVE_GPUS is 3", std::nullopt}};
  return made;
}

TEST(PlanCommand, PrintsEachActionWithItsReasonAndEachGate) {
  Terminal terminal;
  terminal.cycle = summary();
  const Spoken said = terminal.type({"plan"});
  EXPECT_EQ(said.code, kDone);
  EXPECT_EQ(terminal.cycles, std::vector<bool>{true});
  EXPECT_EQ(said.out,
            "As of    2026-11-24T00:00:00Z\n"
            "Queue    4 waiting, 1 running\n"
            "Fleet    3 wanted; 1 active (0 idle), 0 spawning, 0 draining\n"
            "Actions  2\n"
            "  ACTION         ABOUT                         REASON\n"
            "  spawn          gpu-a on RTX 4090 in EU-RO-1  4 tasks wait, 3 workers are wanted\n"
            "  delete_orphan  gpu-old (pod-9)               no row for two lists\n"
            "Held back by\n"
            "  GATE        REASON                OPENS IN\n"
            "  spawn_rate  10 a minute reached   42s\n"
            "  ceiling     MAX_ACTIVE_GPUS is 3  -\n"
            "\n"
            "Nothing was done. To do it once: gpuwarden once\n");
}

TEST(PlanCommand, TellsTheQueueInTimeWhereATimeIsSetForIt) {
  Terminal terminal;
  terminal.cycle = summary();
  auto& drain = terminal.cycle->report.plan.scale.drain;
  drain = DrainFigures{4800s, 600s, 40, 3};
  EXPECT_NE(terminal.type({"plan"}).out.find("\nDrain    1h 20m of work in 40 tasks, to be done in 10m 0s; 3 "
                                             "tasks of unknown duration are counted\n"),
            std::string::npos);
  const auto json = nlohmann::json::parse(terminal.type({"plan", "--json"}).out);
  EXPECT_EQ(
      json["scale"]["drain"],
      (nlohmann::json{{"work_s", 4800.0}, {"target_s", 600.0}, {"timed_tasks", 40}, {"counted_tasks", 3}}));
  drain = DrainFigures{0s, 600s, 0, 3};
  EXPECT_NE(terminal.type({"plan"}).out.find(
                "\nDrain    to be done in 10m 0s; 3 tasks of unknown duration are counted\n"),
            std::string::npos);
  drain.reset();
  EXPECT_EQ(terminal.type({"plan"}).out.find("Drain"), std::string::npos);
}

TEST(PlanCommand, SpeaksJson) {
  Terminal terminal;
  terminal.cycle = summary();
  const auto json = nlohmann::json::parse(terminal.type({"plan", "--json"}).out);
  EXPECT_EQ(json["actions"][0]["action"], "spawn");
  EXPECT_EQ(json["actions"][0]["reason"], "4 tasks wait, 3 workers are wanted");
  EXPECT_EQ(json["gates"][0]["opens_in_s"], 42.0);
}

TEST(PlanCommand, SaysWhatCouldNotBeReadAndEndsWithThree) {
  Terminal terminal;
  control::CycleSummary blind = summary();
  blind.report.snapshot.reset();
  blind.report.snapshot_error = "timeout after 10s";
  blind.report.snapshot_error_kind = ErrorKind::timeout;
  blind.report.plan.actions.clear();
  blind.report.plan.gates = {
      {"database", "not readable, so nothing is done: timeout after 10s", std::nullopt}};
  terminal.cycle = blind;
  const Spoken said = terminal.type({"plan"});
  EXPECT_EQ(said.code, kUnreachable);
  EXPECT_EQ(said.out,
            "As of    2026-11-24T00:00:00Z\n"
            "Unread   Supabase: timeout after 10s\n"
            "Actions  none: not everything could be read\n"
            "Held back by\n"
            "  GATE      REASON                            OPENS IN\n"
            "  database  not readable, so nothing is done  -\n"
            "\n"
            "Next: gpuwarden doctor\n");
}

TEST(PlanCommand, EndsWithOneWhenAServiceAnswersWithAnError) {
  for (const ErrorKind kind : {ErrorKind::unauthorized, ErrorKind::not_found, ErrorKind::malformed}) {
    Terminal terminal;
    control::CycleSummary denied = summary();
    denied.report.pods.reset();
    denied.report.pods_error = "401";
    denied.report.pods_error_kind = kind;
    terminal.cycle = denied;
    for (const auto& words :
         std::vector<std::vector<std::string>>{{"plan"}, {"once", "--dry-run"}, {"once"}}) {
      const Spoken said = terminal.type(words);
      EXPECT_EQ(said.code, kFailed) << to_string(kind);
      EXPECT_TRUE(said.out.ends_with("\nNext: gpuwarden doctor\n")) << said.out;
    }
    denied.report.snapshot.reset();
    denied.report.snapshot_error_kind = ErrorKind::unavailable;
    terminal.cycle = denied;
    EXPECT_EQ(terminal.type({"plan"}).code, kUnreachable) << "one of the two does not answer";
  }
}

TEST(PlanCommand, SaysThatNothingNeedsToBeDone) {
  Terminal terminal;
  terminal.cycle = summary();
  terminal.cycle->report.plan.actions.clear();
  EXPECT_NE(terminal.type({"plan"}).out.find("\nActions  none\n"), std::string::npos);
}

TEST(OnceCommand, ActsAndSaysHowEachActionEnded) {
  Terminal terminal;
  control::CycleSummary done = summary();
  terminal.width = 140;
  done.results = {{"spawn", "gpu-a", false, "no capacity in EU-RO-1", 2s}};
  terminal.cycle = done;
  const Spoken said = terminal.type({"once"});
  EXPECT_EQ(said.code, kFailed);
  EXPECT_EQ(terminal.cycles, std::vector<bool>{false});
  EXPECT_NE(said.out.find("failed: no capacity in EU-RO-1"), std::string::npos) << said.out;
  EXPECT_TRUE(said.out.ends_with("\nNext: gpuwarden doctor\n"));
  const auto json = nlohmann::json::parse(terminal.type({"once", "--json"}).out);
  EXPECT_EQ(json["results"][0]["ok"], false);
}

TEST(OnceCommand, DoesNothingInADryRun) {
  Terminal terminal;
  terminal.cycle = summary();
  const Spoken said = terminal.type({"once", "--dry-run"});
  EXPECT_EQ(said.code, kDone);
  EXPECT_EQ(terminal.cycles, std::vector<bool>{true});
  EXPECT_TRUE(said.out.ends_with("Nothing was done. To do it once: gpuwarden once\n"));
}

}  // namespace
}  // namespace gpuwarden::cli
