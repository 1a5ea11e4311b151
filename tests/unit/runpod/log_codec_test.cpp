#include <gmock/gmock.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/runpod/codec.hpp"

namespace gpuwarden::runpod {
namespace {

constexpr std::string_view kTwoEvents =
    "id: 2026-06-01T12:02:03Z/000000000001\n"
    "data: {\"ts\":\"2026-06-01T12:02:03Z\",\"source\":\"container\",\"line\":\"Model loaded.\"}\n"
    "\n"
    ": keep-alive\n"
    "\n"
    "event: log\n"
    "data: {\"source\":\"system\",\"line\":\"pulling\"}\n"
    "\n";

std::vector<std::string> lines_of(std::vector<PodLogLine> entries) {
  std::vector<std::string> lines;
  for (PodLogLine& entry : entries) lines.push_back(std::move(entry.line));
  return lines;
}

TEST(PodLog, ReadsEventsWithTheirTimeAndSource) {
  LogParser parser;
  parser.feed(kTwoEvents);
  const auto lines = parser.take();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].line, "Model loaded.");
  EXPECT_EQ(lines[0].source, "container");
  EXPECT_EQ(lines[0].time, parse_time("2026-06-01T12:02:03Z"));
  EXPECT_EQ(lines[1].source, "system");
  EXPECT_FALSE(lines[1].time);
}

TEST(PodLog, ChunksMayEndAnywhere) {
  for (std::size_t cut = 0; cut <= kTwoEvents.size(); ++cut) {
    LogParser parser;
    parser.feed(kTwoEvents.substr(0, cut));
    parser.feed(kTwoEvents.substr(cut));
    EXPECT_EQ(lines_of(parser.take()), (std::vector<std::string>{"Model loaded.", "pulling"})) << cut;
  }
}

TEST(PodLog, CarriageReturnsAreNotPartOfALine) {
  LogParser parser;
  parser.feed("data: {\"line\":\"a\"}\r\n\r\ndata: {\"line\":\"b\"}\r\n\r\n");
  EXPECT_EQ(lines_of(parser.take()), (std::vector<std::string>{"a", "b"}));
}

TEST(PodLog, AnEventMaySpanDataLines) {
  LogParser parser;
  parser.feed("data: {\"line\":\ndata: \"a\"}\n\n");
  EXPECT_EQ(lines_of(parser.take()), std::vector<std::string>{"a"});
}

TEST(PodLog, TheLastEventNeedsNoBlankLine) {
  LogParser parser;
  parser.feed("data: {\"line\":\"a\"}");
  EXPECT_EQ(lines_of(parser.take()), std::vector<std::string>{"a"});
  EXPECT_TRUE(parser.take().empty());
}

TEST(PodLog, WhatCannotBeReadIsSkipped) {
  LogParser parser;
  parser.feed("data: nonsense\n\ndata: {\"source\":\"x\"}\n\ndata: [1]\n\ndata: {\"line\":7}\n\n");
  parser.feed("data: {\"line\":\"kept\"}\n\n{\"title\":\"Not Found\"}\n");
  EXPECT_EQ(lines_of(parser.take()), std::vector<std::string>{"kept"});
}

TEST(PodLog, AnEndlessLineDoesNotGrowWithoutBound) {
  LogParser parser;
  parser.feed("data: \"");
  for (int i = 0; i < 64; ++i) parser.feed(std::string(64U << 10U, 'x'));
  parser.feed("\n\ndata: {\"line\":\"after\"}\n\n");
  EXPECT_EQ(lines_of(parser.take()), std::vector<std::string>{"after"});
}

}  // namespace
}  // namespace gpuwarden::runpod
