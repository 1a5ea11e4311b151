// The lives of workers and tasks as `worker`, `task`, `events` and `failures` tell them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli_fixture.hpp"

namespace gpuwarden::cli {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::event_row;
using testing::failure_row;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Spoken;
using testing::Terminal;
using testing::worker_row;

constexpr const char* kWorker = "gpu-default-20261124000000-1a2b3c4d";
constexpr const char* kTask = "5e2a7c64-1c1e-4f0e-9a43-0f6f5d0c1b2a";

std::vector<ports::EventRow> a_life() {
  return {
      event_row(1, 0s, kWorker, "registered",
                R"({"phase":"intent","gpu":"RTX 4090","data_center":"EU-RO-1","canary":true})"),
      event_row(2, 2s, kWorker, "pod", R"({"pod":"pod-1","cost_per_hr":0.44})"),
      event_row(3, 3s, kWorker, "phase", R"({"status":"spawning","phase":"provisioning","before":"intent"})"),
      event_row(4, 40s, kWorker, "phase", R"({"status":"spawning","phase":"bootstrapping:setup"})"),
      event_row(5, 104s, kWorker, "phase", R"({"status":"spawning","phase":"awaiting_heartbeat"})"),
      event_row(6, 105s, kWorker, "first_heartbeat"),
      event_row(7, 106s, kWorker, "phase", R"({"status":"active","phase":"idle"})"),
      event_row(8, 110s, kWorker, "task_claimed", R"({"attempt":2,"type":"upscale"})", kTask),
      event_row(9, 140s, kWorker, "crash", R"({"exit_code":2,"line":"worker.py: error: boom"})"),
      event_row(10, 141s, kWorker, "failed",
                R"({"cause":"worker_crashed","summary":"exit 2","evidence_line":"worker.py: error: boom"})"),
      event_row(11, 141s, kWorker, "phase", R"({"status":"error","phase":"collecting"})"),
      event_row(12, 141s, kWorker, "task_requeued", R"({"attempt":2,"why":"worker_crashed on it"})", kTask),
      event_row(13, 150s, kWorker, "ended", R"({"reason":"its pod is gone"})")};
}

TEST(WorkerCommand, TellsTheWholeLifeWithDurations) {
  Terminal terminal;
  terminal.width = 200;
  ports::WorkerRow row = worker_row(kWorker);
  row.status = "terminated";
  row.phase = "gone";
  row.cause = "worker_crashed";
  row.summary = "the worker ended with exit code 2";
  row.ended_at = row.created_at + 150s;
  row.details_json =
      R"({"git_commit":"0123abc","evidence_line":"worker.py: error: boom","advice":"look at the log","evidence":{"exit_code":2}})";
  terminal.store->worker_rows = {row};
  terminal.store->event_rows = a_life();
  const Spoken said = terminal.type({"worker", kWorker});
  EXPECT_EQ(said.code, kDone);
  EXPECT_EQ(
      said.out,
      "Worker      gpu-default-20261124000000-1a2b3c4d\n"
      "Status      terminated (gone)\n"
      "Pod         pod-1\n"
      "GPU         NVIDIA GeForce RTX 4090 in EU-RO-1\n"
      "Registered  2026-11-24T00:00:00Z\n"
      "Heartbeat   2026-11-24T00:05:00Z\n"
      "Ended       2026-11-24T00:02:30Z, after 2m 30s\n"
      "Cost        $0.04\n"
      "Commit      0123abc\n"
      "Cause       worker_crashed\n"
      "Summary     the worker ended with exit code 2\n"
      "Evidence    worker.py: error: boom\n"
      "Advice      look at the log\n"
      "\n"
      "TIME                    AFTER  WHAT                  TOOK  DETAIL\n"
      "2026-11-24T00:00:00Z      +0s  registered              3s  RTX 4090 in EU-RO-1, the breaker's probe\n"
      "2026-11-24T00:00:02Z      +2s  pod                      -  pod-1, $0.44 an hour\n"
      "2026-11-24T00:00:03Z      +3s  provisioning           37s  spawning\n"
      "2026-11-24T00:00:40Z     +40s  bootstrapping:setup  1m 4s  spawning\n"
      "2026-11-24T00:01:44Z  +1m 44s  awaiting_heartbeat      2s  spawning\n"
      "2026-11-24T00:01:45Z  +1m 45s  first heartbeat          -  -\n"
      "2026-11-24T00:01:46Z  +1m 46s  idle                   35s  active\n"
      "2026-11-24T00:01:50Z  +1m 50s  task claimed           31s  " +
          std::string(kTask) +
          ", attempt 2, upscale\n"
          "2026-11-24T00:02:20Z  +2m 20s  crash                    -  exit 2, worker.py: error: boom\n"
          "2026-11-24T00:02:21Z  +2m 21s  failed                   -  worker_crashed: worker.py: error: "
          "boom\n"
          "2026-11-24T00:02:21Z  +2m 21s  collecting              9s  error\n"
          "2026-11-24T00:02:21Z  +2m 21s  task requeued            -  " +
          kTask +
          ", attempt 2: worker_crashed on it\n"
          "2026-11-24T00:02:30Z  +2m 30s  ended                    -  its pod is gone\n"
          "\n"
          "Next: gpuwarden logs gpu-default-20261124000000-1a2b3c4d   # what it said\n");
  const auto told = json::parse(terminal.type({"worker", kWorker, "--json"}).out);
  EXPECT_EQ(told["details"]["evidence"]["exit_code"], 2);
  ASSERT_EQ(told["timeline"].size(), 13U);
  EXPECT_EQ(told["timeline"][3]["what"], "bootstrapping:setup");
  EXPECT_EQ(told["timeline"][3]["took_s"], 64.0);
  EXPECT_EQ(told["timeline"][12]["took_s"], nullptr);
}

TEST(WorkerCommand, IsFoundByAPartThatFitsNoOtherAndByItsPod) {
  Terminal terminal;
  ports::WorkerRow one = worker_row(kWorker), two = worker_row("gpu-default-20261124000000-9f9f9f9f");
  two.pod = "pod-2";
  terminal.store->worker_rows = {one, two};
  for (const char* part : {"1a2b3c4d", "3c4d", kWorker, "pod-1"})
    EXPECT_THAT(terminal.type({"worker", part}).out, HasSubstr(std::string("Worker      ") + kWorker))
        << part;
  EXPECT_THAT(terminal.type({"worker", "pod-2"}).out, HasSubstr("9f9f9f9f\n"));
  const Spoken both = terminal.type({"worker", "gpu-default-2026"});
  EXPECT_EQ(both.code, kFailed);
  EXPECT_EQ(both.err,
            "error: 'gpu-default-2026' fits 2 workers: gpu-default-20261124000000-1a2b3c4d, "
            "gpu-default-20261124000000-9f9f9f9f. Type more of it\nNext: gpuwarden workers --all\n");
  EXPECT_EQ(terminal.type({"worker", "4d"}).code, kFailed) << "too short to mean one";
}

TEST(WorkerCommand, WithoutEventsTheFactsAreStillTold) {
  Terminal terminal;
  terminal.store->worker_rows = {worker_row(kWorker)};
  terminal.store->on_events = [](const ports::EventQuery&) -> Result<std::vector<ports::EventRow>> {
    return fail(ErrorKind::not_found, "there is no function gpuwarden_list_events");
  };
  const Spoken said = terminal.type({"worker", kWorker});
  EXPECT_EQ(said.code, kDone);
  EXPECT_THAT(said.out, HasSubstr("Status      active (busy)\n"));
  EXPECT_EQ(said.err, "Its timeline cannot be read: there is no function gpuwarden_list_events\n");
  EXPECT_THAT(said.out, HasSubstr("\nNext: gpuwarden logs gpu-default-20261124000000-1a2b3c4d -f\n"));
}

TEST(WorkerCommand, LeavesOutTheMiddleOfALongLife) {
  Terminal terminal;
  terminal.store->worker_rows = {worker_row(kWorker)};
  for (int i = 0; i < 400; ++i)
    terminal.store->event_rows.push_back(
        event_row(i, std::chrono::seconds(i), kWorker, "phase",
                  R"({"status":"active","phase":"p)" + std::to_string(i) + "\"}"));
  const std::string out = terminal.type({"worker", kWorker}).out;
  EXPECT_THAT(out, HasSubstr("  p49 "));
  EXPECT_THAT(out, HasSubstr("(200 more)"));
  EXPECT_THAT(out, Not(HasSubstr("  p50 ")));
  EXPECT_THAT(out, Not(HasSubstr("  p249 ")));
  EXPECT_THAT(out, HasSubstr("  p250 "));
  EXPECT_THAT(out, HasSubstr("  p399 "));
}

ports::TaskStory a_story() {
  ports::TaskStory story;
  story.task = {kTask,
                "upscale",
                "Complete",
                "gpu-c",
                "",
                2,
                fakes::FakeClock::kWallStart,
                fakes::FakeClock::kWallStart + 400s};
  story.events = {
      event_row(1, 10s, "gpu-a", "task_claimed", R"({"attempt":1})", kTask),
      event_row(2, 30s, "gpu-a", "task_failed", R"({"attempt":1,"error":"bad input"})", kTask),
      event_row(3, 30s, "gpu-a", "task_requeued", R"({"attempt":1,"why":"bad input"})", kTask),
      event_row(4, 100s, kWorker, "task_claimed", R"({"attempt":2})", kTask),
      event_row(5, 160s, kWorker, "task_requeued", R"({"attempt":2,"why":"start_failed"})", kTask),
      event_row(6, 200s, "gpu-c", "task_claimed", R"({"attempt":3})", kTask),
      event_row(7, 400s, "gpu-c", "task_completed", R"({"attempt":3})", kTask)};
  story.failures = {failure_row(kWorker, "gpu_error")};
  story.failures[0].evidence_line = "Xid 79";
  return story;
}

TEST(TaskCommand, TellsEachAttemptOnWhichWorkerAndHowItEnded) {
  Terminal terminal;
  terminal.width = 220;
  terminal.store->on_task = [](const TaskId& id) -> Result<std::optional<ports::TaskStory>> {
    return id.str() == kTask ? std::optional(a_story()) : std::nullopt;
  };
  const Spoken said = terminal.type({"task", kTask});
  EXPECT_EQ(said.code, kDone);
  EXPECT_EQ(
      said.out,
      "Task        5e2a7c64-1c1e-4f0e-9a43-0f6f5d0c1b2a\n"
      "Type        upscale\n"
      "Status      Complete; 2 failed attempts\n"
      "Worker      gpu-c\n"
      "Created     2026-11-24T00:00:00Z\n"
      "Updated     2026-11-24T00:06:40Z\n"
      "\n"
      "ATTEMPT  WORKER                               STARTED               ENDED                   TOOK  HOW "
      "IT "
      "ENDED                                ERROR\n"
      "      1  gpu-a                                2026-11-24T00:00:10Z  2026-11-24T00:00:30Z     20s  "
      "failed, queued again                        bad input\n"
      "      2  gpu-default-20261124000000-1a2b3c4d  2026-11-24T00:01:40Z  2026-11-24T00:02:40Z   1m 0s  its "
      "worker failed: gpu_error, queued again  Xid 79\n"
      "      3  gpu-c                                2026-11-24T00:03:20Z  2026-11-24T00:06:40Z  3m 20s  "
      "completed                                   -\n"
      "\n"
      "Next: gpuwarden worker gpu-c\n");
  const auto told = json::parse(terminal.type({"task", kTask, "--json"}).out);
  EXPECT_EQ(told["attempts_made"][1]["how_it_ended"], "its worker failed: gpu_error, queued again");
  EXPECT_EQ(told["attempts_made"][1]["took_s"], 60.0);
  EXPECT_EQ(told["events"].size(), 7U);
  EXPECT_EQ(told["failures"][0]["cause"], "gpu_error");
}

TEST(TaskCommand, KnowsFromTheRowWhatNoEventTells) {
  Terminal terminal;
  ports::TaskStory story;
  story.task = {kTask,
                "upscale",
                "In Progress",
                "gpu-x",
                "",
                1,
                fakes::FakeClock::kWallStart,
                fakes::FakeClock::kWallStart + 60s};
  story.started_at = fakes::FakeClock::kWallStart + 50s;
  terminal.store->on_task = [&](const TaskId&) { return std::optional(story); };
  auto told = json::parse(terminal.type({"task", kTask, "--json"}).out)["attempts_made"];
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0]["attempt"], 2);
  EXPECT_EQ(told[0]["worker"], "gpu-x");
  EXPECT_EQ(told[0]["started_at"], "2026-11-24T00:00:50Z");
  EXPECT_EQ(told[0]["how_it_ended"], "running");
  story.task.status = "Failed";
  story.task.error = "no such file";
  told = json::parse(terminal.type({"task", kTask, "--json"}).out)["attempts_made"];
  EXPECT_EQ(told[0]["attempt"], 1);
  EXPECT_EQ(told[0]["how_it_ended"], "failed");
  EXPECT_EQ(told[0]["error"], "no such file");
  EXPECT_EQ(told[0]["ended_at"], "2026-11-24T00:01:00Z");
  story.task = {
      kTask, "upscale", "Queued", "", "", 0, fakes::FakeClock::kWallStart, fakes::FakeClock::kWallStart};
  EXPECT_THAT(terminal.type({"task", kTask}).out,
              HasSubstr("No worker has claimed it yet.\n\nNext: gpuwarden explain\n"));
}

TEST(TaskCommand, IsFoundByItsBeginningAndMissedByName) {
  Terminal terminal;
  terminal.store->task_rows = {
      {kTask, "upscale", "Queued", "", "", 0, fakes::FakeClock::kWallStart, fakes::FakeClock::kWallStart}};
  EXPECT_THAT(terminal.type({"task", "5e2a7c64"}).out, HasSubstr(kTask));
  const Spoken none = terminal.type({"task", "nonsense"});
  EXPECT_EQ(none.code, kFailed);
  EXPECT_EQ(none.err, "error: there is no task 'nonsense'\nNext: gpuwarden tasks\n");
  EXPECT_EQ(terminal.type({"task", "00000000-0000-0000-0000-000000000000"}).code, kFailed);
}

TEST(EventsCommand, IsOneLineAnEvent) {
  Terminal terminal;
  terminal.store->worker_rows = {worker_row(kWorker)};
  terminal.store->event_rows = a_life();
  terminal.store->event_rows.push_back(event_row(20, 200s, "gpu-b", "first_heartbeat"));
  const Spoken said = terminal.type({"events", "--since", "2h", "--limit", "3"});
  EXPECT_EQ(said.out,
            "2026-11-24T00:02:21Z  gpu-default-20261124000000-1a2b3c4d   task requeued  " +
                std::string(kTask) +
                ", attempt 2: worker_crashed on it\n"
                "2026-11-24T00:02:30Z  gpu-default-20261124000000-1a2b3c4d   ended  its pod is gone\n"
                "2026-11-24T00:03:20Z  gpu-b                                 first heartbeat\n");
  EXPECT_EQ(said.err, "These are the newest 3. Next: gpuwarden events --limit 12\n");
  EXPECT_EQ(terminal.store->event_queries.back().since, 2h);
  const auto told = json::parse(terminal.type({"events", "--worker", "1a2b3c4d", "--json"}).out);
  EXPECT_EQ(told["events"].size(), 13U);
  EXPECT_EQ(told["events"][8]["detail"]["exit_code"], 2);
  terminal.store->event_rows.clear();
  EXPECT_EQ(terminal.type({"events"}).out, "No events in the last 1d 0h. Next: gpuwarden status\n");
}

TEST(EventsCommand, FollowingTellsEachOnceAlsoOneThatShowsLate) {
  Terminal terminal;
  terminal.patience = 1min;
  auto& rows = terminal.store->event_rows;
  for (int i = 0; i < 300; ++i) rows.push_back(event_row(i + 1, 0s, "gpu-old", "first_heartbeat"));
  int asked = 0;
  terminal.store->on_events = [&](const ports::EventQuery& query) -> Result<std::vector<ports::EventRow>> {
    ++asked;
    if (asked == 2) rows.push_back(event_row(303, 60s, "gpu-b", "first_heartbeat"));
    if (asked == 3) return fail(ErrorKind::unavailable, "connection refused");
    if (asked == 4) rows.insert(rows.end() - 1, event_row(302, 59s, "gpu-a", "first_heartbeat"));
    if (asked == 6) return fail(ErrorKind::unauthorized, "the key is not accepted any more");
    std::vector<ports::EventRow> found;
    for (const auto& row : rows) {
      if (!query.after || row.id > *query.after) found.push_back(row);
    }
    if (!query.after) found.erase(found.begin(), found.end() - 2);
    return found;
  };
  const Spoken said = terminal.type({"events", "-f", "--limit", "2"});
  EXPECT_EQ(said.code, kFailed) << "an answer that no waiting mends is the end";
  EXPECT_EQ(said.out,
            "2026-11-24T00:00:00Z  gpu-old                               first heartbeat\n"
            "2026-11-24T00:00:00Z  gpu-old                               first heartbeat\n"
            "2026-11-24T00:01:00Z  gpu-b                                 first heartbeat\n"
            "2026-11-24T00:00:59Z  gpu-a                                 first heartbeat\n");
  EXPECT_EQ(said.err,
            "waiting: connection refused\nerror: the key is not accepted any more\nNext: gpuwarden doctor\n");
}

TEST(FailuresCommand, IsOneLineAFault) {
  Terminal terminal;
  terminal.width = 200;
  std::vector<ports::FailureRow> rows;
  for (int i = 0; i < 50; ++i) {
    rows.push_back(failure_row("gpu-" + std::to_string(i), "start_failed"));
    rows.back().fingerprint = "f1";
    rows.back().cost_usd = 0.02;
  }
  rows.push_back(failure_row(kWorker, "gpu_error"));
  rows.back().evidence_line = "Xid 79";
  terminal.store->failure_rows = rows;
  const Spoken said = terminal.type({"failures"});
  EXPECT_TRUE(
      said.out.starts_with("PODS   COST  CAUSE         LAST                  EVIDENCE\n"
                           "  50  $1.00  start_failed  2026-11-24T00:00:00Z  worker.py: error: unrecognized "
                           "arguments: --wgp-profile "
                           "4\n"
                           "   1  $0.01  gpu_error     2026-11-24T00:00:00Z  Xid 79\n"))
      << said.out;
  EXPECT_THAT(said.out, HasSubstr("\nWhat to do\n  gpu_error (1): "));
  EXPECT_THAT(said.out, HasSubstr("\n  start_failed (50): "));
  EXPECT_TRUE(
      said.out.ends_with("\nNext: gpuwarden report, gpuwarden worker gpu-0, gpuwarden failures --each\n"));
  EXPECT_EQ(terminal.store->count("failures"), 0) << "evidence of 51 failures for two lines";
  const auto told = json::parse(terminal.type({"failures", "--json", "--limit", "5"}).out);
  EXPECT_EQ(told["failures"].size(), 5U);
  EXPECT_EQ(told["groups"][0]["pods"], 50);
  EXPECT_EQ(told["groups"][0]["worker"], "gpu-0");
}

}  // namespace
}  // namespace gpuwarden::cli
