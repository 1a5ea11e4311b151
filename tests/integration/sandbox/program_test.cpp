// The program gpuwarden-sandbox: started, asked, and killed.
#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/wait.h>

#include "integration/sandbox/pod_world.hpp"

namespace gpuwarden::sandbox {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

class Program : public testing::Test {
 protected:
  void SetUp() override { start({}); }
  void start(const std::vector<std::string>& more) {
    int output[2];
    ASSERT_EQ(::pipe(output), 0);
    SpawnSpec spec;
    spec.argv = {GPUWARDEN_SANDBOX_PROGRAM, "--dir", dir(), "--fast", "--no-database"};
    spec.argv.insert(spec.argv.end(), more.begin(), more.end());
    spec.env = {"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"};
    spec.output = output[1];
    pid = spawn(spec).value();
    ::close(output[1]);
    std::string line;
    for (char letter = 0; ::read(output[0], &letter, 1) == 1 && letter != '\n';) line += letter;
    ::close(output[0]);
    ready = json::parse(line, nullptr, false);
    ASSERT_TRUE(ready.is_object()) << line;
  }
  void TearDown() override {
    if (pid != 0) end(SIGKILL);
  }
  std::string dir() const { return world.dir + "/sandbox"; }
  /// Wait status of the program.
  int end(int number) {
    int status = 0;
    ::kill(pid, number);
    ::waitpid(std::exchange(pid, 0), &status, 0);
    return status;
  }
  CommandResult client(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), GPUWARDEN_SANDBOX_PROGRAM);
    arguments.insert(arguments.end(), {"--dir", dir()});
    return run_command(arguments, {"PATH=/usr/bin:/bin"});
  }
  /// A pod with a process of ours in it; returns words of that process's command line.
  std::string busy_pod() {
    std::ifstream file(ready.at("env_file").get<std::string>());
    std::string key;
    for (std::string line; std::getline(file, line);)
      if (line.starts_with("RUNPOD_API_KEY=")) key = line.substr(16, line.size() - 17);
    const json body{{"name", "gpu-a"},     {"image", "x"},
                    {"disk", 20},          {"gpu", {{"id", "NVIDIA L40S"}}},
                    {"ports", {"22/tcp"}}, {"env", {{"PUBLIC_KEY", world.public_key()}}}};
    run_command({"/usr/bin/curl", "-sS", "-X", "POST", "-H", "authorization: Bearer " + key, "-H",
                 "content-type: application/json", "-d", body.dump(),
                 ready.at("runpod_url").get<std::string>() + "/pods"});
    int port = 0;
    world.eventually(60s, [&] {
      const auto state = json::parse(client({"state"}).output);
      port = state.at("pods")[0].at("ssh_port");
      return port != 0;
    });
    const auto mark = "9" + std::to_string(::getpid()) + std::to_string(pid);
    world.ssh_when_up(port, "(setsid nohup sleep " + mark + " >/dev/null 2>&1 &)");
    EXPECT_TRUE(world.eventually(30s, [&] { return !processes_with(mark).empty(); }));
    return mark;
  }

  PodWorld world;
  pid_t pid{0};
  json ready;
};

TEST_F(Program, KilledWithoutWarningItLeavesNoProcessBehind) {
  const auto mark = busy_pod();
  end(SIGKILL);
  EXPECT_TRUE(world.eventually(30s, [&] { return processes_with(mark).empty(); }));
  EXPECT_TRUE(world.eventually(30s, [&] { return processes_with(dir()).empty(); }));
}

TEST_F(
    Program,
    KilledWithoutWarningItLeavesNoProcessBehindWithoutNamespacesEither) {  // and starts again in the
                                                                           // directory of one that was killed
  end(SIGKILL);
  start({"--no-namespaces"});
  const auto mark = busy_pod();
  end(SIGKILL);
  EXPECT_TRUE(world.eventually(30s, [&] { return processes_with(mark).empty(); }));
  EXPECT_TRUE(world.eventually(30s, [&] { return processes_with(dir()).empty(); }));
}

TEST_F(Program, AskedToEndItCleansUpAndEndsWell) {
  const auto mark = busy_pod();
  EXPECT_EQ(end(SIGTERM), 0);
  EXPECT_TRUE(processes_with(mark).empty());
  EXPECT_TRUE(std::filesystem::is_empty(dir() + "/pods"));
}

TEST_F(Program, ItsClientFindsItByTheDirectory) {
  EXPECT_EQ(client({"scenario", "list-lag:30"}).exit_code, 0);
  EXPECT_EQ(json::parse(client({"state"}).output).at("scenario"), "list-lag:30");
  const auto refused = client({"scenario", "earthquake"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.output, testing::HasSubstr("no scenario 'earthquake'"));
  EXPECT_EQ(client({"stop"}).exit_code, 0);
  int status = -1;
  ::waitpid(std::exchange(pid, 0), &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(client({"state"}).exit_code, 3);
}

}  // namespace
}  // namespace gpuwarden::sandbox
