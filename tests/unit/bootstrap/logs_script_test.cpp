// The command that reads a worker's log on its pod, run by the real bash.
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gpuwarden/bootstrap/script.hpp"

#include "bash.hpp"
#include "bootstrap/pod_files.hpp"

namespace gpuwarden::bootstrap {
namespace {

using test::run_bash;
using testing::HasSubstr;
using testing::Not;

const WorkerId kWorker{"gpu-default-20261124010101-0badcafe"};

/// A pod's directory with a log in it.
struct PodLogs : testing::Test {
  PodLogs() {
    std::filesystem::create_directory(run);
    std::filesystem::copy(test::kScriptsDir + "/lib.sh", run + "/lib.sh");
    Settings settings;
    settings.repo_url = "https://github.com/example/worker.git";
    settings.start_cmd = "./start.sh";
    settings.supabase_url = "https://project.supabase.co";
    settings.pass_env = {{"HF_TOKEN", "hf_planted_secret"}};
    const WorkerSecrets secrets{Secret("token_planted_secret"), Secret("sb_publishable_planted")};
    write("env", env_file(kWorker, settings, secrets));
    write("token", "token_planted_secret\n");
  }
  void write(const std::string& name, const std::string& text, bool append = false) const {
    std::ofstream(run + "/" + name, std::ios::binary | (append ? std::ios::app : std::ios::trunc)) << text;
  }
  test::Ran read(const LogRequest& request, const std::string& instead = "") const {
    std::string command = logs_command(kWorker, request);
    // A shorter stay than the program's own.
    if (const auto at = command.find(" 45 "); !instead.empty() && at != std::string::npos)
      command.replace(at, 4, " " + instead + " ");
    return run_bash("export GPUWARDEN_RUN_ROOT=" + dir.path + "\n" + command);
  }
  test::TempDir dir;
  std::string run{dir.path + "/gpuwarden-" + kWorker.str()};
};

TEST_F(PodLogs, PrintsTheLastLinesAsATerminalShowsThem) {
  write("worker.log",
        "one\ntwo\n\n  \n\x1b[31mred\x1b[0m\n 10%\r 50%\r100% done\nthree\nkey hf_planted_secret and "
        "token_planted_secret\nno end");
  EXPECT_EQ(read({PodLog::worker, 100, false, {}}).output,
            "one\ntwo\nred\n100% done\nthree\nkey [redacted] and [redacted]\nno end\n");
  EXPECT_EQ(read({PodLog::worker, 2, false, {}}).output, "key [redacted] and [redacted]\nno end\n");
  EXPECT_EQ(read({PodLog::worker, 0, false, {}}).output, "");
  write("bootstrap.log", "the other log\n");
  const auto other = read({PodLog::bootstrap, 5, false, {}});
  EXPECT_EQ(other.output, "the other log\n");
  EXPECT_EQ(other.exit_code, 0);
}

TEST_F(PodLogs, OfAWorkerThatNeverRanHereSaysSoAndAnAbsentLogIsEmpty) {
  const auto nothing = read({PodLog::worker, 5, false, {}});
  EXPECT_EQ(nothing.output, "");
  EXPECT_EQ(nothing.exit_code, 0);
  std::filesystem::remove_all(run);
  EXPECT_EQ(read({PodLog::worker, 5, false, {}}).exit_code, kNotStarted);
}

TEST_F(PodLogs, ALongLogCostsItsLast64KilobytesAndBeginsWithAWholeLine) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "line " + std::to_string(i) + "\n";
  write("worker.log", text);
  const auto ran = read({PodLog::worker, 100'000, false, {}});
  EXPECT_LE(ran.output.size(), 65'536U);
  EXPECT_TRUE(ran.output.ends_with("line 19999\n"));
  EXPECT_TRUE(ran.output.starts_with("line 1")) << ran.output.substr(0, 20);
  EXPECT_EQ(read({PodLog::worker, 3, false, {}}).output, "line 19997\nline 19998\nline 19999\n");
}

TEST_F(PodLogs, FollowingShowsWhatIsAddedInWholeLinesAndTellsWhereItIs) {
  write("worker.log", "old\n");
  std::thread writer([this] {
    std::this_thread::sleep_for(std::chrono::milliseconds(600));
    write("worker.log", "new\nhf_plant", true);
    std::this_thread::sleep_for(std::chrono::milliseconds(600));
    write("worker.log", "ed_secret\n", true);
  });
  const auto ran = read({PodLog::worker, 10, true, {}}, "2.5");
  writer.join();
  EXPECT_EQ(ran.exit_code, kStillRunning);
  EXPECT_EQ(ran.output, "old\n@@ 4\nnew\n@@ 8\n[redacted]\n@@ 26\n");
}

TEST_F(PodLogs, FollowingGoesOnFromAByteWithoutRepeatingAnything) {
  write("worker.log", "old\nnew\n");
  EXPECT_EQ(read({PodLog::worker, 10, true, 4}, "0.5").output, "new\n@@ 8\n");
  EXPECT_EQ(read({PodLog::worker, 10, true, 8}, "0.5").output, "@@ 8\n");
  EXPECT_EQ(read({PodLog::worker, 10, true, 500}, "0.5").output, "@@ 8\n") << "it was made shorter meanwhile";
}

TEST_F(PodLogs, ALogThatIsCutWhileItIsFollowedGoesOnAtItsNewEnd) {
  write("worker.log", std::string(500, 'x') + "\n");
  std::thread writer([this] {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    write("worker.log", "kept\n");
    std::this_thread::sleep_for(std::chrono::milliseconds(1800));
    write("worker.log", "after\n", true);
  });
  const auto ran = read({PodLog::worker, 0, true, {}}, "3.5");
  writer.join();
  EXPECT_THAT(ran.output, HasSubstr("after\n"));
  EXPECT_THAT(ran.output, Not(HasSubstr("kept")));
}

TEST(LogsScript, IsNoPartOfWhatPodsRun) {
  Settings settings;
  const WorkerSecrets secrets{Secret("token_planted_secret"), Secret("sb_publishable_planted")};
  EXPECT_THAT(launch_payload(kWorker, settings, secrets), Not(HasSubstr("logs.sh")));
}

}  // namespace
}  // namespace gpuwarden::bootstrap
