#include <gmock/gmock.h>

#include "peer.hpp"
#include "pod.hpp"

namespace gpuwarden::bootstrap::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Start, GoesThroughAllStepsToAWorkerWhoseFirstHeartbeatWasAccepted) {
  const Site site;
  Peer peer;
  Pod pod(site, peer.url);
  const std::string commit = site.commit("env -0 >environment; pwd >place; exec sleep 1000");
  pod.settings.setup_cmd = "echo preparing; touch prepared";
  pod.settings.pass_env = {{"HF_TOKEN", "hf_planted"}};
  const auto stream = pod.launch();
  EXPECT_EQ(stream.exit_code, 0) << stream.text;
  EXPECT_THAT(stream.story(), ElementsAre("preflight begin", "preflight end", "fetch begin", "fetch end",
                                          "setup begin", "setup end", "start begin", "start end"));
  EXPECT_EQ(stream.lines.at(3).commit, commit);
  for (const StatusLine& line : stream.lines) EXPECT_EQ(line.worker, pod.worker.str());

  const auto beats = peer.reports("heartbeat");
  ASSERT_FALSE(beats.empty());
  EXPECT_EQ(beats[0].worker, pod.worker.str());
  EXPECT_EQ(beats[0].token, "token_planted_secret");
  EXPECT_EQ(beats[0].apikey, "sb_publishable_planted");
  EXPECT_EQ(beats[0].report["vram_total_mb"], 49128) << "the sum over all GPUs";
  EXPECT_EQ(beats[0].report["vram_used_mb"], 3073);
  EXPECT_EQ(beats[0].report["gpu_util"], 41);
  EXPECT_GT(beats[0].report["disk_free_mb"], 0);
  EXPECT_GE(beats[0].report["uptime_s"], 0);
  EXPECT_EQ(peer.reports("ping").size(), 1u);
  EXPECT_TRUE(eventually(3s, [&] { return peer.reports("step").size() == 8; }))
      << "every step reaches the database";

  const std::string where = pod.checkout();
  EXPECT_THAT(where, testing::StartsWith(site.volume + "/worker/" + commit.substr(0, 12)));
  EXPECT_EQ(read_text(where + "/place"), where + "\n");
  EXPECT_TRUE(std::filesystem::exists(where + "/prepared"));
  std::string environment = read_text(where + "/environment");
  std::replace(environment.begin(), environment.end(), '\0', '\n');
  for (const std::string& expected :
       {"WORKER_ID=" + pod.worker.str(), std::string("GPUWARDEN_WORKER_TOKEN=token_planted_secret"),
        "SUPABASE_URL=" + peer.url, std::string("SUPABASE_PUBLISHABLE_KEY=sb_publishable_planted"),
        std::string("SUPABASE_ANON_KEY=sb_publishable_planted"), std::string("RUN_TYPE=gpu"),
        std::string("HF_TOKEN=hf_planted"), "GPUWARDEN_DRAIN_FILE=" + pod.directory() + "/drain"})
    EXPECT_THAT(environment, HasSubstr(expected + "\n"));
  EXPECT_THAT(environment, testing::Not(HasSubstr("gw_")));

  EXPECT_EQ(pod.run(probe_command(pod.worker)).exit_code, 0);
  using std::filesystem::perms;
  const auto mode = [&](const std::string& path) { return std::filesystem::status(path).permissions(); };
  EXPECT_EQ(mode(pod.directory()), perms::owner_all);
  for (const auto* name : {"/env", "/token", "/curl.conf"})
    EXPECT_EQ(mode(pod.directory() + name), perms::owner_read | perms::owner_write) << name;
}

TEST(Start, Case13AnUnknownArgumentIsNamedWithinFiveSecondsAndOneSecondAfterTheDeath) {
  const Site site;
  Peer peer;
  Pod pod(site, peer.url);
  site.commit(
      "printf 'usage: worker.py [-h]\\nworker.py: error: unrecognized arguments: --wgp-profile\\n' >&2; "
      "date +%s%3N >../died; exit 2");
  const auto began = std::chrono::steady_clock::now();
  const auto stream = pod.launch();
  EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);
  ASSERT_NE(stream.last(), nullptr);
  EXPECT_EQ(stream.last()->step, BootStep::start);
  EXPECT_EQ(stream.last()->event, StatusLine::Event::fail);
  EXPECT_EQ(stream.last()->exit_code, 2);
  EXPECT_EQ(stream.last()->signal, "");
  EXPECT_THAT(stream.last()->tail, Contains("worker.py: error: unrecognized arguments: --wgp-profile"));
  const double died = std::stod(read_text(site.volume + "/worker/died"));
  const auto said = parse_time(stream.last()->time);
  ASSERT_TRUE(said);
  EXPECT_LT(static_cast<double>(said->time_since_epoch().count()) - died, 1000);
  EXPECT_TRUE(eventually(5s, [&] {
    const auto steps = peer.reports("step");
    return !steps.empty() && steps.back().report["event"] == "fail" && steps.back().report["exit"] == 2;
  })) << "the database is told by the pod itself";
  EXPECT_THAT(peer.reports("heartbeat"), IsEmpty());
  EXPECT_THAT(peer.reports("crash"), IsEmpty());
  EXPECT_EQ(pod.run(probe_command(pod.worker)).exit_code, 1);
}

TEST(Start, AWorkerKilledByASignalIsReportedWithTheSignalsName) {
  const Site site;
  Peer peer;
  Pod pod(site, peer.url);
  site.commit("echo loading model; kill -KILL $$");
  const auto stream = pod.launch();
  ASSERT_NE(stream.last(), nullptr);
  EXPECT_EQ(stream.last()->exit_code, 137);
  EXPECT_EQ(stream.last()->signal, "SIGKILL");
  EXPECT_THAT(stream.last()->tail, ElementsAre("loading model"));
}

TEST(Start, ACommandThatDoesNotExistIsNamed) {
  const Site site;
  Peer peer;
  Pod pod(site, peer.url);
  pod.settings.start_cmd = "./venv/bin/python worker.py";
  const auto stream = pod.launch();
  ASSERT_NE(stream.last(), nullptr);
  EXPECT_EQ(stream.last()->exit_code, 127);
  EXPECT_THAT(stream.last()->tail, Contains(HasSubstr("./venv/bin/python: No such file or directory")));
}

TEST(Start, AWorkerThatHeartbeatsItselfIsUpWhenItHasSurvivedThreeSeconds) {
  const Site site;
  Peer peer;
  Pod pod(site, peer.url);
  pod.settings.agent_heartbeats = false;
  const auto stream = pod.launch();
  EXPECT_THAT(stream.story(), Contains("start end"));
  EXPECT_THAT(peer.reports("heartbeat"), IsEmpty());
}

TEST(Start, WithoutAutomaticStartOnlyTheAgentRuns) {
  const Site site;
  Peer peer;
  Pod pod(site, peer.url);
  pod.settings.auto_start = false;
  const auto stream = pod.launch();
  EXPECT_EQ(stream.story().back(), "start end");
  EXPECT_FALSE(peer.reports("heartbeat").empty());
  EXPECT_EQ(pod.pid_in("worker.pid"), 0);
  EXPECT_EQ(pod.run(probe_command(pod.worker)).exit_code, 0);
}

TEST(Follow, PrintsOnlyWhatLiesBehindTheOffsetAndAlwaysTheEnd) {
  const Site site;
  Peer peer;
  Pod pod(site, peer.url);
  pod.settings.auto_start = false;
  const auto all = pod.launch();
  const std::size_t third = all.text.find('\n', all.text.find('\n', all.text.find('\n') + 1) + 1) + 1;
  const auto rest = pod.follow(third);
  EXPECT_EQ(rest.text, all.text.substr(third));
  EXPECT_EQ(rest.exit_code, 0);
  const auto end = pod.follow(all.text.size() + 1000);
  EXPECT_THAT(end.story(), ElementsAre("start end"));
}

TEST(Follow, EndsWithItsOwnStatusWhenTheScriptTakesLonger) {
  const Site site;
  Peer peer;
  Pod pod(site, peer.url);
  pod.settings.setup_cmd = "touch ../in_setup; sleep 4";
  pod.settings.auto_start = false;
  std::thread launch([&] { pod.launch(); });
  EXPECT_TRUE(eventually(20s, [&] { return std::filesystem::exists(site.volume + "/worker/in_setup"); }));
  const auto ran = pod.run("bash " + pod.directory() + "/follow.sh " + pod.directory() + " 0 1");
  EXPECT_EQ(ran.exit_code, kStillRunning);
  EXPECT_THAT(ran.output, testing::Not(HasSubstr("\"event\":\"fail\"")));
  launch.join();
}

TEST(Follow, SaysItWhenTheScriptHasDisappeared) {
  const Site site;
  Peer peer;
  Pod pod(site, peer.url);
  pod.settings.setup_cmd = "echo installing; touch ../in_setup; exec sleep 3.14159";
  std::thread killer([&] {
    eventually(20s, [&] { return std::filesystem::exists(site.volume + "/worker/in_setup"); });
    ::kill(pod.pid_in("bootstrap.pid"), SIGKILL);
  });
  const auto stream = pod.launch();
  killer.join();
  ASSERT_NE(stream.last(), nullptr);
  EXPECT_EQ(stream.last()->step, BootStep::setup);
  EXPECT_EQ(stream.last()->event, StatusLine::Event::fail);
  EXPECT_EQ(stream.last()->tail.back(), "the startup script has disappeared from the pod");
  EXPECT_THAT(pod.follow(0).story(), Contains("setup fail")) << "who comes later hears the same";
}

TEST(Launch, ASecondOneStartsNothingButBringsItsToken) {
  const Site site;
  Peer peer;
  Pod pod(site, peer.url);
  site.commit("echo started >>../starts; exec sleep 1000");
  pod.launch();
  const int agent = pod.pid_in("agent.pid");
  const auto again = pod.launch("token_of_second_launch");
  EXPECT_EQ(again.story().size(), 8u) << again.text;
  EXPECT_EQ(pod.pid_in("agent.pid"), agent);
  EXPECT_EQ(read_text(site.volume + "/worker/starts"), "started\n");
  EXPECT_TRUE(eventually(5s, [&] { return peer.reports().back().token == "token_of_second_launch"; }));
}

TEST(Launch, TwoAtTheSameMomentStartOneScript) {
  const Site site;
  Peer peer;
  Pod pod(site, peer.url);
  site.commit("echo started >>../starts; exec sleep 1000");
  Pod::Stream first, second;
  std::thread other([&] { first = pod.launch(); });
  Pod same(site, peer.url);
  second = same.launch();
  other.join();
  EXPECT_EQ(first.story().back(), "start end") << first.text;
  EXPECT_EQ(second.story().back(), "start end") << second.text;
  EXPECT_EQ(read_text(site.volume + "/worker/starts"), "started\n");
}

}  // namespace
}  // namespace gpuwarden::bootstrap::test
