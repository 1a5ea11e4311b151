#include "gpuwarden/base/format.hpp"

#include <string>

#include <gtest/gtest.h>

namespace gpuwarden {
namespace {

using namespace std::chrono_literals;

WallTime at(std::int64_t unix_ms) {
  return WallTime{Duration{unix_ms}};
}

TEST(FormatDuration, ShowsTheTwoLargestUnits) {
  EXPECT_EQ(format_duration(0ms), "0s");
  EXPECT_EQ(format_duration(1ms), "1ms");
  EXPECT_EQ(format_duration(999ms), "999ms");
  EXPECT_EQ(format_duration(1s), "1s");
  EXPECT_EQ(format_duration(59999ms), "59s");
  EXPECT_EQ(format_duration(60s), "1m 0s");
  EXPECT_EQ(format_duration(312s), "5m 12s");
  EXPECT_EQ(format_duration(3599s), "59m 59s");
  EXPECT_EQ(format_duration(3600s), "1h 0m");
  EXPECT_EQ(format_duration(3h + 4min), "3h 4m");
  EXPECT_EQ(format_duration(24h - 1s), "23h 59m");
  EXPECT_EQ(format_duration(24h), "1d 0h");
  EXPECT_EQ(format_duration(53h), "2d 5h");
}

TEST(FormatDuration, ShowsASignForNegativeOnes) {
  EXPECT_EQ(format_duration(-90s), "-1m 30s");
  EXPECT_EQ(format_duration(-1ms), "-1ms");
}

TEST(FormatTime, IsUtcWithAndWithoutMilliseconds) {
  EXPECT_EQ(format_time(at(0)), "1970-01-01T00:00:00Z");
  EXPECT_EQ(format_time(at(1795484920123)), "2026-11-24T01:48:40Z");
  EXPECT_EQ(format_time_ms(at(1795484920007)), "2026-11-24T01:48:40.007Z");
  EXPECT_EQ(format_time(at(-1000)), "1969-12-31T23:59:59Z");
}

TEST(ParseTime, AcceptsWhatPostgresAndRunpodPrint) {
  const WallTime whole = at(1795484920000);
  EXPECT_EQ(parse_time("2026-11-24T01:48:40Z"), whole);
  EXPECT_EQ(parse_time("2026-11-24 01:48:40+00"), whole);
  EXPECT_EQ(parse_time("2026-11-24T01:48:40+00:00"), whole);
  EXPECT_EQ(parse_time("2026-11-24T01:48:40"), whole);
  EXPECT_EQ(parse_time("2026-11-24T03:48:40+0200"), whole);
  EXPECT_EQ(parse_time("2026-11-23T20:18:40-05:30"), whole);
  EXPECT_EQ(parse_time("2026-11-24T01:48:40.1Z"), whole + 100ms);
  EXPECT_EQ(parse_time("2026-11-24T01:48:40.123456+00:00"), whole + 123ms);
  EXPECT_EQ(parse_time("2026-11-24T01:48:40.123456789Z"), whole + 123ms);
  EXPECT_EQ(parse_time("2026-11-24T01:48:40.000999Z"), whole);
}

TEST(ParseTime, KnowsLeapDays) {
  EXPECT_TRUE(parse_time("2024-02-29T00:00:00Z").has_value());
  EXPECT_FALSE(parse_time("2026-02-29T00:00:00Z").has_value());
  EXPECT_TRUE(parse_time("2000-02-29T00:00:00Z").has_value());
  EXPECT_FALSE(parse_time("2100-02-29T00:00:00Z").has_value());
}

TEST(ParseTime, RefusesWhatIsNoTime) {
  for (const char* text : {"",
                           "now",
                           "2026-11-24",
                           "2026-11-24T",
                           "2026-11-24T01:48",
                           "2026-11-24T24:00:00Z",
                           "2026-11-24T01:60:00Z",
                           "2026-11-24T01:48:61Z",
                           "2026-13-01T00:00:00Z",
                           "2026-00-01T00:00:00Z",
                           "2026-11-31T00:00:00Z",
                           "2026-11-24T01:48:40.Z",
                           "2026-11-24T01:48:40.1234567890Z",
                           "2026-11-24T01:48:40Zx",
                           "2026-11-24T01:48:40+",
                           "2026-11-24T01:48:40+0",
                           "2026-11-24T01:48:40+00:0",
                           "2026-11-24T01:48:40 UTC",
                           "-026-11-24T01:48:40Z",
                           "2026-11-24X01:48:40Z",
                           " 2026-11-24T01:48:40Z",
                           "infinity"}) {
    EXPECT_FALSE(parse_time(text).has_value()) << text;
  }
}

TEST(ParseTime, RefusesOffsetsThatNoClockHas) {
  EXPECT_FALSE(parse_time("2026-11-24T01:48:40+99:00").has_value());
  EXPECT_FALSE(parse_time("2026-11-24T01:48:40+00:99").has_value());
  EXPECT_FALSE(parse_time("2026-11-24T01:48:40+02:").has_value());
  EXPECT_TRUE(parse_time("2026-11-24T01:48:40+14:00").has_value());
  EXPECT_TRUE(parse_time("2026-11-24T01:48:40-12:45").has_value());
}

TEST(ParseTime, ReadsBackWhatFormatTimePrints) {
  for (std::int64_t ms = -2'000'000'000'000; ms < 4'000'000'000'000; ms += 86'399'789'123) {
    EXPECT_EQ(parse_time(format_time_ms(at(ms))), at(ms)) << ms;
  }
}

TEST(FormatUsd, ShowsCentsAndFourDigitsBelowOneCent) {
  EXPECT_EQ(format_usd(0), "$0.00");
  EXPECT_EQ(format_usd(0.44), "$0.44");
  EXPECT_EQ(format_usd(12.3), "$12.30");
  EXPECT_EQ(format_usd(0.01), "$0.01");
  EXPECT_EQ(format_usd(0.0099), "$0.0099");
  EXPECT_EQ(format_usd(0.0001), "$0.0001");
  EXPECT_EQ(format_usd(-1.5), "-$1.50");
}

TEST(Ellipsize, LeavesWhatFits) {
  EXPECT_EQ(ellipsize("", 0), "");
  EXPECT_EQ(ellipsize("abc", 3), "abc");
  EXPECT_EQ(ellipsize("abc", 4), "abc");
}

TEST(Ellipsize, CutsAndSaysSoWithinTheLimit) {
  EXPECT_EQ(ellipsize("abcdefgh", 7), "abcd…");
  EXPECT_EQ(ellipsize("abcdefgh", 3), "…");
  EXPECT_EQ(ellipsize("abcdefgh", 2), "..");
  EXPECT_EQ(ellipsize("abcdefgh", 0), "");
}

TEST(Ellipsize, NeverCutsThroughACharacter) {
  const std::string text = "aé€😀bé€😀";
  for (std::size_t max = 0; max <= text.size() + 1; ++max) {
    const std::string cut = ellipsize(text, max);
    EXPECT_LE(cut.size(), std::max(max, std::size_t{0})) << max;
    EXPECT_EQ(printable(cut), cut) << max;
  }
}

TEST(Printable, KeepsTextAndTabs) {
  EXPECT_EQ(printable("plain\ttext é € 😀"), "plain\ttext é € 😀");
}

TEST(Printable, TurnsControlCharactersIntoBlanks) {
  EXPECT_EQ(printable(std::string_view("a\nb\rc\x1B[31md\x7F\0e", 14)), "a b c [31md  e");
}

TEST(Printable, ReplacesBrokenUtf8ByteByByte) {
  const std::string mark = "\xEF\xBF\xBD";
  EXPECT_EQ(printable("a\xFFz"), "a" + mark + "z");
  EXPECT_EQ(printable("\xC3"), mark);                                   // cut short
  EXPECT_EQ(printable("\xC0\xAF"), mark + mark);                        // overlong
  EXPECT_EQ(printable("\xE0\x80\xAF"), mark + mark + mark);             // overlong
  EXPECT_EQ(printable("\xED\xA0\x80"), mark + mark + mark);             // surrogate
  EXPECT_EQ(printable("\xF4\x90\x80\x80"), mark + mark + mark + mark);  // beyond U+10FFFF
  EXPECT_EQ(printable("\xF5\x80\x80\x80"), mark + mark + mark + mark);
  EXPECT_EQ(printable("\xF4\x8F\xBF\xBF"), "\xF4\x8F\xBF\xBF");
}

TEST(Printable, IsStableForEveryPairOfBytes) {
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      const std::string text{static_cast<char>(a), static_cast<char>(b)};
      const std::string once = printable(text);
      ASSERT_EQ(printable(once), once) << a << ' ' << b;
    }
  }
}

}  // namespace
}  // namespace gpuwarden
