// The program gpuwarden-sandbox: started, asked, and killed.
#include <gmock/gmock.h>
#include <pwd.h>
#include <sys/stat.h>

#include "integration/sandbox/program_world.hpp"

namespace gpuwarden::sandbox {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

const std::vector<std::string> kSmall{"--no-database"};

class Program : public ProgramWorld {};

TEST_F(Program, KilledWithoutWarningItLeavesNoProcessBehind) {
  RunningProgram program(dir(), kSmall);
  ASSERT_TRUE(program.is_up()) << program.line;
  const auto mark = busy_pod(program);
  program.end(SIGKILL);
  EXPECT_TRUE(world.eventually(30s, [&] { return processes_with(mark).empty(); }));
  EXPECT_TRUE(world.eventually(30s, [&] { return processes_with(dir()).empty(); }));
}

TEST_F(Program, KilledWithoutWarningItLeavesNoProcessBehindWithoutNamespacesEither) {
  RunningProgram program(dir(), {"--no-database", "--no-namespaces"});
  ASSERT_TRUE(program.is_up()) << program.line;
  const auto mark = busy_pod(program);
  program.end(SIGKILL);
  EXPECT_TRUE(world.eventually(30s, [&] { return processes_with(mark).empty(); }));
  EXPECT_TRUE(world.eventually(30s, [&] { return processes_with(dir()).empty(); }));
}

/// True when somebody listens on the port of an URL, or on the port alone.
bool answers(const std::string& url) {
  const auto colon = url.rfind(':');
  const auto port = url.substr(colon == std::string::npos ? 0 : colon + 1);
  const auto digits = port.substr(0, port.find('/'));
  return run_command({"/bin/bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/" + digits}).exit_code == 0;
}

TEST_F(Program, KilledWithItsDatabaseItLeavesNothingAndTheNextOneStartsInTheSameDirectory) {
  std::string elsewhere;
  {
    RunningProgram program(dir(), {});
    ASSERT_TRUE(program.is_up()) << program.line;
    const auto mark = busy_pod(program);
    const auto ssh = std::to_string(program.state().at("pods")[0].at("ssh_port").get<int>());
    std::vector<std::string> doors{ssh};
    for (const auto* name : {"runpod_url", "supabase_url", "control", "database_url"})
      doors.push_back(program.url(name));
    for (const auto& door : doors) EXPECT_TRUE(answers(door)) << door;
    const auto children = descendants(program.pid);
    EXPECT_GE(children.size(), 8u) << "PostgreSQL with its processes, PostgREST, a pod";
    std::ifstream(dir() + "/postgres/elsewhere") >> elsewhere;
    program.end(SIGKILL);
    EXPECT_TRUE(world.eventually(30s, [&] {
      return std::none_of(children.begin(), children.end(), [](int pid) { return parent_of(pid) != 0; });
    })) << run_command({"/bin/ps", "axo", "pid,ppid,stat,args"}, {"PATH=/usr/bin:/bin"}).output;
    EXPECT_TRUE(processes_with(mark).empty());
    for (const auto& door : doors) EXPECT_FALSE(answers(door)) << door;
  }
  RunningProgram again(dir(), {});
  ASSERT_TRUE(again.is_up()) << again.line;
  EXPECT_EQ(again.state().at("tasks").at("total"), 0);
  if (!elsewhere.empty()) {
    EXPECT_FALSE(std::filesystem::exists(elsewhere));
  }
  EXPECT_EQ(again.end(SIGTERM), 0);
}

TEST_F(Program, AskedToEndItCleansUpAndEndsWell) {
  RunningProgram program(dir(), kSmall);
  ASSERT_TRUE(program.is_up()) << program.line;
  const auto mark = busy_pod(program);
  EXPECT_EQ(program.end(SIGTERM), 0);
  EXPECT_TRUE(processes_with(mark).empty());
  EXPECT_TRUE(std::filesystem::is_empty(dir() + "/pods"));
}

TEST_F(Program, ItsClientFindsItByTheDirectory) {
  RunningProgram program(dir(), kSmall);
  ASSERT_TRUE(program.is_up()) << program.line;
  EXPECT_EQ(program.client({"scenario", "list-lag:30"}).exit_code, 0);
  EXPECT_EQ(program.state().at("scenario"), "list-lag:30");
  const auto refused = program.client({"scenario", "earthquake"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.output, HasSubstr("no scenario 'earthquake'"));
  const auto tasks = program.client({"tasks", "add", "2"});
  EXPECT_EQ(tasks.exit_code, 1);
  EXPECT_THAT(tasks.output, HasSubstr("this sandbox has no database"));
  EXPECT_EQ(program.client({"stop"}).exit_code, 0);
  EXPECT_EQ(program.wait(), 0);
  const auto gone = program.client({"state"});
  EXPECT_EQ(gone.exit_code, 3);
  EXPECT_THAT(gone.output, HasSubstr("no sandbox runs in " + dir() + "; start one: gpuwarden-sandbox --dir"));
}

TEST_F(Program, TheClientOfOneThatWasKilledHearsThatNoneRuns) {
  RunningProgram program(dir(), kSmall);
  ASSERT_TRUE(program.is_up()) << program.line;
  program.end(SIGKILL);
  const auto gone = program.client({"state"});
  EXPECT_EQ(gone.exit_code, 3);
  EXPECT_THAT(gone.output, HasSubstr("no sandbox runs in " + dir()));
}

TEST_F(Program, ASecondOneInTheSameDirectoryIsRefusedAndDoesNotHarmTheFirst) {
  RunningProgram first(dir(), kSmall);
  ASSERT_TRUE(first.is_up()) << first.line;
  const auto mark = busy_pod(first);
  const auto second = run_command({GPUWARDEN_SANDBOX_PROGRAM, "--no-database", "--dir", dir()},
                                  {"PATH=/usr/local/bin:/usr/bin:/bin"});
  EXPECT_EQ(second.exit_code, 2);
  EXPECT_THAT(second.output, HasSubstr(fmt::format("another sandbox (pid {}) runs in {}", first.pid, dir())));
  EXPECT_FALSE(processes_with(mark).empty());
  EXPECT_EQ(first.state().at("pods").size(), 1u);
}

TEST_F(Program, TwoInDifferentDirectoriesRunSideBySide) {
  // The same first port: whoever comes second takes the next.
  const std::vector<std::string> arguments{"--no-database", "--port-base", "28000"};
  RunningProgram first(dir("one"), arguments);
  RunningProgram second(dir("two"), arguments);
  ASSERT_TRUE(first.is_up() && second.is_up()) << first.line << second.line;
  const int first_port = pod(first);
  const int second_port = pod(second);
  EXPECT_NE(first_port, second_port);
  for (const int port : {first_port, second_port})
    EXPECT_EQ(world.ssh_when_up(port, "echo here").output, "here\n");
  EXPECT_EQ(first.state().at("pods").size(), 1u);
  EXPECT_EQ(first.end(SIGTERM), 0);
  EXPECT_EQ(world.ssh(second_port, "echo here").output, "here\n");
}

struct OtherUser {
  std::string name, isolation;
  std::vector<std::string> arguments;
};

void PrintTo(const OtherUser& user, std::ostream* out) {
  *out << user.name;
}

/// As users who are not root and have no home: pods live in user namespaces, or in directories of their own.
class OtherUsers : public ProgramWorld, public testing::WithParamInterface<OtherUser> {};

TEST_P(OtherUsers, CanRunTheWholeOfIt) {
  std::vector<std::string> become;
  std::string user = ::getpwuid(::geteuid())->pw_name;
  if (::geteuid() == 0) {
    const auto* entry = ::getpwnam(GetParam().name.c_str());
    if (entry == nullptr) GTEST_SKIP() << "this machine has no user " << GetParam().name;
    user = entry->pw_name;
    become = {"/usr/bin/setpriv", fmt::format("--reuid={}", entry->pw_uid),
              fmt::format("--regid={}", entry->pw_gid), "--clear-groups"};
    ASSERT_EQ(::chmod(world.dir.c_str(), 0711), 0);
    std::filesystem::create_directories(dir());
    ASSERT_EQ(::chown(dir().c_str(), entry->pw_uid, entry->pw_gid), 0);
    auto probe = become;
    probe.insert(probe.end(), {"/usr/bin/test", "-x", GPUWARDEN_SANDBOX_PROGRAM});
    if (run_command(probe).exit_code != 0)
      GTEST_SKIP() << user << " may not reach " << GPUWARDEN_SANDBOX_PROGRAM;
  }
  RunningProgram program(dir(), GetParam().arguments, become);
  ASSERT_TRUE(program.is_up()) << program.line;
  const auto isolation = program.url("isolation");
  if (isolation != GetParam().isolation) GTEST_SKIP() << "this machine allows only " << isolation;
  const int port = pod(program);
  CommandResult seen;
  world.eventually(30s, [&] {
    seen = world.ssh(port, "nvidia-smi -L", "/key", isolation == "directories only" ? user : "root");
    return seen.exit_code == 0;
  });
  EXPECT_THAT(seen.output, HasSubstr("GPU 0: NVIDIA L40S"));
  EXPECT_EQ(program.client({"tasks", "add", "3"}).exit_code, 0);
  EXPECT_EQ(program.state().at("tasks").at("total"), 3);
  EXPECT_EQ(program.end(SIGTERM), 0);
}

INSTANTIATE_TEST_SUITE_P(Program, OtherUsers,
                         testing::Values(OtherUser{"nobody", "user namespaces", {}},
                                         OtherUser{"postgres", "directories only", {"--no-namespaces"}}),
                         [](const auto& each) { return each.param.name; });

TEST_F(Program, AUserWithoutAShellIsToldThatPodsNeedOne) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  ASSERT_EQ(::chmod(world.dir.c_str(), 0711), 0);
  std::filesystem::create_directories(dir());
  ASSERT_EQ(::chown(dir().c_str(), 65534, 65534), 0);
  const auto refused =
      run_command({"/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                   GPUWARDEN_SANDBOX_PROGRAM, "--dir", dir(), "--no-namespaces", "--no-database"},
                  {"PATH=/usr/local/bin:/usr/bin:/bin"});
  EXPECT_EQ(refused.exit_code, 1) << refused.output;
  EXPECT_THAT(refused.output, HasSubstr("user 'nobody' has no login shell (/usr/sbin/nologin)"));
}

}  // namespace
}  // namespace gpuwarden::sandbox
