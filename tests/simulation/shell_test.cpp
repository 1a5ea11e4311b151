#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gpuwarden/bootstrap/status_line.hpp"

#include "simulation/cloud_world.hpp"
#include "simulation/shell_command.hpp"

namespace gpuwarden::simulation {
namespace {

using testing::HasSubstr;

/// A pod that runs, and a connection to it.
struct ShellWorld : CloudWorld {
  std::string worker = registered(1);
  SimPodPtr pod = created(worker);
  std::unique_ptr<ports::ShellSession> session;
  bootstrap::StatusStream stream;
  std::vector<std::string> lines;
  std::size_t base{0};

  ShellWorld() {
    pass(1min);
    session = std::move(*connected(pod));
  }
  Result<ports::ShellResult> run(std::string command, std::string payload = "", Duration timeout = 60s) {
    ports::ShellCommand shell_command;
    shell_command.command = std::move(command);
    shell_command.stdin_data = std::move(payload);
    shell_command.timeout = timeout;
    shell_command.on_stdout = [this](std::string_view chunk) {
      for (std::string& line : stream.feed(chunk)) lines.push_back(std::move(line));
    };
    return finish(session->run(std::move(shell_command)));
  }
  Result<ports::ShellResult> launch() {
    return run(bootstrap::launch_command(WorkerId(worker)), launch_payload(worker));
  }
  Result<ports::ShellResult> follow(std::size_t offset) {
    return run(bootstrap::follow_command(WorkerId(worker), offset));
  }
};

TEST(SimulatedShell, ReadsTheCommandsOfTheStartupScriptByTheirTexts) {
  const WorkerId worker("gpu-default-20261124000000-00000001");
  using Kind = ParsedCommand::Kind;
  const auto parsed = parse_command(bootstrap::follow_command(worker, 1234));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->kind, Kind::follow);
  EXPECT_EQ(parsed->worker, worker.str());
  EXPECT_EQ(parsed->offset, 1234U);
  EXPECT_EQ(parse_command(bootstrap::launch_command(worker))->kind, Kind::launch);
  EXPECT_EQ(parse_command(bootstrap::launch_command(worker))->worker, worker.str());
  EXPECT_EQ(parse_command(bootstrap::probe_command(worker))->kind, Kind::probe);
  EXPECT_EQ(parse_command(bootstrap::probe_command(worker))->worker, worker.str());
  EXPECT_EQ(parse_command(bootstrap::collect_command(worker))->kind, Kind::collect);
  EXPECT_FALSE(parse_command("uname -a"));
}

TEST(SimulatedShell, ReadsTokenAndSettingsOutOfThePayload) {
  CloudWorld world;
  world.settings.heartbeat_interval = 7500ms;
  world.settings.pod_lease = 90s;
  world.settings.max_restarts = 3;
  const auto payload = read_launch_payload(world.launch_payload("gpu-a"));
  ASSERT_TRUE(payload);
  EXPECT_EQ(payload->worker, "gpu-a");
  EXPECT_EQ(payload->token, CloudWorld::kToken);
  EXPECT_EQ(payload->heartbeat_interval, 7500ms);
  EXPECT_EQ(payload->lease, 90s);
  EXPECT_EQ(payload->max_restarts, 3);
  EXPECT_FALSE(read_launch_payload("{}"));
}

TEST(SimulatedShell, SaysNotStartedBeforeTheLaunchAndStillRunningAfter45Seconds) {
  ShellWorld world;
  EXPECT_EQ(world.follow(0)->exit_status, bootstrap::kNotStarted);
  const MonoTime launched = world.scheduler.now();
  EXPECT_EQ(world.launch()->exit_status, bootstrap::kStillRunning);
  EXPECT_GE(world.scheduler.now(), launched + 45s);
  EXPECT_LE(world.scheduler.now(), launched + 46s);
  EXPECT_THAT(world.lines.back(), HasSubstr("\"step\":\"setup\",\"event\":\"begin\""));
  const std::size_t seen = world.stream.offset(), known = world.lines.size();
  world.stream = {};
  EXPECT_EQ(world.follow(seen)->exit_status, 0);
  ASSERT_EQ(world.lines.size(), known + 3) << "setup ends, start begins, start ends";
  EXPECT_THAT(world.lines.back(), HasSubstr("\"step\":\"start\",\"event\":\"end\""));
  EXPECT_EQ(world.fates.effects.back(), "launch " + world.worker);
}

TEST(SimulatedShell, AnswersAProbeByTheProcess) {
  ShellWorld world;
  const auto probe = [&] { return world.run(bootstrap::probe_command(WorkerId(world.worker)))->exit_status; };
  EXPECT_EQ(probe(), 1) << "nothing was launched";
  world.launch();
  EXPECT_EQ(probe(), 1) << "setup is under way";
  world.pass(1min);
  EXPECT_EQ(probe(), 0);
  world.pod->container->strike(RuntimeFault::Kind::crash, Duration{0});
  EXPECT_EQ(probe(), 1);
}

TEST(SimulatedShell, CollectsSections) {
  ShellWorld world;
  world.launch();
  EXPECT_EQ(world.run(bootstrap::collect_command(WorkerId(world.worker)))->exit_status, 0);
  for (const char* section : {"@@ status", "@@ bootstrap", "@@ worker", "@@ nvidia_smi", "@@ df"})
    EXPECT_THAT(world.lines, testing::Contains(section));
}

TEST(SimulatedShell, ALaunchWhoseAnswerIsLostHasStartedTheScript) {
  ShellWorld world;
  world.fates.kinds = {{"launch", Fate::Kind::reply_lost}};
  EXPECT_EQ(world.launch().error().kind, ErrorKind::timeout);
  EXPECT_TRUE(world.lines.empty());
  EXPECT_EQ(world.follow(0)->exit_status, 0);
  EXPECT_TRUE(world.pod->first_heartbeat);
}

TEST(SimulatedShell, ALaunchThatDidNotArriveHasStartedNothing) {
  for (const Fate::Kind kind : {Fate::Kind::request_lost, Fate::Kind::not_reached, Fate::Kind::refused}) {
    ShellWorld world;
    world.fates.kinds = {{"launch", kind}};
    EXPECT_FALSE(world.launch());
    EXPECT_EQ(world.follow(0)->exit_status, bootstrap::kNotStarted);
  }
}

TEST(SimulatedShell, AStreamThatBreaksOffIsResumedWithoutALineLost) {
  ShellWorld world;
  world.fates.kinds = {{"launch", Fate::Kind::failed_but_done}, {"follow", Fate::Kind::failed_but_done}};
  EXPECT_EQ(world.launch().error().kind, ErrorKind::ambiguous);
  std::size_t offset = world.stream.offset();
  for (int tries = 0; tries < 3; ++tries) {
    world.stream = {};
    world.session = std::move(*world.connected(world.pod));
    const auto ended = world.follow(offset);
    offset += world.stream.offset();
    if (ended && ended->exit_status == 0) break;
  }
  world.fates.kinds.clear();
  world.stream = {};
  for (int tries = 0; tries < 3 && (world.follow(offset)->exit_status != 0); ++tries) {
    offset += std::exchange(world.stream, {}).offset();
  }
  std::vector<std::string> steps;
  for (const std::string& line : world.lines) {
    const auto status = bootstrap::parse_status_line(line);
    ASSERT_TRUE(status) << line;
    steps.push_back(std::string(to_string(status->step)) +
                    (status->event == bootstrap::StatusLine::Event::begin ? "+" : "-"));
  }
  steps.erase(std::unique(steps.begin(), steps.end()), steps.end());  // the last line is told in any case
  EXPECT_THAT(steps, testing::ElementsAre("preflight+", "preflight-", "fetch+", "fetch-", "setup+", "setup-",
                                          "start+", "start-"));
}

TEST(SimulatedShell, ASecondLaunchOnlyBringsTheToken) {
  ShellWorld world;
  world.launch();
  const auto status = world.pod->container->run_of(world.worker);
  world.change(world.worker, {{"token_sha256", sql::sha256_hex("the-second-token-0123456789")}});
  world.run(bootstrap::launch_command(WorkerId(world.worker)),
            world.launch_payload(world.worker, "the-second-token-0123456789"));
  EXPECT_EQ(world.pod->container->run_of(world.worker), status);
  EXPECT_TRUE(world.pod->first_heartbeat);
}

TEST(SimulatedShell, NothingRunsAfterARestartInPlace) {
  ShellWorld world;
  world.launch();
  world.cloud.restart(world.pod);
  EXPECT_EQ(world.follow(0).error().kind, ErrorKind::ambiguous) << "the old connection is dead";
  world.session = std::move(*world.connected(world.pod));
  EXPECT_EQ(world.follow(0)->exit_status, bootstrap::kNotStarted);
}

TEST(SimulatedShell, AScriptThatHasDisappearedIsTold) {
  ShellWorld world;
  world.launch();
  world.pod->container->strike(RuntimeFault::Kind::agent_dies, Duration{0});
  EXPECT_EQ(world.follow(0)->exit_status, 1);
  EXPECT_THAT(world.lines.back(), HasSubstr("the startup script has disappeared from the pod"));
}

TEST(SimulatedShell, NobodyAnswersBeforeSshdIsUpNorOnAPodThatIsGone) {
  CloudWorld world;
  const SimPodPtr pod = world.created(CloudWorld::name(1));
  const auto kind_at = [&](MonoTime when) {
    world.pass(when - world.scheduler.now() - 300ms);
    const auto session = world.connected(pod);
    return session ? std::optional<ErrorKind>() : std::optional(session.error().kind);
  };
  world.pass(34s);
  const MonoTime up = *pod->running_since + pod->fate.sshd_starts;
  EXPECT_EQ(kind_at(up - 1ms), ErrorKind::unavailable);
  EXPECT_EQ(kind_at(up + 300ms), std::nullopt);
  world.cloud.vanish(pod);
  EXPECT_EQ(world.connected(pod).error().kind, ErrorKind::unavailable);
}

TEST(SimulatedShell, AKilledDaemonLeavesNoHandleBehind) {
  ShellWorld world;
  world.begin(
      [](ShellWorld& w) -> boost::asio::awaitable<bool> {
        ports::ShellCommand command;
        command.command = bootstrap::launch_command(WorkerId(w.worker));
        command.stdin_data = w.launch_payload(w.worker);
        co_await w.session->run(std::move(command));
        co_return true;
      }(world),
      [](bool) { FAIL(); });
  world.pass(10s);
  world.process->kill();
  world.pass(5min);
  EXPECT_TRUE(world.pod->first_heartbeat) << "the script runs on without anybody";
}

}  // namespace
}  // namespace gpuwarden::simulation
