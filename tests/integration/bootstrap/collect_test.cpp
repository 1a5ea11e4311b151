// What the crash bundle brings from a pod, run for real.
#include <gmock/gmock.h>

#include "peer.hpp"
#include "pod.hpp"

namespace gpuwarden::bootstrap::test {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

/// Sections of the collect command's output; of one that comes several times all lines.
std::map<std::string, std::string> sections_of(const std::string& output) {
  std::map<std::string, std::string> sections;
  std::istringstream lines(output);
  std::string name;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("@@ ")) {
      name = line.substr(3);
      sections[name];
    } else {
      sections[name] += line + "\n";
    }
  }
  return sections;
}

struct Collect : testing::Test {
  Site site;
  Peer peer;
  Pod pod{site, peer.url};

  std::map<std::string, std::string> collected() {
    return sections_of(pod.run(collect_command(pod.worker)).output);
  }
  /// Up to the worker's start, and its death.
  void crashed() {
    site.commit(
        "echo starting; trap 'echo \"@@ -1 +1 @@\"; echo \"RuntimeError: boom\"; exit 3' USR1; while :; do "
        "sleep 0.05; done");
    ASSERT_EQ(pod.launch().story().back(), "start end") << pod.file("bootstrap.log");
    ::kill(pod.pid_in("worker.pid"), SIGUSR1);
    ASSERT_TRUE(eventually(5s, [&] { return peer.reports("crash").size() == 1; }))
        << pod.file("bootstrap.log");
  }
};

TEST_F(Collect, BringsTheLogsTheMachineTheCommitTheHeartbeatsAndTheWayToTheDatabase) {
  crashed();
  auto got = collected();
  EXPECT_THAT(got["worker"], HasSubstr(" @@ -1 +1 @@\nRuntimeError: boom"));
  EXPECT_TRUE(got.contains("end"));
  EXPECT_THAT(got["status"], HasSubstr(R"("step":"start","event":"fail")"));
  EXPECT_THAT(got["nvidia_smi"], HasSubstr("Driver Version: 570.86.15"));
  EXPECT_THAT(got["supabase"], HasSubstr("HTTP 200"));
  EXPECT_THAT(got["dns"], HasSubstr("127.0.0.1"));
  EXPECT_THAT(got["heartbeats"], ContainsRegex("Z HTTP 200\n"));
  EXPECT_THAT(got["git"], HasSubstr("commit " + site.git("rev-parse HEAD").substr(0, 40)));
  EXPECT_THAT(got["git"], HasSubstr("no file of it was changed"));
  for (const auto* name : {"df", "df_inodes", "shm", "free", "ps"}) EXPECT_FALSE(got[name].empty()) << name;
}

TEST_F(Collect, TellsADirtyCheckoutARefusedTokenAndHeartbeatsThatDidNotArrive) {
  crashed();
  std::ofstream(pod.file("where").substr(0, pod.file("where").find('\n')) + "/worker.sh") << "changed\n";
  peer.judge([](const auto&) { return 403; });
  auto got = collected();
  EXPECT_THAT(got["git"], HasSubstr(" M worker.sh"));
  EXPECT_THAT(got["supabase"], HasSubstr("HTTP 403: "));
  EXPECT_THAT(got["supabase"], HasSubstr("unknown worker or wrong token"));
}

TEST_F(Collect, SaysWhyTheDatabaseCannotBeReached) {
  pod.settings.supabase_url = "http://127.0.0.1:1";
  EXPECT_EQ(pod.launch().story().back(), "preflight fail");
  auto got = collected();
  EXPECT_THAT(got["supabase"], ContainsRegex("curl: \\(7\\) .*(connect|refused)"));
  EXPECT_THAT(got["reports"], HasSubstr("report not delivered: curl: (7)"));
  EXPECT_THAT(got["bootstrap"], Not(HasSubstr("report not delivered"))) << "it is no word of the step";
  EXPECT_THAT(got["missing"], HasSubstr("git: nothing was fetched"));
  EXPECT_THAT(got["missing"], HasSubstr("heartbeats: none was sent"));
}

TEST_F(Collect, IsOverWithinEightSecondsThoughEveryToolHangs) {
  crashed();
  // What ignores TERM as well: only KILL ends it.
  for (const auto* tool : {"nvidia-smi", "df", "free", "ps", "dmesg", "getent", "curl"})
    site.tool(tool, "trap '' TERM; while :; do /bin/sleep 1; done");
  const auto began = std::chrono::steady_clock::now();
  auto got = collected();
  EXPECT_LT(std::chrono::steady_clock::now() - began, 8500ms);
  for (const auto* tool : {"nvidia_smi", "df", "df_inodes", "shm", "free", "ps", "dmesg"})
    EXPECT_THAT(got["missing"], HasSubstr(std::string(tool) + ": no answer within ")) << tool;
  EXPECT_THAT(got["missing"], HasSubstr("supabase: no answer within "));
  EXPECT_THAT(got["worker"], HasSubstr("RuntimeError: boom")) << "what could be had";
}

TEST_F(Collect, WorksOnAnImageThatLacksTheTools) {
  crashed();
  const std::string bare = site.dir.path + "/bare";
  std::filesystem::create_directories(bare);
  for (const auto* tool : {"bash", "cat", "head", "tail", "tr", "stat", "df"})
    std::filesystem::create_symlink("/usr/bin/" + std::string(tool), bare + "/" + tool);
  const std::string command = "PATH=" + bare + "; " + collect_command(pod.worker);
  auto got = sections_of(pod.run(command).output);
  for (const auto* name : {"nvidia_smi", "git", "supabase", "dns"})
    EXPECT_THAT(got["missing"], HasSubstr(std::string(name) + ": the image lacks ")) << name;
  EXPECT_FALSE(got["df"].empty());
  EXPECT_THAT(got["ps"], HasSubstr("(bash)")) << "from /proc";
  EXPECT_THAT(got["worker"], HasSubstr("RuntimeError: boom"));
}

}  // namespace
}  // namespace gpuwarden::bootstrap::test
