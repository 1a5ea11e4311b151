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
using testing::worker_row;
using Json = nlohmann::json;

constexpr const char* kWorker = "gpu-default-20261124000000-1a2b3c4d";

Json explanation() {
  return Json::parse(R"({
    "tick":812,"at":"2026-11-24T12:02:40.000Z","fresh":false,"next_tick_in_s":2,"errors":[],"error_kinds":[],
    "queue":{"queued":14,"running":2,"blocked":0},
    "scale":{"wanted":10,"capacity":3,"active":2,"idle":0,"spawning":1,"draining":0,
             "steps":["14 queued + 2 running = 16 tasks","at most 10 (MAX_ACTIVE_GPUS): 10"]},
    "missing":7,
    "gates":[{"name":"breaker","reason":"open: 5 of 5 starts failed","opens_in_s":80,
              "opens_at":"2026-11-24T12:04:00Z","by_itself":true,"remedy":"gpuwarden failures says why"},
             {"name":"ceiling","reason":"10 pods exist","opens_in_s":null,"opens_at":null,"by_itself":false,
              "remedy":"raise MAX_ACTIVE_GPUS, then systemctl reload gpuwarden"},
             {"name":"slow_start","reason":"2 are on their way","opens_in_s":null,"by_itself":true,"remedy":""},
             {"name":"spawn_rate","reason":"at most 10","opens_in_s":0,"by_itself":true,"remedy":""}],
    "actions":[{"action":"drain","worker":"gpu-a","reason":"idle for 40s"}],
    "next":{"actions":[],"gates":[]},
    "in_flight":["spawn gpu-b"],
    "history":[{"gate":"spawn_rate","reason":"at most 10 spawns in a minute","from":"2026-11-24T12:02:40Z",
                "until":"2026-11-24T12:03:20Z","lasted_s":40},
               {"gate":"breaker","reason":"open","from":"2026-11-24T12:00:00Z","until":null,"lasted_s":160}]})");
}

TEST(ExplainCommand, SaysInWordsWhatIsWhatShouldBeAndWhatHoldsItBack) {
  Terminal terminal;
  terminal.daemon_answer = explanation().dump();
  const Spoken said = terminal.type({"explain"});
  EXPECT_EQ(said.code, kDone);
  EXPECT_EQ(terminal.daemon_paths, std::vector<std::string>{"/v1/explain"});
  EXPECT_TRUE(terminal.explained.empty()) << "a daemon runs: nothing is looked up twice";
  EXPECT_EQ(said.out,
            "As of    2026-11-24T12:02:40.000Z (tick 812, the next one in 2s)\n"
            "Queue    14 waiting, 2 running, 0 blocked by other tasks\n"
            "Fleet    2 active (0 idle), 1 spawning, 0 draining\n"
            "\n"
            "How many there should be\n"
            "  14 queued + 2 running = 16 tasks\n"
            "  at most 10 (MAX_ACTIVE_GPUS): 10\n"
            "  10 wanted, 3 there (active and spawning): 7 missing\n"
            "\n"
            "What holds it back\n"
            "  breaker: open: 5 of 5 starts failed\n"
            "    could open in 1m 20s (2026-11-24T12:04:00Z); gpuwarden failures says why\n"
            "  ceiling: 10 pods exist\n"
            "    needs you; raise MAX_ACTIVE_GPUS, then systemctl reload gpuwarden\n"
            "  slow_start: 2 are on their way\n"
            "    opens by itself\n"
            "  spawn_rate: at most 10\n"
            "    could open with the next tick\n"
            "\n"
            "What the last tick began\n"
            "  ACTION  ABOUT  REASON\n"
            "  drain   gpu-a  idle for 40s\n"
            "\n"
            "What is under way\n"
            "  spawn gpu-b\n"
            "\n"
            "What the next tick would do if nothing else changes\n"
            "  nothing\n"
            "\n"
            "What held it back in the last hour\n"
            "  held back by spawn_rate for 40s until 2026-11-24T12:03:20Z: at most 10 spawns in a minute\n"
            "  held back by breaker for 2m 40s so far, since 2026-11-24T12:00:00Z\n"
            "\n"
            "Next: gpuwarden explain WORKER, gpuwarden breaker, gpuwarden status\n");
}

TEST(ExplainCommand, SpeaksTheDaemonsJson) {
  Terminal terminal;
  terminal.daemon_answer = explanation().dump();
  EXPECT_EQ(Json::parse(terminal.type({"explain", "--json"}).out), explanation());
}

TEST(ExplainCommand, SurplusAndNothingToHoldBackAreSaidToo) {
  Terminal terminal;
  Json json = explanation();
  json["scale"]["wanted"] = 1;
  json["gates"] = Json::array();
  terminal.daemon_answer = json.dump();
  const Spoken said = terminal.type({"explain"});
  EXPECT_THAT(said.out, HasSubstr("1 wanted, 3 there (active and spawning): 2 more than wanted\n"));
  EXPECT_THAT(said.out, HasSubstr("\nNothing holds it back.\n"));
  json["scale"]["wanted"] = 3;
  terminal.daemon_answer = json.dump();
  EXPECT_THAT(terminal.type({"explain"}).out, HasSubstr("3 there (active and spawning): as it should be\n"));
}

TEST(ExplainCommand, WithoutADaemonAFreshLookIsTaken) {
  Terminal terminal;
  Json json = explanation();
  json["fresh"] = true;
  terminal.explanation = json.dump();
  const Spoken said = terminal.type({"explain"});
  EXPECT_EQ(said.code, kDone);
  EXPECT_EQ(terminal.explained, std::vector<std::string>{""});
  EXPECT_THAT(said.out, HasSubstr("No daemon runs: nothing listens on /run/gpuwarden/control.sock. This is a "
                                  "fresh look, which has watched nothing before.\n\nAs of"));
  EXPECT_THAT(said.out, HasSubstr("What a tick would do now"));
  EXPECT_THAT(said.out, Not(HasSubstr("in the last hour"))) << "nothing was watched";
  EXPECT_THAT(said.out, HasSubstr("\nNothing was done. Next: gpuwarden once"));
}

TEST(ExplainCommand, AFreshLookThatSeesNothingEndsWithThreeOrOne) {
  Terminal terminal;
  Json json = explanation();
  json["fresh"] = true;
  json["errors"] = {"supabase: timeout after 10s"};
  json["error_kinds"] = {"timeout"};
  json.erase("queue");
  terminal.explanation = json.dump();
  const Spoken said = terminal.type({"explain"});
  EXPECT_EQ(said.code, kUnreachable);
  EXPECT_THAT(said.out, HasSubstr("Unread   supabase: timeout after 10s\n"));
  EXPECT_THAT(said.out, HasSubstr("\nNext: gpuwarden doctor\n"));
  json["error_kinds"] = {"unauthorized"};
  terminal.explanation = json.dump();
  EXPECT_EQ(terminal.type({"explain"}).code, kFailed);
  terminal.explanation = fail(ErrorKind::unavailable, "no connection");
  EXPECT_EQ(terminal.type({"explain"}).code, kUnreachable);
}

TEST(ExplainCommand, TellsAWorkersDeadlinesHeartbeatsAndReasons) {
  Terminal terminal;
  Json json = explanation();
  json["worker"] = Json::parse(R"({
    "id":"gpu-default-20261124000000-1a2b3c4d","status":"active","phase":"busy","pod":"pod-1","gpu":"NVIDIA L4",
    "data_center":"EU-RO-1","age_s":3600,"phase_age_s":60,"pod_status":"RUNNING","pod_uptime_s":3500,"canary":false,
    "heartbeat":{"by_database_s":4,"by_us_s":5,"watched_s":3550},
    "deadlines":[{"what":"it must send a heartbeat","setting":"HEARTBEAT_TIMEOUT_SEC","in_s":116,
                  "then":"it is suspected dead; a second source decides"},
                 {"what":"task t1 (x) must end","setting":"TASK_STUCK_EXEMPT","in_s":null,
                  "then":"tasks of this type may run for any time"},
                 {"what":"it may go","setting":"","in_s":-5,"then":"it goes"}],
    "because":["It is not drained: it works on task t1."],
    "in_flight":["probe gpu-default-20261124000000-1a2b3c4d"],
    "recent":[{"at":"2026-11-24T11:02:00Z","action":"activate","reason":"first heartbeat after 2m 0s","ok":true,
               "detail":"active after 2m 0s"}]})");
  terminal.daemon_answer = json.dump();
  const Spoken said = terminal.type({"explain", kWorker});
  EXPECT_EQ(terminal.daemon_paths, std::vector<std::string>{std::string("/v1/explain/") + kWorker});
  EXPECT_EQ(said.code, kDone);
  EXPECT_EQ(
      said.out,
      "Worker     gpu-default-20261124000000-1a2b3c4d\n"
      "As of      2026-11-24T12:02:40.000Z\n"
      "State      active, busy for 1m 0s; registered 1h 0m ago\n"
      "Pod        pod-1, RUNNING, up 58m 20s; NVIDIA L4 in EU-RO-1\n"
      "Heartbeat  4s ago by the database's clock, 5s ago by ours; watched for 59m 10s\n"
      "\n"
      "Deadlines\n"
      "  in 1m 56s     it must send a heartbeat (HEARTBEAT_TIMEOUT_SEC); then it is suspected dead; a\n"
      "                second source decides\n"
      "  no limit now  task t1 (x) must end (TASK_STUCK_EXEMPT); tasks of this type may run for any time\n"
      "  since 5s      it may go; then it goes\n"
      "\n"
      "Why it is as it is\n"
      "  It is not drained: it works on task t1.\n"
      "\n"
      "What was done\n"
      "  2026-11-24T11:02:00Z  activate done: active after 2m 0s (first heartbeat after 2m 0s)\n"
      "  under way: probe gpu-default-20261124000000-1a2b3c4d\n"
      "\n"
      "Next: gpuwarden worker gpu-default-20261124000000-1a2b3c4d, gpuwarden explain\n");
}

TEST(ExplainCommand, AWorkerThatHasEndedIsToldFromItsRow) {
  Terminal terminal;
  Json json = explanation();
  json["worker"] = nullptr;
  terminal.daemon_answer = json.dump();
  EXPECT_EQ(terminal.type({"explain", kWorker}).code, kFailed);
  EXPECT_THAT(terminal.type({"explain", kWorker}).err, HasSubstr("there is no worker"));
  ports::WorkerRow row = worker_row(kWorker);
  row.status = "terminated";
  row.cause = "start_failed";
  row.summary = "the worker did not start";
  row.ended_at = fakes::FakeClock::kWallStart;
  terminal.store->worker_rows = {row};
  const Spoken said = terminal.type({"explain", kWorker});
  EXPECT_EQ(said.code, kDone);
  EXPECT_THAT(said.out, HasSubstr("State      terminated, ended 2026-11-24T00:00:00Z\n"
                                  "Cause      start_failed: the worker did not start\nAdvice     "));
  EXPECT_EQ(Json::parse(terminal.type({"explain", kWorker, "--json"}).out)["worker"]["cause"],
            "start_failed");
}

TEST(ExplainCommand, AWorkerThatIsNewerThanTheNewestLookHasToBeAskedForAgain) {
  Terminal terminal;
  Json json = explanation();
  json["worker"] = nullptr;
  terminal.daemon_answer = json.dump();
  terminal.store->worker_rows = {worker_row(kWorker)};
  EXPECT_EQ(terminal.type({"explain", kWorker}).out,
            std::string("Worker     ") + kWorker +
                "\nState      active\n\nIt is newer than the newest look at " +
                "the fleet. Next: gpuwarden explain " + kWorker + ", again in a moment\n");
}

TEST(ExplainCommand, WhatIsNoWorkersNameGoesIntoNoPath) {
  Terminal terminal;
  for (const auto* name : {"../status", "a b", "a?b", "a/b"}) {
    EXPECT_EQ(terminal.type({"explain", name}).code, kUsage) << name;
  }
  EXPECT_TRUE(terminal.daemon_paths.empty());
}

}  // namespace
}  // namespace gpuwarden::cli
