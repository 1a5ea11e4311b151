#include <gtest/gtest.h>

#include "simulation/cloud_world.hpp"

namespace gpuwarden::simulation {
namespace {

using enum FailureCause;
namespace boot = bootstrap;
using Step = boot::BringUpStep;

/// Does what the daemon does between a create and a verdict: the real bring-up machine over the simulated
/// pod, and the same evidence.
struct Nurse {
  Nurse(CloudWorld& the_world, SimPodPtr the_pod, std::string name)
      : world(the_world), pod(std::move(the_pod)), worker(std::move(name)) {}

  CloudWorld& world;
  SimPodPtr pod;
  std::string worker;
  boot::BringUp machine{world.settings, world.clock.now()};
  std::unique_ptr<ports::ShellSession> session;
  ports::HostKeyPin pin;

  boot::BringUpEvent perform(const boot::ReadHostKeys& step) {
    ports::LogQuery query;
    query.pod = PodId(pod->id);
    query.source = "container";
    query.listen = step.timeout;
    const auto log = world.finish(world.provider.logs(query));
    boot::HostKeysRead keys;
    if (!log) return keys;
    for (const PodLogLine& line : *log) {
      const std::size_t at = line.line.find("SHA256:");
      if (at != std::string::npos) keys.sha256.push_back(line.line.substr(at, 50));
    }
    pin.sha256 = keys.sha256;
    return keys;
  }
  boot::BringUpEvent perform(const boot::ConnectShell&) {
    using Why = boot::ConnectFailed::Why;
    auto connected = world.connected(pod, pin);
    if (connected) {
      session = std::move(*connected);
      return boot::Connected{};
    }
    const ErrorKind kind = connected.error().kind;
    const Why why = kind == ErrorKind::unauthorized ? Why::refused_key
                    : kind == ErrorKind::conflict   ? Why::host_key_mismatch
                                                    : Why::unreachable;
    return boot::ConnectFailed{why, connected.error().message};
  }
  boot::BringUpEvent perform(const boot::FollowScript& step) {
    return run(boot::follow_command(WorkerId(worker), step.offset), "", step.offset, step.timeout);
  }
  boot::BringUpEvent perform(const boot::LaunchScript& step) {
    return run(boot::launch_command(WorkerId(worker)), world.launch_payload(worker), 0, step.timeout);
  }
  boot::BringUpEvent perform(const boot::ReadStatusLog& step) {
    ports::LogQuery query;
    query.pod = PodId(pod->id);
    query.source = "container";
    query.listen = step.timeout;
    boot::StatusLogRead read;
    if (const auto log = world.finish(world.provider.logs(query))) {
      for (const PodLogLine& entry : *log) {
        auto line = boot::parse_status_line(entry.line);
        if (line && line->worker == worker) read.lines.push_back(std::move(*line));
      }
    }
    return read;
  }
  boot::BringUpEvent perform(const boot::Wait& step) {
    world.pass(step.duration);
    return boot::Waited{};
  }
  boot::BringUpEvent run(std::string text, std::string payload, std::size_t from, Duration timeout) {
    boot::StatusStream stream;
    ports::ShellCommand command;
    command.command = std::move(text);
    command.stdin_data = std::move(payload);
    command.timeout = timeout;
    command.on_stdout = [&](std::string_view chunk) {
      for (const std::string& line : stream.feed(chunk)) {
        if (auto status = boot::parse_status_line(line))
          machine.next(boot::Status{*status}, world.clock.now());
      }
    };
    const auto ended = world.finish(session->run(std::move(command)));
    if (!ended) return boot::ShellDropped{from + stream.offset(), ended.error().message};
    return boot::ShellEnded{ended->exit_status, ended->exit_signal, from + stream.offset()};
  }

  /// Nullopt = the worker is up.
  std::optional<Verdict> bring_up() {
    boot::BringUpEvent event = boot::Started{};
    for (;;) {
      Step step = machine.next(event, world.clock.now());
      if (std::holds_alternative<boot::BroughtUp>(step)) return std::nullopt;
      if (auto* failed = std::get_if<boot::BringUpFailed>(&step))
        return judge(failed->evidence, failed->suspected);
      event = std::visit(
          [this](const auto& s) -> boot::BringUpEvent {
            if constexpr (requires { perform(s); }) {
              return perform(s);
            } else {
              return boot::Started{};
            }
          },
          step);
    }
  }
  Verdict judge(Evidence evidence, FailureCause suspected) {
    evidence.worker = worker;
    evidence.pod = Evidence::PodFacts{};
    evidence.pod->status = to_string(pod->state);
    for (const char* source : {"container", "system"}) {
      ports::LogQuery query;
      query.pod = PodId(pod->id);
      query.source = source;
      const auto log = world.finish(world.provider.logs(query));
      if (!log) continue;
      for (const PodLogLine& line : *log) evidence.tails[source].push_back(line.line);
    }
    if (auto connected = world.connected(pod)) collect(**connected, evidence);
    return diagnosis::diagnose(evidence, suspected);
  }
  void collect(ports::ShellSession& over, Evidence& evidence) {
    std::string output, section;
    ports::ShellCommand command;
    command.command = boot::collect_command(WorkerId(worker));
    command.on_stdout = [&](std::string_view chunk) { output += chunk; };
    ASSERT_TRUE(world.finish(over.run(std::move(command))));
    std::map<std::string, std::vector<std::string>> sections;
    for (std::size_t at = 0; at < output.size();) {
      const std::size_t end = output.find('\n', at);
      const std::string line = output.substr(at, end - at);
      if (line.starts_with("@@ ")) {
        section = line.substr(3);
      } else {
        sections[section].push_back(line);
      }
      at = end + 1;
    }
    for (auto& [name, lines] : sections) {
      if (name == "bootstrap" || name == "worker" || name == "status") {
        evidence.tails[name] = lines;
      } else {
        for (const std::string& line : lines) evidence.probe[name] += line + "\n";
      }
    }
  }
};

/// Each cause in several worlds, because its words differ.
class EachCause : public testing::TestWithParam<FailureCause> {
 protected:
  static constexpr int kWorlds = 6;
  struct Case : CloudWorld {
    Case(int number, FailureCause cause) {
      for (int n = 0; n < number; ++n) cloud.add_foreign("somebody");  // draws other random numbers
      settings.bootstrap_timeout = 5min;
      settings.connect_timeout = 2min;
      pod_fate.cause = cause;
      pod_fate.strikes_after = 1s * number;
    }
  };
};

class EachCauseOfABringUp : public EachCause {};
INSTANTIATE_TEST_SUITE_P(, EachCauseOfABringUp,
                         testing::Values(ssh_unreachable, ssh_auth_failed, ssh_host_key_mismatch,
                                         preflight_gpu, preflight_memory, preflight_disk, preflight_mount,
                                         preflight_network, preflight_credentials, fetch_failed, setup_failed,
                                         start_failed, bootstrap_timeout, first_heartbeat_timeout,
                                         out_of_memory, gpu_error, disk_full),
                         [](const auto& info) { return std::string(to_string(info.param)); });

TEST_P(EachCauseOfABringUp, IsNamedByTheEvidenceThatTheDaemonGathers) {
  for (int number = 0; number < kWorlds; ++number) {
    Case world(number, GetParam());
    const std::string worker = world.registered(1);
    const SimPodPtr pod = world.created(worker);
    world.pass(40s);
    const auto verdict = Nurse(world, pod, worker).bring_up();
    ASSERT_TRUE(verdict) << "world " << number;
    EXPECT_EQ(to_string(verdict->cause), to_string(GetParam()))
        << "world " << number << ": " << verdict->summary;
    EXPECT_FALSE(pod->health().works() && pod->first_heartbeat);
  }
}

TEST(SimulatedBringUp, EndsWithAWorkerThatReports) {
  CloudWorld world;
  const std::string worker = world.registered(1);
  const SimPodPtr pod = world.created(worker);
  world.pass(40s);
  const auto verdict = Nurse(world, pod, worker).bring_up();
  EXPECT_FALSE(verdict) << verdict->summary;
  EXPECT_TRUE(pod->first_heartbeat);
}

struct BeforeTheBringUp {
  FailureCause cause, suspected;
};
class EachCauseOfProvisioning : public testing::TestWithParam<BeforeTheBringUp> {};
INSTANTIATE_TEST_SUITE_P(, EachCauseOfProvisioning,
                         testing::Values(BeforeTheBringUp{image_pull_failed, provision_timeout},
                                         BeforeTheBringUp{provision_timeout, provision_timeout},
                                         BeforeTheBringUp{pod_exited, pod_exited},
                                         BeforeTheBringUp{pod_error, pod_error},
                                         BeforeTheBringUp{pod_vanished, pod_vanished},
                                         BeforeTheBringUp{spot_reclaimed, pod_exited}),
                         [](const auto& info) { return std::string(to_string(info.param.cause)); });

TEST_P(EachCauseOfProvisioning, IsNamedByTheLogsAndThePodsState) {
  for (int number = 0; number < 6; ++number) {
    CloudWorld world;
    for (int n = 0; n < number; ++n) world.cloud.add_foreign("somebody");
    world.pod_fate.cause = GetParam().cause;
    const std::string worker = world.registered(1);
    const SimPodPtr pod = world.created(worker);
    world.pass(10min);
    EXPECT_NE(pod->state, PodStatus::running);
    Evidence evidence;
    evidence.phase = "starting";
    const Verdict verdict = Nurse(world, pod, worker).judge(evidence, GetParam().suspected);
    EXPECT_EQ(to_string(verdict.cause), to_string(GetParam().cause)) << verdict.summary;
  }
}

class EachCauseOfARefusal : public testing::TestWithParam<FailureCause> {};
INSTANTIATE_TEST_SUITE_P(, EachCauseOfARefusal,
                         testing::Values(no_capacity, insufficient_balance, invalid_request, unauthorized),
                         [](const auto& info) { return std::string(to_string(info.param)); });

TEST_P(EachCauseOfARefusal, IsTheAnswerToTheCreate) {
  CloudWorld world;
  world.pod_fate.cause = GetParam();
  const auto outcome = world.finish(world.provider.create(CloudWorld::spec(CloudWorld::name(1))));
  EXPECT_EQ(std::holds_alternative<CreateNoCapacity>(outcome), GetParam() == no_capacity);
  EXPECT_EQ(std::holds_alternative<CreateNoBalance>(outcome), GetParam() == insufficient_balance);
  EXPECT_EQ(std::holds_alternative<CreateInvalid>(outcome), GetParam() == invalid_request);
  EXPECT_EQ(std::holds_alternative<CreateUnauthorized>(outcome), GetParam() == unauthorized);
  EXPECT_TRUE(world.cloud.pods().empty());
}

struct AtRunTime {
  RuntimeFault::Kind kind;
  FailureCause cause;
};
class EachCauseAtRunTime : public testing::TestWithParam<AtRunTime> {};
INSTANTIATE_TEST_SUITE_P(, EachCauseAtRunTime,
                         testing::Values(AtRunTime{RuntimeFault::Kind::crash, worker_crashed},
                                         AtRunTime{RuntimeFault::Kind::out_of_memory, out_of_memory},
                                         AtRunTime{RuntimeFault::Kind::gpu_error, gpu_error},
                                         AtRunTime{RuntimeFault::Kind::disk_full, disk_full}),
                         [](const auto& info) { return std::string(to_string(info.param.cause)); });

TEST_P(EachCauseAtRunTime, IsNamedByTheCrashReportAndThePod) {
  for (int number = 0; number < 6; ++number) {
    CloudWorld world;
    for (int n = 0; n < number; ++n) world.cloud.add_foreign("somebody");
    world.pod_fate.faults = {{GetParam().kind, 10min}};
    const std::string worker = world.registered(1);
    const SimPodPtr pod = world.working(worker);
    world.pass(10min);
    const nlohmann::json crash = world.row(worker).crash;
    ASSERT_TRUE(crash.is_object());
    Evidence evidence;
    evidence.phase = "idle";
    evidence.heartbeat_age_s = 15;
    evidence.exit_code = crash.at("exit_code");
    if (crash.at("signal").is_string()) evidence.signal = crash.at("signal");
    evidence.tails["worker"] = crash.at("tail").get<std::vector<std::string>>();
    EXPECT_EQ(to_string(diagnosis::diagnose(evidence, worker_crashed).cause), to_string(GetParam().cause))
        << number;
    const Verdict fuller = Nurse(world, pod, worker).judge(evidence, worker_crashed);
    EXPECT_EQ(to_string(fuller.cause), to_string(GetParam().cause)) << number << ": " << fuller.summary;
  }
}

TEST(SimulatedRunTime, AHungTaskIsNamedByHeartbeatsThatGoOn) {
  CloudWorld world;
  world.pod_fate.faults = {{RuntimeFault::Kind::hang, 1min}};
  const std::string worker = world.registered(1);
  const SimPodPtr pod = world.working(worker);
  const std::string task = world.database.add_task("image", world.scheduler.wall());
  world.pass(3h);
  Evidence evidence;
  evidence.phase = "busy";
  evidence.heartbeat_age_s = 15;
  evidence.task = Evidence::Task{task, 1};
  EXPECT_EQ(Nurse(world, pod, worker).judge(evidence, task_stuck).cause, task_stuck);
}

TEST(SimulatedRunTime, SilenceIsNamedHeartbeatLost) {
  CloudWorld world;
  world.pod_fate.faults = {{RuntimeFault::Kind::agent_dies, 1min}};
  const std::string worker = world.registered(1);
  const SimPodPtr pod = world.working(worker);
  world.pass(10min);
  Evidence evidence;
  evidence.phase = "idle";
  evidence.heartbeat_age_s = 500;
  EXPECT_EQ(Nurse(world, pod, worker).judge(evidence, heartbeat_lost).cause, heartbeat_lost);
}

}  // namespace
}  // namespace gpuwarden::simulation
