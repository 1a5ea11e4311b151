#include <gmock/gmock.h>

#include "peer.hpp"
#include "pod.hpp"

namespace gpuwarden::bootstrap::test {
namespace {

using testing::Contains;
using testing::HasSubstr;

struct Preflight : testing::Test {
  Site site;
  Peer peer;
  Pod pod{site, peer.url};

  StatusLine failed() {
    const auto stream = pod.launch();
    EXPECT_THAT(stream.story(), testing::ElementsAre("preflight begin", "preflight fail")) << stream.text;
    return stream.last() ? *stream.last() : StatusLine{};
  }
  void expect(const std::string& check, const std::string& words) {
    const StatusLine line = failed();
    EXPECT_EQ(line.check, check);
    EXPECT_THAT(line.tail, Contains(HasSubstr(words)));
    EXPECT_THAT(line.tail.at(0), testing::StartsWith("preflight: " + check + ": "));
  }
};

TEST_F(Preflight, NamesAGpuThatIsNotThere) {
  site.tool("nvidia-smi", "echo 'No devices were found'; exit 6");
  expect("gpu", "No devices were found");
}

TEST_F(Preflight, NamesAMissingNvidiaSmi) {
  std::filesystem::remove(site.tools + "/nvidia-smi");
  if (run_bash("command -v nvidia-smi").exit_code == 0) GTEST_SKIP() << "this machine has a GPU";
  expect("gpu", "nvidia-smi: command not found");
}

TEST_F(Preflight, NamesVramThatCannotBeRead) {
  site.tool("nvidia-smi", "echo 'NVIDIA A100, 570.1, [N/A]'");
  expect("gpu", "VRAM");
}

TEST_F(Preflight, NamesADriverThatIsTooOld) {
  pod.settings.min_cuda = "12.9";
  expect("gpu", "offers CUDA 12.8, 12.9 is wanted");
}

TEST_F(Preflight, AcceptsADriverThatIsJustNewEnough) {
  pod.settings.min_cuda = "12.8";
  pod.settings.auto_start = false;
  EXPECT_EQ(pod.launch().story().back(), "start end");
}

TEST_F(Preflight, NamesTooLittleMemory) {
  pod.settings.min_memory_gb = 1000000;
  expect("memory", "1000000 GB wanted");
}

TEST_F(Preflight, NamesTooLittleDisk) {
  pod.settings.min_disk_free_mb = 2000000000;
  expect("disk", "not enough free disk");
}

TEST_F(Preflight, NamesAVolumeThatIsNotMounted) {
  pod.settings.has_volume = true;
  pod.settings.mount_path = site.dir.path + "/missing";
  expect("mount", "is not mounted");
}

TEST_F(Preflight, NamesAVolumeThatCannotBeWritten) {
  pod.settings.has_volume = true;
  pod.settings.mount_path = "/proc/self";
  expect("mount", "not writable");
}

TEST_F(Preflight, NamesATokenThatIsRefused) {
  peer.judge([](const nlohmann::json&) { return 403; });
  expect("credentials", "unknown worker or wrong token");
}

TEST_F(Preflight, NamesMigrationsThatAreMissing) {
  pod.settings.supabase_url = peer.url + "/elsewhere";
  expect("credentials", "are the migrations applied?");
}

TEST_F(Preflight, NamesAHostThatDoesNotResolve) {
  pod.settings.supabase_url = "http://project.invalid";
  expect("network", "project.invalid");
}

TEST_F(Preflight, NamesAHostThatDoesNotAnswer) {
  pod.settings.supabase_url = "http://127.0.0.1:1";
  expect("network", "Failed to connect to 127.0.0.1");
}

TEST_F(Preflight, WaitsOutADatabaseThatIsAwayForAMoment) {
  std::atomic<int> asked{0};
  peer.judge(
      [&](const nlohmann::json& report) { return report["kind"] == "ping" && ++asked <= 2 ? 503 : 200; });
  pod.settings.auto_start = false;
  EXPECT_EQ(pod.launch().story().back(), "start end");
}

TEST_F(Preflight, RunsAllChecksAndNamesTheFirst) {
  site.tool("nvidia-smi", "exit 9");
  pod.settings.min_memory_gb = 1000000;
  peer.judge([](const nlohmann::json&) { return 403; });
  const StatusLine line = failed();
  EXPECT_EQ(line.check, "gpu");
  ASSERT_EQ(line.tail.size(), 3u);
  EXPECT_THAT(line.tail[1], testing::StartsWith("preflight: memory: "));
  EXPECT_THAT(line.tail[2], testing::StartsWith("preflight: credentials: "));
}

/// Of a pod that is only looked at: its last line.
struct PreflightOnly : Preflight {
  PreflightOnly() {
    pod.settings.preflight_only = true;
    peer.judge([](const nlohmann::json&) { return 403; });  // a token that nobody gave out
  }
};

TEST_F(PreflightOnly, TellsWhatWasFoundInOrderAndLeavesNothingBehind) {
  const auto stream = pod.launch();
  EXPECT_EQ(stream.exit_code, 0);
  ASSERT_THAT(stream.story(), testing::ElementsAre("preflight begin", "preflight end")) << stream.text;
  const auto& tail = stream.last()->tail;
  for (const auto* words :
       {"in order: tools: bash ", "in order: gpu: NVIDIA GeForce RTX 4090, driver 570.86.15, 24564 MB",
        "in order: memory: ", "in order: disk: ", "in order: network: 127.0.0.1 answers",
        "in order: credentials: key and migrations are in place: a made-up token is refused"})
    EXPECT_THAT(tail, Contains(HasSubstr(words)));
  EXPECT_TRUE(eventually(5s, [&] { return !Pod::alive(pod.pid_in("bootstrap.pid")); }));
  EXPECT_TRUE(pod.file("where").empty()) << "nothing is fetched";
}

TEST_F(PreflightOnly, TellsWhatIsWrongBesideWhatIsInOrder) {
  site.tool("nvidia-smi", "echo 'No devices were found'; exit 6");
  const auto stream = pod.launch();
  ASSERT_THAT(stream.story(), testing::ElementsAre("preflight begin", "preflight fail")) << stream.text;
  EXPECT_EQ(stream.last()->check, "gpu");
  EXPECT_THAT(stream.last()->tail, Contains(HasSubstr("preflight: gpu: nvidia-smi failed with exit code 6")));
  EXPECT_THAT(stream.last()->tail, Contains(HasSubstr("in order: credentials: ")));
  EXPECT_TRUE(eventually(5s, [&] { return !Pod::alive(pod.pid_in("bootstrap.pid")); }));
}

TEST_F(PreflightOnly, FindsADatabaseThatTakesAnyToken) {
  peer.judge([](const nlohmann::json&) { return 200; });
  EXPECT_EQ(pod.launch().last()->check, "credentials");
}

TEST_F(PreflightOnly, FindsMigrationsThatAreMissing) {
  peer.judge([](const nlohmann::json&) { return 404; });
  EXPECT_EQ(pod.launch().last()->check, "credentials");
}

TEST_F(Preflight, NamesToolsThatTheImageLacks) {
  // Everything but git.
  const std::string few = site.dir.path + "/few";
  std::filesystem::create_directories(few);
  const auto linked = run_bash(
      "for t in bash setsid curl cat chmod date df env getent head mkdir mkfifo mv rm sha256sum sleep stat "
      "tail timeout touch tr; do ln -s $(command -v $t) " +
      few + "/; done");
  ASSERT_EQ(linked.exit_code, 0) << linked.output;
  pod.environment["PATH"] = site.tools + ":" + few;
  expect("tools", "git: command not found");
}

}  // namespace
}  // namespace gpuwarden::bootstrap::test
