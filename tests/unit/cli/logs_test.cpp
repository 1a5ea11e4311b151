// `logs`: over SSH while the pod lives, else by Runpod's API, else from what was kept; and how following
// ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/bootstrap/script.hpp"

#include "cli_fixture.hpp"

namespace gpuwarden::cli {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Spoken;
using testing::Terminal;
using testing::worker_row;

constexpr const char* kWorker = "gpu-default-20261124000000-1a2b3c4d";
const std::string kFingerprint = "SHA256:" + std::string(43, 'a');

/// A busy worker with its pod.
struct LogsOfAWorker : ::testing::Test {
  LogsOfAWorker() {
    terminal.store->worker_rows = {worker_row(kWorker)};
    PodSpec spec;
    spec.name = kWorker;
    terminal.provider->add_pod(spec);
    terminal.provider->log_lines[PodId("pod-1")] = {
        {"container", "256 " + kFingerprint + " root (ED25519)", {}}, {"system", "pulling the image", {}}};
    terminal.shell->on_run = [this](ports::ShellCommand command) { return run(std::move(command)); };
  }
  ports::Async<ports::ShellResult> run(ports::ShellCommand command) {
    if (runs.empty()) {
      co_await terminal.clock->sleep_for(45s);
      co_return ports::ShellResult{bootstrap::kStillRunning, ""};
    }
    const auto [out, err, status] = runs.front();
    runs.erase(runs.begin());
    if (!out.empty()) command.on_stdout(out);
    if (!err.empty()) command.on_stderr(err);
    if (status < 0) co_return fail(ErrorKind::unavailable, "the connection broke");
    if (status == bootstrap::kStillRunning) co_await terminal.clock->sleep_for(45s);
    co_return ports::ShellResult{status, ""};
  }
  ports::WorkerRow& row() { return terminal.store->worker_rows.front(); }
  void end_worker() {
    row().status = "error";
    row().cause = "worker_crashed";
    row().summary = "exit code 2";
  }
  void bundle(const std::string& tails) {
    end_worker();
    row().ended_at = row().created_at + 1h;
    row().details_json = R"({"evidence":{"tails":)" + tails + R"(,"missing":["ps: no SSH"]}})";
  }

  struct Ran {
    std::string out, err;
    int status;
  };
  std::vector<Ran> runs;
  Terminal terminal;
};

TEST_F(LogsOfAWorker, ComeFromItsPodBySshWithTheKeyThatTheContainersLogNames) {
  runs = {{"one\ntwo\n", "", 0}};
  const Spoken said = terminal.type({"logs", "1a2b3c4d", "--tail", "20"});
  EXPECT_EQ(said.code, kDone);
  EXPECT_EQ(said.out, "one\ntwo\n");
  EXPECT_EQ(said.err, "gpu-default-20261124000000-1a2b3c4d: worker.log on the pod, by SSH\n");
  ASSERT_EQ(terminal.shell->connects.size(), 1U);
  EXPECT_THAT(terminal.shell->connects[0].pin.sha256, ElementsAre(kFingerprint));
  EXPECT_EQ(terminal.shell->commands.at(0),
            bootstrap::logs_command(WorkerId(kWorker), {bootstrap::PodLog::worker, 20, false, {}}));
}

TEST_F(LogsOfAWorker, AreTheBootstrapScriptsWhileThatRunsAndWhatIsAskedForOtherwise) {
  row().status = "spawning";
  row().phase = "bootstrapping";
  runs = {{"@gpuwarden {\"v\":1,\"step\":\"setup\",\"event\":\"begin\",\"tail\":[]}\npip install\n@gpuwarden "
           "{\"step\":\"setup\",\"event\":\"fail\",\"exit\":3}\n",
           "", 0},
          {"x\n", "", 0},
          {"y\n", "", 0}};
  const Spoken setup = terminal.type({"logs", kWorker});
  EXPECT_THAT(setup.err, HasSubstr("bootstrap.log on the pod, by SSH"));
  EXPECT_EQ(setup.out, "-- setup begin\npip install\n-- setup fail, exit 3\n");
  EXPECT_THAT(terminal.type({"logs", kWorker, "--source", "worker"}).err, HasSubstr("worker.log on the pod"));
  row().details_json = R"({"step":"start"})";
  EXPECT_THAT(terminal.type({"logs", kWorker}).err, HasSubstr("worker.log on the pod"));
  row().details_json.clear();
  row().phase = "provisioning";
  const Spoken system = terminal.type({"logs", kWorker});
  EXPECT_EQ(system.out, "pulling the image\n");
  EXPECT_THAT(system.err, HasSubstr("the system log, by Runpod's API"));
  const Spoken wrong = terminal.type({"logs", kWorker, "--source", "kernel"});
  EXPECT_EQ(wrong.code, kUsage);
  EXPECT_THAT(wrong.err, HasSubstr("worker, bootstrap, container or system, not 'kernel'"));
}

TEST_F(LogsOfAWorker, ComeByTheApiWhereSshIsRefusedAndSayWhy) {
  terminal.shell->refuse = fail(ErrorKind::unauthorized, "the host refused our key").value();
  const Spoken said = terminal.type({"logs", kWorker});
  EXPECT_EQ(said.code, kDone);
  EXPECT_THAT(said.out, HasSubstr(kFingerprint));
  EXPECT_EQ(said.err,
            "not by SSH: the host refused our key\n"
            "gpu-default-20261124000000-1a2b3c4d: the container log, by Runpod's API\n");
  const auto told = json::parse(terminal.type({"logs", kWorker, "--json"}).out);
  EXPECT_EQ(told["from"], "runpod");
  EXPECT_EQ(told["source"], "container");
  EXPECT_EQ(told["notes"][0], "not by SSH: the host refused our key");
  EXPECT_EQ(told["lines"].size(), 1U);
}

TEST_F(LogsOfAWorker, ComeFromTheBundleWhenThePodIsGone) {
  bundle(R"({"worker":["a","b","worker.py: error: boom"],"bootstrap":["c"]})");
  terminal.provider->pods.clear();
  const Spoken said = terminal.type({"logs", kWorker, "--tail", "2"});
  EXPECT_EQ(said.code, kDone);
  EXPECT_EQ(said.out, "b\nworker.py: error: boom\n");
  EXPECT_THAT(said.err, HasSubstr("the worker log as it was kept with the failure"));
  EXPECT_EQ(terminal.provider->count("get"), 0) << "it has ended: nobody need be asked";
  const auto told = json::parse(terminal.type({"logs", kWorker, "--source", "bootstrap", "--json"}).out);
  EXPECT_EQ(told["from"], "bundle");
  EXPECT_EQ(told["lines"], json::array({"c"}));
  const Spoken none = terminal.type({"logs", kWorker, "--source", "system"});
  EXPECT_EQ(none.code, kFailed);
  EXPECT_EQ(
      none.err,
      "error: there is no system log of gpu-default-20261124000000-1a2b3c4d; not collected: ps: no SSH\n"
      "Next: gpuwarden worker gpu-default-20261124000000-1a2b3c4d\n");
}

TEST_F(LogsOfAWorker, ComeFromTheBundleWhileItIsBeingDeletedOrRunpodCannotBeAsked) {
  bundle(R"({"bootstrap":["no space left on device"]})");
  row().ended_at.reset();
  terminal.provider->pods.clear();
  const Spoken gone = terminal.type({"logs", kWorker});
  EXPECT_EQ(gone.out, "no space left on device\n");
  EXPECT_THAT(gone.err, HasSubstr("the pod is gone\nof the worker log nothing was kept\n"));
  terminal.provider->outage = fail(ErrorKind::unavailable, "connection refused").value();
  EXPECT_THAT(terminal.type({"logs", kWorker}).err,
              HasSubstr("Runpod cannot be asked for the pod: connection refused\n"));
}

TEST_F(LogsOfAWorker, AreNotThereForAWorkerThatEndedWellOrHasNoPod) {
  row().status = "terminated";
  row().ended_at = row().created_at + 1h;
  EXPECT_THAT(terminal.type({"logs", kWorker}).err,
              HasSubstr("it ended without a failure, and its logs went"));
  row().ended_at.reset();
  row().status = "spawning";
  row().pod.clear();
  const Spoken none = terminal.type({"logs", kWorker});
  EXPECT_EQ(none.code, kFailed);
  EXPECT_THAT(none.err, HasSubstr("it has no pod yet"));
  EXPECT_EQ(terminal.type({"logs", "gpu-nobody"}).code, kFailed);
}

TEST_F(LogsOfAWorker, FollowingGoesOnOverADroppedConnectionWhereItWasAndEndsWithTheWorker) {
  terminal.patience = 5min;
  terminal.provider->log_lines.clear();
  runs = {{"one\ntw", "@@ 4\n", bootstrap::kStillRunning},
          {"o\nthree\n", "@@ 14\n", -1},
          {"four\nfi", "@@ 19\n", bootstrap::kStillRunning}};
  int asked = 0;
  terminal.store->on_worker = [&](const WorkerId&) -> Result<std::optional<ports::WorkerRow>> {
    if (++asked == 35) end_worker();
    return std::optional(row());
  };
  const Spoken said = terminal.type({"logs", kWorker, "-f"});
  EXPECT_EQ(said.code, kDone);
  EXPECT_EQ(said.out, "one\ntwo\nthree\nfour\nfi\n");
  EXPECT_EQ(said.err,
            "gpu-default-20261124000000-1a2b3c4d: worker.log on the pod, by SSH\n"
            "the connection is lost, trying again: the connection broke\n"
            "The worker has ended: worker_crashed: exit code 2\n"
            "Next: gpuwarden worker gpu-default-20261124000000-1a2b3c4d\n");
  using bootstrap::LogRequest;
  using bootstrap::PodLog;
  const WorkerId id(kWorker);
  EXPECT_THAT(terminal.shell->commands,
              ElementsAre(bootstrap::logs_command(id, LogRequest{PodLog::worker, 100, true, {}}),
                          bootstrap::logs_command(id, LogRequest{PodLog::worker, 100, true, 4}),
                          bootstrap::logs_command(id, LogRequest{PodLog::worker, 100, true, 14})));
  ASSERT_EQ(terminal.shell->connects.size(), 2U);
  EXPECT_TRUE(terminal.shell->connects[0].pin.sha256.empty()) << "no log names a key: the first use counts";
  EXPECT_THAT(terminal.shell->connects[1].pin.sha256, ElementsAre(terminal.shell->host_key));
}

TEST_F(LogsOfAWorker, FollowingByTheApiTellsEachLineOnce) {
  terminal.patience = 1min;
  terminal.shell->refuse = fail(ErrorKind::unavailable, "nothing answers on port 22").value();
  const WallTime start = fakes::FakeClock::kWallStart;
  int asked = 0;
  terminal.provider->on_logs = [&](const ports::LogQuery& query) -> Result<std::vector<PodLogLine>> {
    if (query.tail == 200) return std::vector<PodLogLine>{};
    ++asked;
    if (asked == 3) return fail(ErrorKind::rate_limited, "slow down");
    std::vector<PodLogLine> lines{{"container", "one", start + 1s}};
    if (asked > 1) lines.push_back({"container", "two", start + 2s});
    if (asked > 4) lines.push_back({"container", "last words", start + 9s});
    if (asked == 4) end_worker();
    return lines;
  };
  const Spoken said = terminal.type({"logs", kWorker, "-f", "--json"});
  EXPECT_EQ(said.code, kDone);
  EXPECT_EQ(said.out,
            "{\"source\":\"container\",\"line\":\"one\"}\n{\"source\":\"container\",\"line\":\"two\"}\n"
            "{\"source\":\"container\",\"line\":\"last words\"}\n");
  EXPECT_THAT(said.err, HasSubstr("not by SSH: nothing answers on port 22\n"));
  EXPECT_THAT(said.err, HasSubstr("The worker has ended: worker_crashed: exit code 2\n"));
}

TEST_F(LogsOfAWorker, ShowNoSecretOfOursAndNoControlCharacter) {
  runs = {{std::string("key ") + testing::kSecretKey + "\nbell \x07\x1b[2J\n", "", 0}};
  const Spoken said = terminal.type({"logs", kWorker});
  EXPECT_EQ(said.out.find("PLANTED"), std::string::npos) << said.out;
  EXPECT_EQ(said.out.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace gpuwarden::cli
