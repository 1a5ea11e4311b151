// The real program records and replays.
#include <algorithm>
#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "running_daemon.hpp"

namespace gpuwarden::app {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto kSoon = 20s;

struct ReplayProgram : testing::Test {
  RunningDaemon daemon;

  std::string journal() const { return daemon.dir + "/journal.jsonl"; }
  /// The daemon, until it has recorded so many ticks; then stopped.
  void record(long ticks) {
    daemon.settings["GPUWARDEN_JOURNAL"] = journal();
    daemon.start();
    const auto recorded = [&] {
      const std::string text = test::read_file(journal());
      return std::count(text.begin(), text.end(), '\n') - 1;
    };
    ASSERT_TRUE(daemon.until(kSoon, [&] { return recorded() >= ticks; })) << daemon.log();
    daemon.signal(SIGTERM);
    ASSERT_EQ(daemon.ended(kSoon), 0);
  }
  test::Finished type(std::vector<std::string> words) const {
    words.insert(words.begin(), GPUWARDEN_PROGRAM);
    auto environment = daemon.environment;
    environment["GPUWARDEN_ENV_FILE"] = "";  // no configuration is needed
    return test::run(std::move(words), environment);
  }
};

TEST_F(ReplayProgram, TheJournalOfADaemonIsReplayedToTheSameDecisions) {
  daemon.snapshot["queue"]["queued"] = 4;
  daemon.snapshot["switches"] = {{"paused", true}, {"paused_by", "ann"}, {"pause_reason", "looking"}};
  record(3);
  const auto done = type({"replay", journal(), "--json"});
  EXPECT_EQ(done.exit_code, 0) << done.output;
  const Json json = Json::parse(done.output);
  EXPECT_EQ(json["reproduced"], true) << json.dump(2);
  EXPECT_GE(json["ticks"].get<int>(), 3);
  EXPECT_GT(json["summary"]["recorded"]["held_back_s"]["paused"].get<double>(), 0.0);
  EXPECT_THAT(test::read_file(journal()), Not(HasSubstr("PLANTED")));

  const auto words = type({"replay", journal(), "--set", "MAX_ACTIVE_GPUS=2"});
  EXPECT_EQ(words.exit_code, 0) << words.output;
  EXPECT_THAT(words.output, HasSubstr("the recorded settings give the recorded decisions in every tick"));
  EXPECT_THAT(words.output, HasSubstr("wanted 4 -> 2"));
  EXPECT_THAT(words.output, HasSubstr("The recorded world does not react"));
}

TEST_F(ReplayProgram, WrongUsageEndsWithTwoAndAMissingFileWithOne) {
  const auto unknown = type({"replay", "-", "--set", "MAX_ACTIVE_GPU=2"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.output, HasSubstr("Did you mean MAX_ACTIVE_GPUS?"));
  EXPECT_EQ(type({"replay", "-", "--set", "MAX_ACTIVE_GPUS"}).exit_code, 2);
  EXPECT_EQ(type({"replay"}).exit_code, 2);
  const auto missing = type({"replay", daemon.dir + "/nothing"});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.output, HasSubstr("No such file"));
  EXPECT_EQ(type({"replay", daemon.dir}).exit_code, 1) << "a folder is no journal";
}

}  // namespace
}  // namespace gpuwarden::app
