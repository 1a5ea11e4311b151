#include "gpuwarden/bootstrap/status_line.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpuwarden::bootstrap {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kFail =
    R"(@gpuwarden {"v":1,"worker":"gpu-a-20261124010101-0badcafe","step":"start","event":"fail",)"
    R"("t":"2026-11-24T01:01:09.120Z","exit":2,"signal":"SIGKILL","tail":["usage: x","error: \"y\""]})";

TEST(StatusLine, HasEverythingThatTheScriptSaid) {
  const auto line = parse_status_line(kFail);
  ASSERT_TRUE(line);
  EXPECT_EQ(line->worker, "gpu-a-20261124010101-0badcafe");
  EXPECT_EQ(line->step, BootStep::start);
  EXPECT_EQ(line->event, StatusLine::Event::fail);
  EXPECT_EQ(line->time, "2026-11-24T01:01:09.120Z");
  EXPECT_EQ(line->exit_code, 2);
  EXPECT_EQ(line->signal, "SIGKILL");
  EXPECT_THAT(line->tail, ElementsAre("usage: x", "error: \"y\""));
}

TEST(StatusLine, IsTheSameAfterItWasWrittenAndReadAgain) {
  auto line = *parse_status_line(kFail);
  line.check = "gpu";
  line.commit = "c0ffee";
  const auto again = parse_status_line(format_status_line(line));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->check, "gpu");
  EXPECT_EQ(again->commit, "c0ffee");
  EXPECT_EQ(again->tail, line.tail);
  EXPECT_EQ(again->exit_code, line.exit_code);
}

TEST(StatusLine, IsWrittenEvenWhenItsTailIsNoUtf8) {
  StatusLine line;
  line.tail = {"caf\xe9 \xff"};
  EXPECT_TRUE(parse_status_line(format_status_line(line)));
}

TEST(StatusLine, NeedsOnlyVersionStepAndEvent) {
  const auto line = parse_status_line(R"(@gpuwarden {"v":1,"step":"fetch","event":"begin"})");
  ASSERT_TRUE(line);
  EXPECT_FALSE(line->exit_code);
  EXPECT_THAT(line->tail, IsEmpty());
}

TEST(StatusLine, OfWrongTypesIsReadWithoutThem) {
  const auto line = parse_status_line(
      R"(@gpuwarden {"v":1,"step":"setup","event":"end","exit":"0","signal":9,"tail":[1,"x",null,["y"]]})");
  ASSERT_TRUE(line);
  EXPECT_FALSE(line->exit_code);
  EXPECT_EQ(line->signal, "");
  EXPECT_THAT(line->tail, ElementsAre("x"));
}

class NoStatusLine : public testing::TestWithParam<std::string> {};
TEST_P(NoStatusLine, IsRefused) {
  EXPECT_FALSE(parse_status_line(GetParam()));
}
INSTANTIATE_TEST_SUITE_P(
    Texts, NoStatusLine,
    testing::Values("", "@gpuwarden", "@gpuwarden ", "@gpuwarden {", "@gpuwarden []", "@gpuwarden null",
                    R"(gpuwarden {"v":1,"step":"fetch","event":"begin"})",
                    R"( @gpuwarden {"v":1,"step":"fetch","event":"begin"})",
                    R"(@gpuwarden {"v":2,"step":"fetch","event":"begin"})",
                    R"(@gpuwarden {"v":"1","step":"fetch","event":"begin"})",
                    R"(@gpuwarden {"v":1,"step":"fetched","event":"begin"})",
                    R"(@gpuwarden {"v":1,"step":"fetch","event":"began"})",
                    R"(@gpuwarden {"v":1,"step":"fetch"})", R"(@gpuwarden {"v":1,"event":"end"})",
                    R"(@gpuwarden {"v":1,"step":"fetch","event":"begin"} x)",
                    "@gpuwarden {\"v\":1,\"step\":\"fetch\",\"event\":\"begin\",\"tail\":[\"\xff\xfe\"]}",
                    "@gpuwarden {\"v\":1,\"step\":\"fetch\",\"event\":\"begin\",\"t\":\"\x01\"}"));

std::string line_of_length(std::size_t length) {
  const std::string head = R"(@gpuwarden {"v":1,"step":"fetch","event":"begin","tail":[")";
  const std::string foot = R"("]})";
  return head + std::string(length - head.size() - foot.size(), 'x') + foot;
}

TEST(StatusLine, MayHave64KilobytesAndNotOneByteMore) {
  EXPECT_TRUE(parse_status_line(line_of_length(kLongestStatusLine - 1)));
  EXPECT_TRUE(parse_status_line(line_of_length(kLongestStatusLine)));
  EXPECT_FALSE(parse_status_line(line_of_length(kLongestStatusLine + 1)));
}

TEST(StatusLine, ThatNestsThousandsDeepIsRefused) {
  EXPECT_FALSE(parse_status_line("@gpuwarden {\"v\":1,\"step\":\"fetch\",\"event\":\"end\",\"x\":" +
                                 std::string(30000, '[') + std::string(30000, ']') + "}"));
}

TEST(StatusStream, GivesTheSameLinesHoweverTheBytesArrive) {
  const std::string text = "one\ntwo\r\n\nthree\nfour";
  for (std::size_t size = 1; size <= text.size(); ++size) {
    StatusStream stream;
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size(); at += size) {
      for (auto& line : stream.feed(std::string_view(text).substr(at, size))) lines.push_back(line);
    }
    EXPECT_THAT(lines, ElementsAre("one", "two", "", "three")) << size;
    EXPECT_EQ(stream.offset(), text.size() - 4) << size;
  }
}

TEST(StatusStream, CountsOnlyCompleteLines) {
  StatusStream stream;
  EXPECT_THAT(stream.feed("abc"), IsEmpty());
  EXPECT_EQ(stream.offset(), 0u);
  EXPECT_THAT(stream.feed("d\ne"), ElementsAre("abcd"));
  EXPECT_EQ(stream.offset(), 5u);
}

TEST(StatusStream, CutsEndlessLinesButCountsEveryByteOfThem) {
  StatusStream stream;
  const std::string chunk(10000, 'x');
  for (int i = 0; i < 100; ++i) EXPECT_THAT(stream.feed(chunk), IsEmpty());
  const auto lines = stream.feed("\nnext\n");
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].size(), kLongestStatusLine);
  EXPECT_EQ(lines[1], "next");
  EXPECT_EQ(stream.offset(), 1000000u + 1 + 5);
}

}  // namespace
}  // namespace gpuwarden::bootstrap
