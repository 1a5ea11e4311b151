#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli_fixture.hpp"

namespace gpuwarden::cli {
namespace {

using namespace std::chrono_literals;
using testing::Spoken;
using testing::Terminal;

constexpr const char* kAnswer = R"({
  "daemon": {"version": "0.1.0", "pid": 4711, "uptime_s": 312.4, "leading": true, "epoch": 7},
  "at": "2026-11-24T00:00:00.000Z",
  "queue": {"queued": 4, "running": 1, "blocked": 2, "by_type": {}},
  "scale": {"wanted": 3, "active": 1, "idle": 0, "spawning": 1, "draining": 0},
  "breaker": {"state": "open", "state_age_s": 65, "reason": "5 of 5 starts failed: start_failed"},
  "failing": [{"cause": "start_failed", "summary": "The worker ended at once (exit code 2): no option --x",
               "fingerprint": "f1", "count": 5, "cost_usd": 0.1, "newest": "gpu-b", "newest_age_s": 12},
              {"cause": "disk_full", "summary": "The disk is full", "fingerprint": "f2", "count": 1,
               "newest": "gpu-c", "newest_age_s": 70}],
  "gates": [{"name": "breaker", "reason": "open", "opens_in_s": 55.0}],
  "spent_last_day_usd": 1.2, "fruitless_last_day_usd": 0.3,
  "workers": [{"id": "gpu-a", "status": "active", "phase": "busy", "phase_age_s": 12, "gpu": "RTX 4090",
               "data_center": "EU-RO-1", "heartbeat_age_s": 3.2, "cost_per_hr": 0.44, "tasks": ["t1"]}],
  "last_errors": ["spawn gpu-b: no capacity"]
})";

TEST(StatusCommand, AsksTheDaemonAndTellsItAtAGlance) {
  Terminal terminal;
  terminal.daemon_answer = kAnswer;
  const Spoken said = terminal.type({"status"});
  EXPECT_EQ(said.code, kDone);
  EXPECT_EQ(terminal.daemon_paths, std::vector<std::string>{"/v1/status"});
  EXPECT_TRUE(terminal.store->calls.empty());
  EXPECT_EQ(said.out,
            "Daemon   0.1.0 (pid 4711), up 5m 12s, leads (epoch 7)\n"
            "As of    2026-11-24T00:00:00.000Z\n"
            "Queue    4 waiting, 1 running, 2 blocked by other tasks\n"
            "Fleet    3 wanted; 1 active (0 idle), 1 spawning, 0 draining\n"
            "Breaker  open for 1m 5s: 5 of 5 starts failed: start_failed\n"
            "Failing  5 workers, newest 12s ago: start_failed: The worker ended at once (exit code 2): no "
            "option --x\n"
            "         1 worker, newest 1m 10s ago: disk_full: The disk is full\n"
            "Spent    $1.20 in the last 24 hours, $0.30 of it on pods that never finished a task\n"
            "\n"
            "Held back by\n"
            "  GATE     REASON  OPENS IN\n"
            "  breaker  open    55s\n"
            "\n"
            "WORKER  STATUS  PHASE  FOR  GPU       DATA CENTRE  HEARTBEAT  USD/H  TASK\n"
            "gpu-a   active  busy   12s  RTX 4090  EU-RO-1         3s ago  $0.44  t1\n"
            "\n"
            "Latest errors\n"
            "  spawn gpu-b: no capacity\n"
            "\n"
            "Next: gpuwarden report, gpuwarden failures, gpuwarden worker ID\n");
}

TEST(StatusCommand, PassesTheDaemonsJsonOn) {
  Terminal terminal;
  terminal.daemon_answer = kAnswer;
  EXPECT_EQ(nlohmann::json::parse(terminal.type({"status", "--json"}).out), nlohmann::json::parse(kAnswer));
}

TEST(StatusCommand, FallsBackToTheDatabaseWithoutTakingLeadership) {
  Terminal terminal;
  Worker worker;
  worker.id = WorkerId("gpu-a");
  worker.phase = Phase::bootstrapping;
  worker.step = BootStep::setup;
  worker.phase_age = 42s;
  terminal.store->state.workers = {worker};
  terminal.store->state.queue.queued = 2;
  const Spoken said = terminal.type({"status"});
  EXPECT_EQ(said.code, kDone);
  ASSERT_EQ(terminal.store->snapshot_queries.size(), 1U);
  EXPECT_EQ(terminal.store->snapshot_queries[0].holder, "");
  EXPECT_EQ(said.out,
            "Daemon   not running: nothing listens on /run/gpuwarden/control.sock\n"
            "         This is what the database says.\n"
            "As of    2026-11-24T01:00:00.000Z\n"
            "Queue    2 waiting, 0 running, 0 blocked by other tasks\n"
            "Fleet    0 active (0 idle), 1 spawning, 0 draining\n"
            "Breaker  closed\n"
            "Spent    $0.00 in the last 24 hours\n"
            "\n"
            "WORKER  STATUS    PHASE                FOR  GPU  DATA CENTRE  HEARTBEAT  USD/H  TASK\n"
            "gpu-a   spawning  bootstrapping:setup  42s  -    -                    -  $0.00  -\n"
            "\n"
            "Next: systemctl start gpuwarden, or gpuwarden run\n");
  const auto json = nlohmann::json::parse(terminal.type({"status", "--json"}).out);
  EXPECT_EQ(json["daemon"], nullptr);
  EXPECT_EQ(json["daemon_error"]["kind"], "not_found");
  EXPECT_EQ(json["workers"][0]["phase"], "bootstrapping:setup");
}

TEST(StatusCommand, FallsBackWhenTheDaemonsAnswerIsNoJson) {
  Terminal terminal;
  terminal.daemon_answer = "<html>";
  const Spoken said = terminal.type({"status"});
  EXPECT_TRUE(
      said.out.starts_with("Daemon   cannot be asked: the daemon's answer is not JSON\n"
                           "         This is what the database says.\n"))
      << said.out;
  EXPECT_TRUE(said.out.ends_with("\nNext: journalctl -u gpuwarden -n 50\n"));
}

TEST(StatusCommand, TellsASocketThatThisUserMayNotUseFromNoDaemon) {
  Terminal terminal;
  terminal.daemon_answer = fail(ErrorKind::unauthorized, "/run/gpuwarden/control.sock: Permission denied");
  const Spoken said = terminal.type({"status"});
  EXPECT_EQ(said.code, kDone);
  EXPECT_TRUE(
      said.out.starts_with("Daemon   cannot be asked: /run/gpuwarden/control.sock: Permission denied\n"))
      << said.out;
  EXPECT_NE(said.out.find("sudo usermod -aG gpuwarden $USER"), std::string::npos);
  EXPECT_EQ(said.out.find("gpuwarden run"), std::string::npos);
}

TEST(StatusCommand, BearsAnswersOfAnyShape) {
  for (const char* odd :
       {"{}", R"({"daemon":1,"workers":{},"gates":[1],"queue":[],"errors":"x"})",
        R"({"daemon":{"leading":"?"},"workers":[1,{"tasks":[2]}],"breaker":{},"last_errors":[1]})"}) {
    Terminal terminal;
    terminal.daemon_answer = odd;
    EXPECT_EQ(terminal.type({"status"}).code, kDone) << odd;
  }
}

TEST(StatusCommand, UsesColourOnlyWhenTheTerminalWantsIt) {
  Terminal terminal;
  terminal.daemon_answer = kAnswer;
  EXPECT_EQ(terminal.type({"status"}).out.find('\x1b'), std::string::npos);
  terminal.colour = true;
  EXPECT_NE(terminal.type({"status"}).out.find("\x1b[31mopen\x1b[0m"), std::string::npos);
}

}  // namespace
}  // namespace gpuwarden::cli
