#include "control/bring_up_runner.hpp"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gpuwarden/bootstrap/script.hpp"

#include "loop_world.hpp"

namespace gpuwarden::control {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const std::string kKey = "SHA256:0123456789abcdefghijklmnopqrstuvwxyzABCDE+/";  // 43 characters of base64

std::vector<std::string> keys_in(std::vector<std::string> lines) {
  std::vector<PodLogLine> log;
  for (std::string& line : lines) log.push_back({"container", std::move(line), {}});
  return host_keys_in(log);
}

TEST(HostKeys, AreTheLinesOfSshKeygen) {
  const std::string key = kKey;
  EXPECT_THAT(
      keys_in({"SSH host keys:", "Key: /etc/ssh/ssh_host_ed25519_key.pub",
               "256 " + key + " root@pod (ED25519)", "  3072 " + key + " no comment (RSA)\r", "256 " + key}),
      ElementsAre(key, key, key));
}

TEST(HostKeys, AreNotTheKeysThatSshdLogsOfItsClients) {
  const std::string key = kKey;
  EXPECT_THAT(keys_in({"Accepted publickey for root from 10.0.0.1 port 40000 ssh2: ED25519 " + key,
                       "sshd[256]: 256 " + key, key, " " + key, "256 " + key.substr(0, 49),
                       "256 " + key + "A", "256 MD5:00:11:22", "256", ""}),
              IsEmpty());
}

struct BringUpRun : testing::Test {
  LoopWorld world;
  Context context{world.environment(), LoopWorld::settings()};
  Worker worker;
  std::string script;  ///< what the launched script says
  std::shared_ptr<RunningBringUp> control = std::make_shared<RunningBringUp>();

  BringUpRun() {
    context.epoch = world.store.state.leader.epoch;
    PodSpec spec;
    spec.name = make_worker_id("default", fakes::FakeClock::kWallStart, 7).str();
    const Pod pod = world.provider.add_pod(spec);
    context.pods.emplace(pod.id, pod);
    worker.id = WorkerId(spec.name);
    worker.pod = pod.id;
    is(WorkerStatus::spawning, Phase::provisioning);
    world.shell.on_run = [this](ports::ShellCommand command) -> ports::Async<ports::ShellResult> {
      if (command.stdin_data.empty()) co_return ports::ShellResult{bootstrap::kNotStarted, ""};
      command.on_stdout(script);
      co_return ports::ShellResult{0, ""};
    };
  }
  void is(WorkerStatus status, Phase phase) {
    worker.status = status;
    worker.phase = phase;
    world.store.state.workers = {worker};
    context.workers = {{worker.id, worker}};
  }
  std::string line(const std::string& fields) const {
    return "@gpuwarden {\"v\":1,\"worker\":\"" + worker.id.str() + "\"," + fields + "}\n";
  }
  Result<std::string> run() {
    context.bring_ups[worker.id] = control;
    return world.finish(run_bring_up(context, worker.id, worker.pod, control), 2h);
  }
};

TEST_F(BringUpRun, SaysFirstThatThePodIsBeingConnectedTo) {
  script = line(R"("step":"start","event":"end","t":"","exit":0)");
  ASSERT_TRUE(run());
  ASSERT_GE(world.store.changes.size(), 2u);
  EXPECT_EQ(world.store.changes.front().phase, Phase::connecting);
  EXPECT_THAT(world.store.changes.front().expected, ElementsAre(WorkerStatus::spawning));
  EXPECT_EQ(world.store.changes.back().phase, Phase::awaiting_heartbeat);
}

TEST_F(BringUpRun, ThatIsResumedKeepsThePhaseThatWasReached) {
  is(WorkerStatus::spawning, Phase::bootstrapping);
  script = line(R"("step":"start","event":"end","t":"","exit":0)");
  ASSERT_TRUE(run());
  for (const ports::WorkerChange& change : world.store.changes) EXPECT_NE(change.phase, Phase::connecting);
}

TEST_F(BringUpRun, EndsAtOnceWhereTheRowIsNotSpawningAnyMore) {
  world.store.state.workers.front().status = WorkerStatus::terminating;
  EXPECT_EQ(run().error().kind, ErrorKind::conflict);
  EXPECT_TRUE(world.shell.connects.empty());
}

TEST_F(BringUpRun, FailsNoWorkerThatBecameActiveMeanwhile) {
  world.shell.refuse = Error{ErrorKind::unavailable, "connection refused", 0, "", {}};
  world.start([](BringUpRun& test) -> boost::asio::awaitable<void> {
    co_await test.world.clock.sleep_for(10s);
    test.world.store.state.workers.front().status = WorkerStatus::active;
  }(*this));
  EXPECT_EQ(run().error().kind, ErrorKind::conflict);
  ASSERT_EQ(world.store.failed.size(), 1u);
  EXPECT_THAT(world.store.failed[0].expected, ElementsAre(WorkerStatus::spawning));
  EXPECT_EQ(world.store.state.workers.front().status, WorkerStatus::active);
  EXPECT_EQ(world.provider.count("remove"), 0);
}

TEST_F(BringUpRun, ThatFailsKeepsItsWorkerFromBeingFailedASecondTimeMeanwhile) {
  script = line(R"("step":"fetch","event":"fail","t":"","exit":128,"tail":["fatal: no such branch"])");
  bool busy = false;
  world.provider.before = [&](std::string_view method) -> boost::asio::awaitable<void> {
    if (method == "remove") busy = context.in_flight.contains(worker.id);
    co_return;
  };
  ASSERT_TRUE(run());
  EXPECT_TRUE(busy);
  EXPECT_TRUE(context.in_flight.empty());
}

TEST_F(BringUpRun, BringsTheSameTokenWithEachLaunchSoThatALateWriteLocksNoPodOut) {
  int tokens = 0, launches = 0;
  context.env.make_token = [&] {
    const std::string digit = std::to_string(++tokens);
    return WorkerToken{Secret("token-" + digit), digit + std::string(63, 'a')};
  };
  std::set<std::string> stored, sent;
  world.shell.on_run = [&](ports::ShellCommand command) -> ports::Async<ports::ShellResult> {
    if (command.stdin_data.empty()) co_return ports::ShellResult{bootstrap::kNotStarted, ""};
    stored.insert(world.store.token_hashes[worker.id]);
    sent.insert(command.stdin_data);
    if (++launches == 1) co_return fail(ErrorKind::unavailable, "connection reset");
    command.on_stdout(line(R"("step":"start","event":"end","t":"","exit":0)"));
    co_return ports::ShellResult{0, ""};
  };
  ASSERT_TRUE(run());
  EXPECT_EQ(launches, 2);
  EXPECT_EQ(tokens, 1);
  EXPECT_THAT(stored, ElementsAre("1" + std::string(63, 'a')));
  EXPECT_THAT(sent, ElementsAre(testing::HasSubstr("token-1")));
}

TEST_F(BringUpRun, TellsOfEachStepHowLongItTookAndWhyItFailed) {
  script = line(R"("step":"fetch","event":"begin","t":"2026-11-24T00:00:10.000Z")") +
           line(R"("step":"fetch","event":"end","t":"2026-11-24T00:00:52.000Z","exit":0)");
  const std::string setup =
      line(R"("step":"setup","event":"begin","t":"")") +
      line(R"("step":"setup","event":"fail","t":"","exit":1,"tail":["Collecting torch","no space left"])");
  script += setup;
  ASSERT_TRUE(run());
  std::vector<std::string> told;
  for (const auto& entry : world.log.lines) {
    if (entry.event != "bootstrap_step") continue;
    std::string text = entry.message;
    for (const auto& [name, value] : entry.fields) {
      if (name == "step" || name == "step_duration" || name == "exit" || name == "tail")
        text += " " + name + "=" + value;
    }
    told.push_back(text);
  }
  EXPECT_THAT(told, ElementsAre("begins step=fetch", "done step=fetch step_duration=42s", "begins step=setup",
                                "failed step=setup step_duration=0s exit=1 tail=no space left"));
}

TEST_F(BringUpRun, HearsOfTheEndInTheContainersLogWhenSshIsGone) {
  world.shell.on_run = [this](ports::ShellCommand command) -> ports::Async<ports::ShellResult> {
    if (command.stdin_data.empty()) co_return ports::ShellResult{bootstrap::kNotStarted, ""};
    command.on_stdout(line(R"("step":"preflight","event":"end","t":"","exit":0)"));
    world.shell.refuse = Error{ErrorKind::unavailable, "connection refused", 0, "", {}};
    co_return fail(ErrorKind::unavailable, "connection reset");
  };
  const std::string said =
      line(R"("step":"fetch","event":"fail","t":"","exit":128,"tail":["fatal: no such branch"])");
  const std::string others =
      R"(@gpuwarden {"v":1,"worker":"gpu-other","step":"setup","event":"fail","exit":1})";
  world.provider.log_lines[worker.pod] = {{"container", "ready", {}},
                                          {"container", others, {}},
                                          {"container", said.substr(0, said.size() - 1), {}}};
  const MonoTime began = world.clock.now();
  ASSERT_TRUE(run());
  EXPECT_LE(world.clock.now() - began, 10s);
  ASSERT_EQ(world.store.failed.size(), 1u);
  EXPECT_EQ(world.store.failed[0].verdict.cause, FailureCause::fetch_failed);
  EXPECT_EQ(world.store.failed[0].evidence.channel, "container_log");
  EXPECT_EQ(world.log.field("worker_failed", "channel"), "container_log");
  EXPECT_EQ(world.log.count("bootstrap_step"), 2) << "what both channels tell is told once";
}

TEST_F(BringUpRun, SaysWhenAHostKeyIsTakenOnTrust) {
  script = line(R"("step":"start","event":"end","t":"","exit":0)");
  ASSERT_TRUE(run());
  EXPECT_EQ(world.log.field("host_key_first_use", "host_key"), world.shell.host_key);
  EXPECT_THAT(context.pins[worker.pod].sha256, ElementsAre(world.shell.host_key));
}

TEST_F(BringUpRun, SaysWhenTheLogCannotBeReadForTheHostKey) {
  script = line(R"("step":"start","event":"end","t":"","exit":0)");
  world.provider.on_logs = [](const ports::LogQuery&) -> Result<std::vector<PodLogLine>> {
    return fail(ErrorKind::rate_limited, "later");
  };
  ASSERT_TRUE(run());
  EXPECT_EQ(world.log.field("host_keys_unread", "error"), "later");
}

TEST_F(BringUpRun, ChecksTheHostKeyThatTheContainerPrinted) {
  script = line(R"("step":"start","event":"end","t":"","exit":0)");
  const std::string key = kKey;
  world.provider.log_lines[worker.pod] = {{"container", "256 " + key + " root@pod (ED25519)", {}}};
  ASSERT_TRUE(run());
  EXPECT_EQ(world.log.count("host_key_first_use"), 0);
  EXPECT_THAT(world.shell.connects.at(0).pin.sha256, ElementsAre(key));
}

}  // namespace
}  // namespace gpuwarden::control
