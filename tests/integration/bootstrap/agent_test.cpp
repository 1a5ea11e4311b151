#include <atomic>

#include <gmock/gmock.h>

#include "peer.hpp"
#include "pod.hpp"

namespace gpuwarden::bootstrap::test {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

/// Processes whose command line holds the text.
int processes_with(const std::string& text) {
  int count = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator entry("/proc", error), end; !error && entry != end;
       entry.increment(error)) {
    std::string line = read_text(entry->path() / "cmdline");
    std::replace(line.begin(), line.end(), '\0', ' ');
    if (line.starts_with(text)) ++count;
  }
  return count;
}

TEST(Agent, ReportsACrashAtOnceAndUntilTheDatabaseTakesIt) {
  const Site site;
  std::atomic<int> refused{0};
  Peer peer([&](const nlohmann::json& report) {
    if (report["kind"] != "crash") return 200;
    return ++refused <= 2 ? 503 : 200;
  });
  Pod pod(site, peer.url);
  site.commit(
      "trap 'echo RuntimeError: model state is inconsistent; exit 7' USR1; while :; do sleep 0.05; done");
  ASSERT_EQ(pod.launch().story().back(), "start end");
  ::kill(pod.pid_in("worker.pid"), SIGUSR1);
  EXPECT_TRUE(eventually(2s, [&] { return refused > 0; })) << "the first attempt comes at once";
  ASSERT_TRUE(eventually(10s, [&] { return peer.reports("crash").size() == 1; }));
  const auto crash = peer.reports("crash")[0].report;
  EXPECT_EQ(crash["exit_code"], 7);
  EXPECT_TRUE(crash["signal"].is_null());
  EXPECT_THAT(crash["tail"].dump(), HasSubstr("RuntimeError: model state is inconsistent"));
  EXPECT_GT(crash["ran_s"].get<double>(), 2.0);
  const auto status = pod.follow(0);
  EXPECT_EQ(status.last()->exit_code, 7);
  const auto beats = peer.reports("heartbeat").size();
  std::this_thread::sleep_for(1500ms);
  EXPECT_EQ(peer.reports("heartbeat").size(), beats) << "a dead worker has no heartbeat";
  EXPECT_EQ(pod.run(probe_command(pod.worker)).exit_code, 1);
}

TEST(Agent, ACrashBehindADatabaseThatHangsIsStillSeenOnThePodWithinASecond) {
  const Site site;
  Peer peer;
  Pod pod(site, peer.url);
  site.commit("trap 'exit 9' USR1; while :; do sleep 0.05; done");
  ASSERT_EQ(pod.launch().story().back(), "start end");
  site.tool("nvidia-smi", "exec sleep 31.4159");
  std::this_thread::sleep_for(1200ms);  // the next heartbeat is under way and hangs
  ::kill(pod.pid_in("worker.pid"), SIGUSR1);
  EXPECT_TRUE(eventually(1s, [&] { return pod.file("status").find("\"exit\":9") != std::string::npos; }));
}

TEST(Agent, SendsTheWorkersNewLogLinesWithItsReportsWhereTheyAreWanted) {
  const Site site;
  std::atomic<bool> away{false};
  Peer peer([&](const nlohmann::json&) { return away ? 503 : 200; });
  Pod pod(site, peer.url);
  pod.settings.ship_logs = true;
  site.commit(
      "echo first line; printf '\\033[31mWARNING second\\033[0m\\n'; trap 'echo later "
      "$GPUWARDEN_WORKER_TOKEN; printf half' "
      "USR1; trap 'printf \"RuntimeError: the end\"; exit 3' USR2; while :; do sleep 0.05; done");
  ASSERT_EQ(pod.launch().story().back(), "start end");
  const auto sent = [&] {
    std::vector<std::string> lines;
    for (const auto& sent : peer.reports()) {
      if (!sent.report.contains("lines")) continue;
      for (const auto& line : sent.report["lines"])
        lines.push_back(line["level"].get<std::string>() + " " + line["message"].get<std::string>());
    }
    return lines;
  };
  EXPECT_TRUE(eventually(5s, [&] { return sent().size() == 2; }));
  EXPECT_EQ(sent(), (std::vector<std::string>{"INFO first line", "WARNING WARNING second"}));
  ::kill(pod.pid_in("worker.pid"), SIGUSR1);
  EXPECT_TRUE(eventually(5s, [&] { return sent().size() == 3; }));
  EXPECT_EQ(sent().back(), "INFO later [redacted]") << "what has not ended is no line yet";
  away = true;
  std::this_thread::sleep_for(1500ms);
  away = false;
  ::kill(pod.pid_in("worker.pid"), SIGUSR2);
  EXPECT_TRUE(eventually(10s, [&] { return sent().size() == 4; })) << "the last words come with the crash";
  EXPECT_EQ(sent().back(), "ERROR halfRuntimeError: the end");
}

TEST(Agent, LeavesOutAndCountsLogLinesThatTheDatabaseDoesNotTakeInTime) {
  const Site site;
  Peer peer;
  Pod pod(site, peer.url);
  pod.settings.ship_logs = true;
  site.commit(
      "for i in $(seq 3000); do echo \"line $i: some words that fill the line up\"; done; exec sleep 1000");
  ASSERT_EQ(pod.launch().story().back(), "start end");
  nlohmann::json lines;
  ASSERT_TRUE(eventually(5s, [&] {
    for (const auto& sent : peer.reports())
      if (sent.report.contains("lines")) lines = sent.report["lines"];
    return !lines.is_null();
  }));
  EXPECT_LT(lines.dump().size(), 32768U);
  EXPECT_THAT(lines.front()["message"].get<std::string>(),
              testing::MatchesRegex("[0-9]+ lines before this one were left out.*"));
  EXPECT_EQ(std::atoi(lines.front()["message"].get<std::string>().c_str()),
            3000 - static_cast<int>(lines.size() - 1));
  EXPECT_THAT(lines.back()["message"].get<std::string>(), HasSubstr("line 3000:"));
}

TEST(Agent, SendsNoLogLinesWhereNobodyAskedForThem) {
  const Site site;
  Peer peer;
  Pod pod(site, peer.url);
  site.commit("echo a line; exec sleep 1000");
  ASSERT_EQ(pod.launch().story().back(), "start end");
  ASSERT_TRUE(eventually(5s, [&] { return !peer.reports("heartbeat").empty(); }));
  for (const auto& sent : peer.reports()) EXPECT_FALSE(sent.report.contains("lines"));
}

TEST(Agent, NamesTheSignalThatKilledARunningWorker) {
  const Site site;
  Peer peer;
  Pod pod(site, peer.url);
  ASSERT_EQ(pod.launch().story().back(), "start end");
  ::kill(pod.pid_in("worker.pid"), SIGSEGV);
  ASSERT_TRUE(eventually(5s, [&] { return peer.reports("crash").size() == 1; }));
  EXPECT_EQ(peer.reports("crash")[0].report["signal"], "SIGSEGV");
  EXPECT_EQ(peer.reports("crash")[0].report["exit_code"], 139);
}

TEST(Agent, DrainIsToldByAFileAndACleanEndIsNoCrash) {
  const Site site;
  Peer peer;
  Pod pod(site, peer.url);
  site.commit("until [ -e \"$GPUWARDEN_DRAIN_FILE\" ]; do sleep 0.05; done; echo done; exit 0");
  ASSERT_EQ(pod.launch().story().back(), "start end");
  const int worker = pod.pid_in("worker.pid");
  EXPECT_TRUE(Pod::alive(worker));
  peer.direct("drain");
  EXPECT_TRUE(eventually(5s, [&] { return !Pod::alive(worker); }));
  std::this_thread::sleep_for(500ms);
  EXPECT_THAT(peer.reports("crash"), IsEmpty());
  EXPECT_TRUE(Pod::alive(pod.pid_in("agent.pid")));
}

TEST(Agent, AWorkerThatEndsByItselfWithoutADrainHasCrashedEvenWithExitCodeZero) {
  const Site site;
  Peer peer;
  Pod pod(site, peer.url);
  site.commit("sleep 4; echo bye");
  ASSERT_EQ(pod.launch().story().back(), "start end");
  ASSERT_TRUE(eventually(6s, [&] { return peer.reports("crash").size() == 1; }));
  EXPECT_EQ(peer.reports("crash")[0].report["exit_code"], 0);
}

TEST(Agent, StopEndsTheWholeTreeOfAStubbornWorkerAfterTenSeconds) {
  const Site site;
  Peer peer;
  Pod pod(site, peer.url);
  // One child in the worker's session, one in a session of its own, all deaf to TERM.
  site.commit(
      "trap '' TERM; sleep 7654.321 & setsid bash -c 'trap \"\" TERM; sleep 7654.322; :' & "
      "while :; do sleep 1; done");
  ASSERT_EQ(pod.launch().story().back(), "start end");
  const int worker = pod.pid_in("worker.pid");
  ASSERT_EQ(processes_with("sleep 7654.32"), 2);
  peer.direct("stop");
  const auto began = std::chrono::steady_clock::now();
  EXPECT_TRUE(eventually(20s, [&] { return !Pod::alive(worker); }));
  EXPECT_GT(std::chrono::steady_clock::now() - began, 8s);
  EXPECT_TRUE(eventually(2s, [&] { return processes_with("sleep 7654.32") == 0; }));
  EXPECT_THAT(peer.reports("crash"), IsEmpty()) << "what we ended ourselves is no crash";
}

TEST(Agent, TellsTheEndOfAWorkerThatWasKilledTogetherWithTheProcessThatWatchedIt) {
  const Site site;
  Peer peer;
  Pod pod(site, peer.url);
  ASSERT_EQ(pod.launch().story().back(), "start end");
  const std::string stat = read_text("/proc/" + std::to_string(pod.pid_in("worker.pid")) + "/stat");
  const int watcher = std::atoi(stat.c_str() + stat.rfind(')') + 4);
  ASSERT_GT(watcher, 1);
  ::kill(watcher, SIGKILL);
  std::this_thread::sleep_for(500ms);
  EXPECT_TRUE(Pod::alive(pod.pid_in("worker.pid"))) << "the worker itself goes on";
  ::kill(pod.pid_in("worker.pid"), SIGKILL);
  ASSERT_TRUE(eventually(14s, [&] { return peer.reports("crash").size() == 1; }));
  EXPECT_EQ(peer.reports("crash")[0].report["exit_code"], 137);
  EXPECT_THAT(pod.file("bootstrap.log"), HasSubstr("so has the process that watched it"));
}

TEST(Agent, UnderstandsAnEventOfWhichOneHalfCameBeforeItStoppedWaiting) {
  const Site site;
  Peer peer;
  Pod pod(site, peer.url);
  pod.settings.heartbeat_interval = 60s;  // otherwise answers come between the halves
  ASSERT_EQ(pod.launch().story().back(), "start end");
  std::this_thread::sleep_for(1s);
  std::ofstream events(pod.directory() + "/events");
  events << "answer heart" << std::flush;
  std::this_thread::sleep_for(6s);  // longer than one wait of the agent
  events << "beat drain 0 false\n" << std::flush;
  EXPECT_TRUE(eventually(3s, [&] { return std::filesystem::exists(pod.directory() + "/drain"); }))
      << pod.file("bootstrap.log");
}

TEST(Agent, RestartsTheWorkerAsOftenAsAllowed) {
  const Site site;
  Peer peer;
  Pod pod(site, peer.url);
  pod.settings.max_restarts = 2;
  site.commit("echo run >>../runs; exit 4");
  const auto stream = pod.launch();
  EXPECT_EQ(stream.last()->exit_code, 4);
  EXPECT_EQ(read_text(site.volume + "/worker/runs"), "run\nrun\nrun\n");
}

TEST(Agent, DeletesItsOwnPodWhenNobodyAnswersForTheLengthOfTheLease) {
  const Site site;
  Peer peer;
  Pod pod(site, peer.url);
  pod.settings.pod_lease = 3s;
  pod.environment["RUNPOD_API_URL"] = peer.url + "/v2";
  pod.environment["RUNPOD_API_KEY"] = "rpa_planted_pod_key";
  pod.environment["RUNPOD_POD_ID"] = "abc123";
  ASSERT_EQ(pod.launch().story().back(), "start end");
  std::this_thread::sleep_for(4s);
  EXPECT_THAT(peer.deletions(), IsEmpty()) << "heartbeats are answered";
  peer.judge([](const nlohmann::json&) { return 503; });
  EXPECT_TRUE(eventually(25s, [&] { return !peer.deletions().empty(); }));
  EXPECT_THAT(peer.deletions(), Contains("/v2/pods/abc123 Bearer rpa_planted_pod_key"));
}

TEST(Agent, DeletesThePodOfAFailedBootstrapThatNobodyFetches) {
  const Site site;
  Peer peer;
  Pod pod(site, peer.url);
  pod.settings.pod_lease = 2s;
  pod.settings.setup_cmd = "exit 1";
  pod.environment["RUNPOD_API_URL"] = peer.url + "/v2";
  pod.environment["RUNPOD_API_KEY"] = "rpa_planted_pod_key";
  pod.environment["RUNPOD_POD_ID"] = "abc124";
  EXPECT_EQ(pod.launch().story().back(), "setup fail");
  EXPECT_TRUE(eventually(25s, [&] { return !peer.deletions().empty(); }));
}

TEST(Agent, LeavesNoZombieAndSurvivesTheEndOfTheSessionThatLaunchedIt) {
  const Site site;
  Peer peer;
  Pod pod(site, peer.url);
  site.commit("sleep 4; exit 3");
  ASSERT_EQ(pod.launch().story().back(), "start end");
  const int agent = pod.pid_in("agent.pid");
  ASSERT_TRUE(eventually(6s, [&] { return peer.reports("crash").size() == 1; }));
  EXPECT_TRUE(Pod::alive(agent));
  EXPECT_TRUE(eventually(3s, [&] {
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const std::string stat = read_text(entry.path() / "stat");
      const std::size_t at = stat.rfind(')');
      if (at == std::string::npos) continue;
      if (stat.substr(at + 2).starts_with("Z " + std::to_string(agent) + " ")) return false;
    }
    return true;
  }));
}

TEST(Agent, KeepsTheWorkersLogSmall) {
  const Site site;
  Peer peer;
  Pod pod(site, peer.url);
  site.commit("head -c 12000000 /dev/zero | tr '\\0' x | fold -w 100; echo last line; exec sleep 1000");
  ASSERT_EQ(pod.launch().story().back(), "start end");
  EXPECT_TRUE(
      eventually(14s, [&] { return std::filesystem::file_size(pod.directory() + "/worker.log") < 3000000; }));
  EXPECT_THAT(pod.run(probe_command(pod.worker)).output, testing::EndsWith("last line\n"));
}

}  // namespace
}  // namespace gpuwarden::bootstrap::test
