#include "gpuwarden/app/database_log.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fakes/fake_clock.hpp"
#include "fakes/recording_log.hpp"

namespace gpuwarden::app {
namespace {

using namespace std::chrono_literals;
using supabase::LogRow;
using supabase::LogsStored;
using testing::HasSubstr;
using testing::Not;

struct DatabaseLogTest : testing::Test {
  boost::asio::io_context io;
  fakes::FakeClock clock;
  fakes::RecordingLog own;
  Redactor redactor;
  std::vector<std::vector<LogRow>> batches;
  std::optional<Error> outage;
  Duration takes{0};
  int tries{0};
  DatabaseLog log{
      DatabaseLogSettings{.source = "team-a"},
      [this](std::vector<LogRow> rows) -> ports::Async<LogsStored> { return insert(std::move(rows)); },
      [] { return std::uint64_t{7}; },
      clock,
      redactor,
      own};

  DatabaseLogTest() { boost::asio::co_spawn(io, log.run(), boost::asio::detached); }

  ports::Async<LogsStored> insert(std::vector<LogRow> rows) {
    ++tries;
    if (takes > Duration{0}) co_await clock.sleep_for(takes);
    if (outage) co_return fail(*outage);
    batches.push_back(std::move(rows));
    co_return LogsStored{static_cast<int>(batches.back().size()), 0};
  }
  void lines(int count, int from = 0) {
    for (int i = from; i < from + count; ++i)
      log.info("spawn", "line " + std::to_string(i), {{"worker", "gpu-1"}});
  }
  void pass(Duration duration) { clock.advance(io, duration); }
  std::size_t rows() const {
    std::size_t all = 0;
    for (const auto& batch : batches) all += batch.size();
    return all;
  }
};

TEST_F(DatabaseLogTest, LinesAreStoredTogetherAfterFiveSeconds) {
  lines(3);
  pass(4s);
  EXPECT_TRUE(batches.empty());
  pass(2s);
  ASSERT_EQ(batches.size(), 1U);
  EXPECT_EQ(batches[0].size(), 3U);
  pass(10min);
  EXPECT_EQ(tries, 1) << "nothing to store, nothing asked";
}

TEST_F(DatabaseLogTest, AHundredLinesAreStoredSooner) {
  lines(150);
  pass(1s);
  ASSERT_EQ(batches.size(), 1U);
  EXPECT_EQ(batches[0].size(), 100U);
  pass(6s);
  EXPECT_EQ(rows(), 150U);
}

TEST_F(DatabaseLogTest, ARowSaysWhoWhenWhatAndInWhichTick) {
  log.warning("drain", "draining", {{"worker", "gpu-1"}, {"reason", "idle"}, {"cause", ""}});
  pass(6s);
  const LogRow& row = batches.at(0).at(0);
  EXPECT_EQ(row.at, fakes::FakeClock::kWallStart + 1h);
  EXPECT_EQ(row.source, "team-a");
  EXPECT_EQ(row.level, "WARNING");
  EXPECT_EQ(row.message, "draining");
  EXPECT_EQ(row.worker, "gpu-1");
  EXPECT_EQ(row.cycle, 7U);
  EXPECT_THAT(row.fields, testing::ElementsAre(std::pair<std::string, std::string>("event", "drain"),
                                               std::pair<std::string, std::string>("worker", "gpu-1"),
                                               std::pair<std::string, std::string>("reason", "idle")));
}

TEST_F(DatabaseLogTest, Case16ARowHoldsNoSecret) {
  redactor.add("planted-secret-1");
  log.info("note", "key planted-secret-1", {{"detail", "Bearer abcdefghijklmnop"}});
  pass(6s);
  const LogRow& row = batches.at(0).at(0);
  EXPECT_THAT(row.message, Not(HasSubstr("planted-secret-1")));
  EXPECT_THAT(row.fields.at(1).second, Not(HasSubstr("abcdefghijklmnop")));
}

TEST_F(DatabaseLogTest, DebugLinesStayOutUnlessAskedFor) {
  log.debug("probe", "alive");
  pass(6s);
  EXPECT_TRUE(batches.empty());
}

TEST_F(DatabaseLogTest, AnOutageIsToldOnceElsewhereAndTheLinesWait) {
  outage = Error{ErrorKind::unavailable, "connection refused", 0, "", {}};
  lines(3);
  pass(10min);
  EXPECT_GT(tries, 3);
  EXPECT_LT(tries, 20) << "with growing pauses";
  EXPECT_EQ(own.lines.size(), 1U);
  EXPECT_EQ(own.count("db_log_failed"), 1);
  outage.reset();
  pass(2min);
  EXPECT_EQ(rows(), 3U) << "its own trouble is not among them";
  EXPECT_EQ(own.count("db_log_back"), 1);
}

TEST_F(DatabaseLogTest, AtMostAThousandLinesWaitAndTheNumberOfTheDroppedIsStored) {
  outage = Error{ErrorKind::unavailable, "connection refused", 0, "", {}};
  lines(1200);
  pass(1min);
  outage.reset();
  pass(5min);
  EXPECT_EQ(rows(), 1001U);
  EXPECT_THAT(batches.at(0).at(0).message, HasSubstr("200 log lines before this one were dropped"));
  EXPECT_EQ(batches.at(0).at(1).message, "line 200");
}

TEST_F(DatabaseLogTest, ABatchThatMayHaveBeenStoredIsNotStoredTwiceButCounted) {
  outage = Error{ErrorKind::ambiguous, "no answer", 0, "", {}};
  lines(3);
  pass(6s);
  outage.reset();
  lines(1, 3);
  pass(1min);
  ASSERT_EQ(rows(), 2U);
  EXPECT_THAT(batches.at(0).at(0).message, HasSubstr("3 log lines before this one were dropped"));
}

TEST_F(DatabaseLogTest, TheLastLinesAreStoredWhenTheDaemonStops) {
  lines(250);
  bool ended = false;
  boost::asio::co_spawn(
      io,
      [](DatabaseLog& target, bool& done) -> boost::asio::awaitable<void> {
        co_await target.finish(1s);
        done = true;
      }(log, ended),
      boost::asio::detached);
  fakes::FakeClock::settle(io);
  EXPECT_TRUE(ended);
  EXPECT_EQ(rows(), 250U);
}

TEST_F(DatabaseLogTest, StoppingWaitsNoLongerThanItsLimitForADatabaseThatHangs) {
  takes = 1h;
  lines(100);
  pass(1s);
  ASSERT_EQ(tries, 1);
  lines(5);
  bool ended = false;
  boost::asio::co_spawn(
      io,
      [](DatabaseLog& target, bool& done) -> boost::asio::awaitable<void> {
        co_await target.finish(1s);
        done = true;
      }(log, ended),
      boost::asio::detached);
  pass(900ms);
  EXPECT_FALSE(ended);
  pass(200ms);
  EXPECT_TRUE(ended);
}

TEST_F(DatabaseLogTest, WritingNeverWaitsForTheDatabase) {
  takes = 1h;
  lines(100);
  pass(1s);
  lines(5000);
  EXPECT_EQ(tries, 1) << "one request at a time";
}

}  // namespace
}  // namespace gpuwarden::app
