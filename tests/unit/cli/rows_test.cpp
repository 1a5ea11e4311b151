#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli_fixture.hpp"

namespace gpuwarden::cli {
namespace {

using namespace std::chrono_literals;
using testing::failure_row;
using testing::Spoken;
using testing::Terminal;
using testing::worker_row;

constexpr const char* kWorker = "gpu-default-20261124000000-1a2b3c4d";

TEST(WorkersCommand, PrintsATable) {
  Terminal terminal;
  terminal.width = 200;
  terminal.store->worker_rows = {worker_row(kWorker)};
  const Spoken said = terminal.type({"workers"});
  EXPECT_EQ(said.code, kDone);
  EXPECT_EQ(said.out,
            "WORKER                               STATUS  PHASE  GPU                      DATA CENTRE  SINCE"
            "                 HEARTBEAT              COST  CAUSE\n"
            "gpu-default-20261124000000-1a2b3c4d  active  busy   NVIDIA GeForce RTX 4090  EU-RO-1      "
            "2026-11-24T00:00:00Z  2026-11-24T00:05:00Z  $0.04  -\n"
            "\n"
            "Next: gpuwarden worker gpu-default-20261124000000-1a2b3c4d\n");
}

TEST(WorkersCommand, AsksForEndedOnesOnlyWithAll) {
  Terminal terminal;
  std::vector<std::pair<bool, int>> asked;
  terminal.store->on_workers = [&](const std::string&, bool ended, int limit) {
    asked.emplace_back(ended, limit);
    return std::vector<ports::WorkerRow>{};
  };
  EXPECT_EQ(terminal.type({"workers"}).out,
            "No live workers. Next: gpuwarden plan, or gpuwarden workers --all\n");
  EXPECT_EQ(terminal.type({"workers", "--all", "--limit", "7"}).out,
            "No workers yet. Next: gpuwarden plan\n");
  EXPECT_EQ(asked, (std::vector<std::pair<bool, int>>{{false, 50}, {true, 7}}));
}

TEST(WorkersCommand, SpeaksJson) {
  Terminal terminal;
  terminal.store->worker_rows = {worker_row(kWorker)};
  EXPECT_EQ(terminal.type({"workers", "--json"}).out, R"({
  "workers": [
    {
      "id": "gpu-default-20261124000000-1a2b3c4d",
      "status": "active",
      "phase": "busy",
      "pod": "pod-1",
      "gpu": "NVIDIA GeForce RTX 4090",
      "data_center": "EU-RO-1",
      "created_at": "2026-11-24T00:00:00Z",
      "last_heartbeat": "2026-11-24T00:05:00Z",
      "ended_at": null,
      "cost_usd": 0.037,
      "cause": null,
      "summary": null,
      "details": {
        "git_commit": "0123abc",
        "script_hash": "beef"
      }
    }
  ]
}
)");
}

TEST(WorkerCommand, SaysEverythingAboutOne) {
  Terminal terminal;
  ports::WorkerRow row = worker_row(kWorker);
  row.status = "error";
  row.phase = "collecting";
  row.cause = "start_failed";
  row.summary = "the worker ended with exit code 2";
  terminal.store->worker_rows = {row};
  const Spoken said = terminal.type({"worker", kWorker});
  EXPECT_EQ(said.code, kDone);
  EXPECT_TRUE(
      said.out.starts_with("Worker      gpu-default-20261124000000-1a2b3c4d\n"
                           "Status      error (collecting)\n"
                           "Pod         pod-1\n"
                           "GPU         NVIDIA GeForce RTX 4090 in EU-RO-1\n"
                           "Registered  2026-11-24T00:00:00Z\n"
                           "Heartbeat   2026-11-24T00:05:00Z\n"
                           "Cost        $0.04\n"
                           "Script      beef\n"
                           "Commit      0123abc\n"
                           "Cause       start_failed\n"
                           "Summary     the worker ended with exit code 2\n"
                           "Advice      "))
      << said.out;
  EXPECT_NE(said.out.find("Commit      0123abc\n"), std::string::npos);
}

TEST(WorkerCommand, FailsForAWorkerThatIsNotThere) {
  const Spoken said = Terminal().type({"worker", "gpu-none"});
  EXPECT_EQ(said.code, kFailed);
  EXPECT_EQ(said.err, "error: there is no worker 'gpu-none'\nNext: gpuwarden workers --all\n");
  const Spoken json = Terminal().type({"worker", "gpu-none", "--json"});
  EXPECT_EQ(json.code, kFailed);
  EXPECT_EQ(json.err, "");
  EXPECT_EQ(nlohmann::json::parse(json.out)["error"]["kind"], "not_found");
}

TEST(TasksCommand, PrintsATableAndFiltersByStatus) {
  Terminal terminal;
  terminal.width = 160;
  ports::TaskRow done{"t1",
                      "upscale",
                      "Complete",
                      "gpu-a",
                      "",
                      0,
                      fakes::FakeClock::kWallStart,
                      fakes::FakeClock::kWallStart + 61s};
  ports::TaskRow dead{"t2",
                      "upscale",
                      "Failed",
                      "",
                      "worker died 3 times",
                      3,
                      fakes::FakeClock::kWallStart,
                      fakes::FakeClock::kWallStart};
  terminal.store->task_rows = {done, dead};
  EXPECT_EQ(
      terminal.type({"tasks"}).out,
      "TASK  TYPE     STATUS    TRIES  CREATED               UPDATED               WORKER  ERROR\n"
      "t1    upscale  Complete      0  2026-11-24T00:00:00Z  2026-11-24T00:01:01Z  gpu-a   -\n"
      "t2    upscale  Failed        3  2026-11-24T00:00:00Z  2026-11-24T00:00:00Z  -       worker died 3 "
      "times\n");
  const auto json = nlohmann::json::parse(terminal.type({"tasks", "--status", "failed", "--json"}).out);
  ASSERT_EQ(json["tasks"].size(), 1U);
  EXPECT_EQ(json["tasks"][0]["error"], "worker died 3 times");
  EXPECT_EQ(json["tasks"][0]["worker"], nullptr);
  EXPECT_NE(terminal.type({"tasks", "--limit", "2"}).out.find("Next: gpuwarden tasks --limit 8\n"),
            std::string::npos);
  EXPECT_EQ(terminal.type({"tasks", "--status", "queued"}).out,
            "No tasks with this status. Next: gpuwarden status\n");
}

TEST(FailuresCommand, ShowsEachWithItsDecidingLineAndWhatToDo) {
  Terminal terminal;
  terminal.width = 200;
  terminal.store->failure_rows = {failure_row(kWorker, "start_failed"), failure_row("gpu-b", "start_failed")};
  const Spoken said = terminal.type({"failures", "--each"});
  EXPECT_EQ(said.code, kDone);
  EXPECT_TRUE(
      said.out.starts_with("WHEN                  WORKER                               CAUSE         PHASE   "
                           "              COST  EVIDENCE\n"
                           "2026-11-24T00:00:00Z  gpu-default-20261124000000-1a2b3c4d  start_failed  "
                           "bootstrapping:start  $0.01  worker.py: "
                           "error: unrecognized arguments: --wgp-profile 4\n"))
      << said.out;
  EXPECT_NE(said.out.find("\nWhat to do\n  start_failed (2): "), std::string::npos);
  EXPECT_TRUE(
      said.out.ends_with("\nNext: gpuwarden report, gpuwarden worker gpu-default-20261124000000-1a2b3c4d\n"));
}

TEST(FailuresCommand, PassesOnHowFarBack) {
  Terminal terminal;
  Duration since{0};
  terminal.store->on_failures = [&](const std::string&, Duration back, int) {
    since = back;
    return std::vector<ports::FailureRow>{};
  };
  EXPECT_EQ(terminal.type({"failures", "--each", "--since", "2h"}).out,
            "No failures in the last 2h 0m. Next: gpuwarden status\n");
  EXPECT_EQ(since, 2h);
}

TEST(FailuresCommand, HasTheEvidenceInJson) {
  Terminal terminal;
  terminal.store->failure_rows = {failure_row(kWorker, "start_failed")};
  const auto json = nlohmann::json::parse(terminal.type({"failures", "--json"}).out);
  EXPECT_EQ(json["since_s"], 86400.0);
  EXPECT_EQ(json["failures"][0]["evidence"]["exit_code"], 2);
}

TEST(Commands, EndWithThreeWhenAServiceCannotBeReachedAndOneWhenItRefuses) {
  for (const char* command : {"workers", "tasks", "failures", "status"}) {
    Terminal terminal;
    terminal.store->outage = fail(ErrorKind::unavailable, "connection refused").value();
    const Spoken said = terminal.type({command});
    EXPECT_EQ(said.code, kUnreachable) << command;
    EXPECT_EQ(said.err, "error: connection refused\nNext: gpuwarden doctor\n") << command;
    terminal.store->outage = fail(ErrorKind::unauthorized, "invalid key").value();
    EXPECT_EQ(terminal.type({command}).code, kFailed) << command;
  }
}

TEST(Commands, NeverShowASecretThatAServiceRepeats) {
  Terminal terminal;
  ports::FailureRow row = failure_row(kWorker, "start_failed");
  row.evidence_line = std::string("env: SUPABASE_SECRET_KEY=") + testing::kSecretKey;
  row.evidence_json = std::string(R"({"tails":{"worker":["key )") + testing::kRunpodKey + "\"]}}";
  terminal.store->failure_rows = {row};
  ports::WorkerRow worker = worker_row(kWorker);
  worker.summary = std::string("token ") + testing::kRunpodKey;
  terminal.store->worker_rows = {worker};
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"failures"}, {"failures", "--json"}, {"worker", kWorker}, {"workers", "--json"}}) {
    const Spoken said = terminal.type(words);
    EXPECT_EQ((said.out + said.err).find("PLANTED"), std::string::npos) << said.out;
  }
  terminal.store->outage = fail(ErrorKind::refused, std::string("bad key ") + testing::kSecretKey).value();
  const Spoken failed = terminal.type({"tasks"});
  EXPECT_EQ(failed.err.find("PLANTED"), std::string::npos) << failed.err;
}

}  // namespace
}  // namespace gpuwarden::cli
