#include <algorithm>
#include <csignal>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "running_daemon.hpp"

namespace gpuwarden::app {
namespace {

using namespace std::chrono_literals;
using boost::asio::awaitable;
using http::ServerRequest;
using http::ServerResponse;
using Json = nlohmann::json;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto kSoon = 20s;  // for a loaded machine and a program under sanitizers

/// A worker that finishes its task before it lets go of its pod.
Json draining_worker() {
  return Json::parse(R"({
    "id":"gpu-default-20261124010203-00c0ffee","status":"terminating","phase":"draining","step":null,
    "pod_id":"pod1","gpu":"NVIDIA GeForce RTX 4090","data_center":"EU-RO-1","volume_id":null,"volume_name":null,
    "cloud":"SECURE","image":"img","script_hash":"h","cost_per_hr":0.44,"generation":0,"canary":false,
    "proven":true,"age_s":61.5,"phase_age_s":3,"heartbeat_age_s":1,"idle_s":null,"tasks":["t1"],
    "drain_reason":"surplus","crash":null,"git_commit":"abc","vram_total_mb":24564,"vram_used_mb":null,
    "disk_free_mb":1000,"agent_uptime_s":60})");
}

struct DaemonProgram : testing::Test {
  RunningDaemon daemon;

  void start_and_wait() {
    daemon.start();
    ASSERT_TRUE(daemon.until(kSoon, [&] { return daemon.notified("READY=1") > 0; })) << daemon.log();
  }
  /// Messages of an event's lines.
  std::vector<std::string> told(const std::string& event) const {
    std::vector<std::string> messages;
    for (const Json& line : daemon.lines(event)) messages.push_back(line.value("msg", ""));
    return messages;
  }
  std::string last_message() const {
    const auto messages = told("stopped");
    return messages.empty() ? "" : messages.back();
  }
  long ticks() const {
    return std::count_if(daemon.supabase->requests.begin(), daemon.supabase->requests.end(),
                         [](const ServerRequest& r) { return r.path.ends_with("gpuwarden_snapshot"); });
  }
  /// Waits for further ticks, so that everything said before has had its effect.
  void wait_for_ticks(long count) {
    const long before = ticks();
    ASSERT_TRUE(daemon.until(kSoon, [&] { return ticks() >= before + count; })) << daemon.log();
  }
  void reload(const std::string& until_event) {
    const std::size_t before = daemon.lines(until_event).size();
    daemon.write_settings();
    daemon.signal(SIGHUP);
    ASSERT_TRUE(daemon.until(kSoon, [&] { return daemon.lines(until_event).size() > before; }))
        << daemon.log();
  }
};

TEST_F(DaemonProgram, TellsSystemdThatItIsReadyAndAliveAlsoWhileRunpodIsSilent) {
  daemon.environment["WATCHDOG_USEC"] = "1200000";
  start_and_wait();
  daemon.on_runpod = silence;
  wait_for_ticks(1);
  const long fed = daemon.notified("WATCHDOG=1");
  EXPECT_TRUE(daemon.until(kSoon, [&] { return daemon.notified("WATCHDOG=1") >= fed + 10; }))
      << "a tick that waits for an answer is no reason to fall silent";
  EXPECT_EQ(daemon.notified("READY=1"), 1);
  EXPECT_EQ(daemon.notified("STOPPING=1"), 0);
}

TEST_F(DaemonProgram, IsNotReadyBeforeTheFirstTickAndStopsAtOnceInTheMiddleOfIt) {
  daemon.on_supabase = silence;
  daemon.on_runpod = silence;
  daemon.start();
  ASSERT_TRUE(daemon.until(kSoon, [&] { return !daemon.supabase->requests.empty(); })) << daemon.log();
  EXPECT_EQ(daemon.notified("READY=1"), 0);
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.ended(5s), 0) << daemon.log();
  EXPECT_EQ(daemon.notified("STOPPING=1"), 1);
  EXPECT_EQ(daemon.notified("READY=1"), 0);
  EXPECT_EQ(last_message(), "pods keep running; the next daemon takes them over");
}

TEST_F(DaemonProgram, StopsWithinTenSecondsWhileACreateAndTheDatabaseHangAndAsksForNoSecondPod) {
  daemon.snapshot["queue"]["queued"] = 1;
  daemon.on_runpod = [this](ServerRequest request) -> awaitable<ServerResponse> {
    if (request.method == "POST") {
      daemon.on_supabase = silence;
      co_return co_await silence(std::move(request));
    }
    co_return empty_account(request);
  };
  daemon.start();
  ASSERT_TRUE(daemon.until(kSoon, [&] { return daemon.runpod->count("POST") > 0; })) << daemon.log();
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.ended(10s), 0) << daemon.log();
  EXPECT_EQ(daemon.runpod->count("POST"), 1);
}

TEST_F(DaemonProgram, SighupSaysOfEachChangeWhetherItIsInForceAndHalfAppliesNothing) {
  fakes::LoopbackService other(daemon.io,
                               [](const ServerRequest&, int) { return fakes::json_answer(500, "{}"); });
  start_and_wait();
  daemon.settings["MAX_ACTIVE_GPUS"] = "3";
  daemon.settings["GPUWARDEN_ON_EXIT"] = "drain";
  daemon.settings["SUPABASE_URL"] = other.url;
  daemon.settings["RUNPOD_API_KEY"] = "rpa_PLANTEDother";
  daemon.settings["LOG_LEVEL"] = "warning";
  reload("restart_needed");
  EXPECT_THAT(told("reloaded"), AllOf(Contains("MAX_ACTIVE_GPUS: 10 -> 3, in force now"),
                                      Contains("GPUWARDEN_ON_EXIT: leave -> drain, in force now"),
                                      Contains("LOG_LEVEL: info -> warning, in force now"),
                                      Contains("SUPABASE_URL: " + daemon.supabase->url + " -> " + other.url +
                                               ", after a restart"),
                                      Contains("RUNPOD_API_KEY: [changed], after a restart")));
  EXPECT_THAT(told("restart_needed"),
              Contains("2 of 5 changes take effect with: systemctl restart gpuwarden"));
  EXPECT_THAT(daemon.log(), Not(HasSubstr("PLANTED")));
  wait_for_ticks(3);
  EXPECT_TRUE(other.requests.empty()) << "half of a pair of settings was applied";
  EXPECT_EQ(daemon.runpod->requests.back().header("authorization"), "Bearer rpa_PLANTEDrunpodPLANTED03");
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.ended(kSoon), 0) << daemon.log();
  EXPECT_FALSE(daemon.says("draining")) << "LOG_LEVEL=warning is in force";
  EXPECT_GT(daemon.notified("EXTEND_TIMEOUT_USEC=60000000"), 0) << "GPUWARDEN_ON_EXIT=drain is in force";
}

TEST_F(DaemonProgram, SighupWithAnInvalidConfigurationIsRefusedWholeAndTheDaemonGoesOn) {
  start_and_wait();
  daemon.settings["MAX_ACTIVE_GPUS"] = "many";
  daemon.settings["ORCHESTRATOR_POLL_SEC"] = "600";
  reload("reload_refused");
  EXPECT_EQ(daemon.lines("reload_refused").back().value("name", ""), "MAX_ACTIVE_GPUS");
  EXPECT_FALSE(daemon.says("reloaded"));
  wait_for_ticks(3);
  std::ofstream(daemon.dir + "/gpuwarden.env") << "MAX_ACTIVE_GPUS=3\nthis is no assignment\n";
  daemon.signal(SIGHUP);
  EXPECT_TRUE(daemon.until(kSoon, [&] {
    return daemon.log().find("gpuwarden.env:2\"") != std::string::npos;
  })) << daemon.log();
  daemon.settings["MAX_ACTIVE_GPUS"] = "3";
  daemon.settings["ORCHESTRATOR_POLL_SEC"] = "1";
  reload("reloaded");
  EXPECT_THAT(told("reloaded"), testing::ElementsAre("MAX_ACTIVE_GPUS: 10 -> 3, in force now"));
}

TEST_F(DaemonProgram, SighupWithANewSshKeyGivesNewPodsTheKeyThatTheDaemonStillUses) {
  const std::string key = daemon.dir + "/key";
  const auto make_key = [&] {
    (void)std::remove(key.c_str());
    const auto made = test::run({"/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key},
                                test::own_environment());
    ASSERT_EQ(made.exit_code, 0) << made.output;
  };
  const auto public_key = [&] {
    const std::string line = test::read_file(key + ".pub");
    return line.substr(0, line.rfind(' '));
  };
  make_key();
  const std::string used = public_key();
  daemon.settings["RUNPOD_SSH_PRIVATE_KEY_PATH"] = key;
  start_and_wait();
  (void)std::remove((key + ".pub").c_str());
  make_key();
  ASSERT_NE(public_key(), used);
  reload("restart_needed");
  EXPECT_THAT(told("reloaded"), Contains("SSH key: [changed], after a restart"));
  daemon.snapshot["queue"]["queued"] = 1;
  ASSERT_TRUE(daemon.until(kSoon, [&] { return daemon.runpod->count("POST") > 0; })) << daemon.log();
  const auto& requests = daemon.runpod->requests;
  const auto post = std::find_if(requests.begin(), requests.end(),
                                 [](const ServerRequest& request) { return request.method == "POST"; });
  EXPECT_THAT(post->body, HasSubstr(used));
}

struct DrainingProgram : DaemonProgram {
  DrainingProgram() { daemon.settings["GPUWARDEN_ON_EXIT"] = "drain"; }
};

TEST_F(DrainingProgram, SaysAtTheEndThatTheFleetIsDrained) {
  start_and_wait();
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.ended(kSoon), 0) << daemon.log();
  EXPECT_EQ(last_message(), "the fleet is drained: no worker is left");
}

TEST_F(DrainingProgram, AsksSystemdForTimeAndASecondSignalStopsItAtOnce) {
  daemon.snapshot["workers"].push_back(draining_worker());
  start_and_wait();
  daemon.signal(SIGTERM);
  EXPECT_TRUE(daemon.until(kSoon, [&] { return daemon.notified("EXTEND_TIMEOUT_USEC=60000000") >= 2; }))
      << "one message is worth a minute only";
  EXPECT_EQ(daemon.ended(0s), -1) << daemon.log();
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.ended(10s), 0) << daemon.log();
  EXPECT_THAT(last_message(), AllOf(HasSubstr("not drained (a second signal called it off)"),
                                    HasSubstr("pods keep running")));
  EXPECT_EQ(daemon.lines("stopped").back().value("workers", ""), "1");
}

TEST_F(DrainingProgram, StopsAtOnceWhenAnotherDaemonLeads) {
  daemon.snapshot["leader"] = {{"leading", false}, {"epoch", 2}, {"holder", "other"}, {"expires_in_s", 20}};
  daemon.snapshot["workers"].push_back(draining_worker());
  start_and_wait();
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.ended(10s), 0) << daemon.log();
  EXPECT_THAT(last_message(), HasSubstr("not drained (another daemon leads)"));
}

}  // namespace
}  // namespace gpuwarden::app
