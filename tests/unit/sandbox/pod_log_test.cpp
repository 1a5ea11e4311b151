#include "sandbox/pod_log.hpp"

#include <gtest/gtest.h>

namespace gpuwarden::sandbox {
namespace {

using namespace std::chrono_literals;

PodLog sample() {
  PodLog log;
  for (int number = 1; number <= 6; ++number)
    log.add(number % 2 == 0 ? "system" : "container", "line " + std::to_string(number),
            WallTime(std::chrono::seconds(number)));
  return log;
}

std::vector<std::uint64_t> numbers(const std::vector<LogLine>& lines) {
  std::vector<std::uint64_t> found;
  for (const auto& line : lines) found.push_back(line.number);
  return found;
}

TEST(PodLog, TheTailIsCountedAfterTheSourceIsChosen) {
  LogFilter filter;
  filter.source = "container";
  filter.tail = 2;
  EXPECT_EQ(numbers(sample().select(filter)), (std::vector<std::uint64_t>{3, 5}));
}

TEST(PodLog, ATailOfZeroShowsNothing) {
  LogFilter filter;
  filter.tail = 0;
  EXPECT_TRUE(sample().select(filter).empty());
}

TEST(PodLog, SinceMeansLaterThan) {
  LogFilter filter;
  filter.since = WallTime(4s);
  EXPECT_EQ(numbers(sample().select(filter)), (std::vector<std::uint64_t>{5, 6}));
}

TEST(PodLog, TheLastEventIdWinsOverSince) {
  const auto filter =
      parse_log_query({{"since", "1970-01-01T00:00:01Z"}}, "1970-01-01T00:00:05.000Z/000000000005");
  ASSERT_TRUE(filter);
  EXPECT_EQ(numbers(sample().select(*filter)), (std::vector<std::uint64_t>{6}));
}

TEST(PodLog, QueriesOutsideTheRulesAreRefused) {
  EXPECT_TRUE(parse_log_query({{"tail", "5000"}, {"source", "system"}}, std::nullopt));
  for (const auto& [name, value] : std::multimap<std::string, std::string>{
           {"tail", "5001"}, {"tail", "-1"}, {"tail", "all"}, {"source", "kernel"}, {"since", "yesterday"}})
    EXPECT_FALSE(parse_log_query({{name, value}}, std::nullopt)) << name << "=" << value;
}

TEST(PodLog, AnEventCarriesItsIdAndOneLineOfJson) {
  EXPECT_EQ(
      to_event({"container", "a \"b\"", WallTime(1500ms), 7}),
      "id: 1970-01-01T00:00:01.500Z/000000000007\n"
      "data: {\"line\":\"a \\\"b\\\"\",\"source\":\"container\",\"ts\":\"1970-01-01T00:00:01.500Z\"}\n\n");
}

}  // namespace
}  // namespace gpuwarden::sandbox
