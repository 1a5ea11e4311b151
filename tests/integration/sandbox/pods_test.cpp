// Containers of the stand-in: real SSH servers with a file system of their own.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>

#include "integration/sandbox/pod_world.hpp"
#include "sandbox/container_host.hpp"

namespace gpuwarden::sandbox {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

/// Pods without namespaces end by their id, wherever on the machine: that of a test is its own.
std::string id_of(const std::string& name) {
  return fmt::format("{}-{}", name, ::getpid());
}

class Pods : public testing::TestWithParam<Isolation> {
 protected:
  void SetUp() override {
    if (!isolation_works(GetParam(), world.dir))
      GTEST_SKIP() << "this machine does not allow " << to_string(GetParam());
    host = std::make_unique<ContainerHost>(world.io.get_executor(),
                                           ContainerHostOptions{world.dir, 0, GetParam()});
  }
  void TearDown() override {
    if (host) world.run(host->stop());
  }

  PodBoot boot(const std::string& name = "pod1") {
    PodBoot boot;
    boot.id = id_of(name);
    boot.env = {{"PUBLIC_KEY", world.public_key()}, {"WORKER_ID", "gpu-w1"}, {"SPACED", "a \"b\" $c"}};
    boot.gpu = "NVIDIA GeForce RTX 4090";
    boot.gpu_memory_mb = 24564;
    return boot;
  }
  HostedPod start(const PodBoot& boot) {
    auto hosted = host->start(
        boot, [this](std::string line) { log.push_back(std::move(line)); }, [this] { exited = true; });
    EXPECT_TRUE(hosted) << hosted.error().message;
    return hosted.value_or(HostedPod());
  }
  /// Waits for the line that ends the start.
  bool ready() {
    return world.eventually(60s, [this] {
      return std::any_of(log.begin(), log.end(),
                         [](const auto& line) { return line.starts_with("Start script"); });
    });
  }

  PodWorld world;
  std::unique_ptr<ContainerHost> host;
  std::vector<std::string> log;
  bool exited{false};
};

TEST_P(Pods, SshWorksWithTheGivenKeyAndWithNoOther) {
  const auto pod = start(boot());
  EXPECT_EQ(world.ssh_when_up(pod.ssh_port, "echo here").output, "here\n");
  const auto refused = world.ssh(pod.ssh_port, "echo here", "/other_key");
  EXPECT_EQ(refused.exit_code, 255);
  EXPECT_THAT(refused.output, HasSubstr("Permission denied"));
}

TEST_P(Pods, SessionsSeeTheEnvironmentOfTheContainer) {
  const auto pod = start(boot());
  EXPECT_EQ(world.ssh_when_up(pod.ssh_port, "echo \"$WORKER_ID $SPACED\"").output, "gpu-w1 a \"b\" $c\n");
}

TEST_P(Pods, TheContainersLogShowsTheHostKeysThatTheServerHas) {
  const auto pod = start(boot());
  ASSERT_TRUE(ready());
  ASSERT_EQ(world.ssh_when_up(pod.ssh_port, "true").exit_code, 0);
  const auto scan =
      run_command({"/bin/sh", "-c",
                   fmt::format("ssh-keyscan -p {} 127.0.0.1 2>/dev/null | ssh-keygen -lf -", pod.ssh_port)},
                  {"PATH=/usr/bin:/bin"});
  EXPECT_THAT(log, testing::Contains("SSH host keys:"));
  int matching = 0;
  for (const auto& line : log) {
    const auto at = line.find("SHA256:");
    if (at == std::string::npos) continue;
    EXPECT_THAT(scan.output, HasSubstr(line.substr(at, line.find(' ', at) - at)));
    ++matching;
  }
  EXPECT_EQ(matching, 2);
}

TEST_P(Pods, NvidiaSmiAnswersTheQueryAndThePlainCall) {
  const auto pod = start(boot());
  const auto query = world.ssh_when_up(pod.ssh_port,
                                       "nvidia-smi --query-gpu=name,driver_version,memory.total,memory.used,"
                                       "utilization.gpu,temperature.gpu --format=csv,noheader,nounits");
  EXPECT_EQ(query.output, "NVIDIA GeForce RTX 4090, 570.86.15, 24564, 3, 0, 34\n");
  EXPECT_THAT(world.ssh(pod.ssh_port, "nvidia-smi").output, HasSubstr("NVIDIA GeForce RTX 4090"));
}

TEST_P(Pods, LinesWrittenToPid1sOutputAreInTheLog) {
  if (GetParam() == Isolation::none) GTEST_SKIP() << "pid 1 is the machine's own";
  const auto pod = start(boot());
  EXPECT_EQ(world.ssh_when_up(pod.ssh_port, "echo from inside > /proc/1/fd/1").exit_code, 0);
  EXPECT_TRUE(
      world.eventually(30s, [&] { return std::find(log.begin(), log.end(), "from inside") != log.end(); }));
}

TEST_P(Pods, DeleteKillsEveryProcessOfThePod) {
  const auto pod = start(boot());
  const auto mark = fmt::format("7{}", ::getpid());
  world.ssh_when_up(
      pod.ssh_port,
      fmt::format("(setsid sleep {0} >/dev/null 2>&1 &); nohup sleep {0} >/dev/null 2>&1 & true", mark));
  ASSERT_TRUE(world.eventually(30s, [&] { return processes_with(mark).size() >= 2; }));
  world.run(host->remove(id_of("pod1")));
  EXPECT_TRUE(processes_with(mark).empty());
  EXPECT_FALSE(exited) << "a pod that is deleted has not ended by itself";
  EXPECT_FALSE(std::filesystem::exists(world.dir + "/pods/" + id_of("pod1")));
  EXPECT_EQ(world.ssh(pod.ssh_port, "true").exit_code, 255);
}

TEST_P(Pods, APodWhoseFirstProcessDiesHasExited) {
  start(boot());
  ASSERT_TRUE(ready());
  ::kill(host->pid_of(id_of("pod1")), SIGKILL);
  EXPECT_TRUE(world.eventually(30s, [&] { return exited; }));
}

TEST_P(Pods, FaultsOfTheScenariosShow) {
  auto closed = boot("closed");
  closed.sshd = false;
  auto locked = boot("locked");
  locked.authorise = false;
  auto bare = boot("bare");
  bare.has_gpu = false;
  const auto closed_pod = start(closed);
  ASSERT_TRUE(ready());
  log.clear();
  EXPECT_THAT(world.ssh(closed_pod.ssh_port, "true").output, HasSubstr("refused"));
  const auto locked_pod = start(locked);
  ASSERT_TRUE(ready());
  EXPECT_TRUE(world.eventually(30s, [&] {
    return world.ssh(locked_pod.ssh_port, "true").output.find("Permission denied") != std::string::npos;
  }));
  const auto bare_pod = start(bare);
  EXPECT_EQ(world.ssh_when_up(bare_pod.ssh_port, "command -v nvidia-smi").exit_code, 1);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Pods,
                         testing::Values(Isolation::namespaces, Isolation::user_namespaces, Isolation::none),
                         [](const auto& kind) {
                           return kind.param == Isolation::namespaces        ? "Namespaces"
                                  : kind.param == Isolation::user_namespaces ? "UserNamespaces"
                                                                             : "Directories";
                         });

TEST(ContainerHosts, ThatStartPodsAtTheSameTimeGiveThemDifferentPorts) {
  PodWorld first_world, second_world;
  ContainerHost first(first_world.io.get_executor(), {first_world.dir, 29000, Isolation::none});
  ContainerHost second(second_world.io.get_executor(), {second_world.dir, 29000, Isolation::none});
  PodBoot boot;
  boot.id = id_of("pod1");
  boot.env = {{"PUBLIC_KEY", first_world.public_key()}};
  const auto ignore = [](const std::string&) {};
  const auto one = first.start(boot, ignore, [] {});
  boot.id = id_of("pod2");
  const auto two = second.start(boot, ignore, [] {});
  ASSERT_TRUE(one && two);
  EXPECT_NE(one->ssh_port, two->ssh_port) << "no server listens yet on the port of the first";
  first_world.run(first.stop());
  second_world.run(second.stop());
}

using IsolatedPods = Pods;

TEST_P(IsolatedPods, TheHostsFilesAndProcessesAreOutOfSight) {
  std::ofstream(world.dir + "/secret") << "host";
  const auto pod = start(boot());
  const auto look = world.ssh_when_up(
      pod.ssh_port,
      fmt::format("cat {}/secret; ls -a /root /home; touch /usr/x /etc/x; cat /etc/shadow; ps -e | wc -l; "
                  "ls /proc/1/root/; cat /proc/mounts",
                  world.dir));
  EXPECT_THAT(look.output, Not(HasSubstr("host\n")));
  EXPECT_THAT(look.output, HasSubstr(world.dir + "/secret: No such file"));
  EXPECT_THAT(look.output, HasSubstr("touch: cannot touch '/usr/x': Read-only file system"));
  EXPECT_THAT(look.output, HasSubstr("/etc/shadow: No such file"));
  EXPECT_FALSE(std::filesystem::exists("/etc/x"));
  const auto count = world.ssh(pod.ssh_port, "ls -d /proc/[0-9]* | wc -l");
  EXPECT_LT(std::atoi(count.output.c_str()), 10) << count.output;
  EXPECT_NE(world.ssh(pod.ssh_port, "mount -t tmpfs x /tmp || mknod /tmp/d b 8 0").exit_code, 0);
}

TEST_P(IsolatedPods, PodsOfOneVolumeShareItAndNothingElse) {
  auto first = boot("first");
  auto second = boot("second");
  for (auto* each : {&first, &second}) {
    each->volume_id = "vol4sandbox1";
    each->mount_path = "/workspace";
  }
  const auto first_pod = start(first);
  const auto second_pod = start(second);
  EXPECT_EQ(world.ssh_when_up(first_pod.ssh_port, "echo shared > /workspace/f; echo own > /tmp/f").exit_code,
            0);
  EXPECT_EQ(world.ssh_when_up(second_pod.ssh_port, "cat /workspace/f; ls /tmp").output, "shared\n");
  EXPECT_THAT(world.ssh(second_pod.ssh_port, "grep ' /workspace ' /proc/mounts").output,
              HasSubstr("/workspace"));
  world.run(host->remove(id_of("first")));
  EXPECT_TRUE(std::filesystem::exists(world.dir + "/volumes/vol4sandbox1/f")) << "a volume outlives its pods";
}

TEST_P(IsolatedPods, FilesOfTheMachineCannotBeOpenedByTheirHandles) {
  const auto pod = start(boot());
  const auto bounding = world.ssh_when_up(pod.ssh_port, "grep CapBnd: /proc/self/status").output;
  const auto capabilities = std::stoull(bounding.substr(bounding.find(':') + 1), nullptr, 16);
  EXPECT_EQ(capabilities >> CAP_DAC_READ_SEARCH & 1U, 0U) << bounding;
  EXPECT_EQ(capabilities >> CAP_SYS_ADMIN & 1U, 0U) << bounding;
}

TEST_P(IsolatedPods, ToolsThatWorkersNeedAreThere) {
  const auto pod = start(boot());
  EXPECT_EQ(
      world
          .ssh_when_up(pod.ssh_port,
                       "for tool in bash git curl awk sha256sum timeout; do command -v $tool || exit 1; done")
          .exit_code,
      0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, IsolatedPods,
                         testing::Values(Isolation::namespaces, Isolation::user_namespaces),
                         [](const auto& kind) {
                           return kind.param == Isolation::namespaces ? "Namespaces" : "UserNamespaces";
                         });

}  // namespace
}  // namespace gpuwarden::sandbox
