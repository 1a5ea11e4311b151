#include <string>

#include <gtest/gtest.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/diagnosis/diagnose.hpp"

namespace gpuwarden::diagnosis {
namespace {

TEST(CleanLine, TakesTerminalCodesOut) {
  EXPECT_EQ(clean_line("\x1B[1;31mERROR\x1B[0m: bad\x1B[K"), "ERROR: bad");
  EXPECT_EQ(clean_line("\x1B]0;title\aERROR"), "ERROR");
  EXPECT_EQ(clean_line("\x1B]8;;http://x\x1B\\link\x1B]8;;\x1B\\"), "link");
  EXPECT_EQ(clean_line("\x1B(Btext"), "text");
  EXPECT_EQ(clean_line("abc\b\b\bxyz"), "xyz");
  EXPECT_EQ(clean_line("cut \x1B["), "cut");
  EXPECT_EQ(clean_line("cut \x1B"), "cut");
}

TEST(CleanLine, ShowsWhatATerminalShowedLast) {
  EXPECT_EQ(clean_line("first\rsecond"), "second");
  EXPECT_EQ(clean_line("first\rsecond\r\n"), "second");
  EXPECT_EQ(clean_line("text\r\r"), "text");
}

TEST(CleanLine, PrefersAMessageToAProgressBar) {
  EXPECT_EQ(clean_line("ERROR: bad\r 45%|####      | 9/20 [00:01<00:02, 2.10it/s]"), "ERROR: bad");
  EXPECT_EQ(clean_line(" 45%|####      | 9/20 [00:01<00:02, 2.10it/s]Traceback (most recent call last):"),
            "Traceback (most recent call last):");
}

TEST(CleanLine, KeepsABarWhenThereIsNothingElse) {
  EXPECT_NE(clean_line("  1%|          | 1/100 [00:01<02:00]\r 45%|####  | 45/100 [00:10<00:12]").find("45%"),
            std::string::npos);
}

TEST(CleanLine, RepairsBrokenUtf8AndControlCharacters) {
  EXPECT_EQ(clean_line("a\xFFz"), "a\xEF\xBF\xBDz");
  EXPECT_EQ(clean_line(std::string_view("a\0z", 3)), "a z");
}

TEST(CleanLine, EndsAtFourKilobytes) {
  const std::string exact(4096, 'x');
  EXPECT_EQ(clean_line(exact), exact);
  const std::string cut = clean_line(exact + "x");
  EXPECT_LE(cut.size(), 4096U);
  EXPECT_TRUE(cut.ends_with("…"));
  EXPECT_LE(clean_line(std::string(1'000'000, 'x')).size(), 4096U);
}

TEST(CleanLine, IsStable) {
  for (const std::string text :
       {"plain", "  indented", "\x1B[1mx\x1B[0m\r\ny", "a\xC3", "50%|# | 1/2 [0s]x\ry"}) {
    EXPECT_EQ(clean_line(clean_line(text)), clean_line(text)) << text;
  }
}

TEST(CleanLine, BearsEveryShortByteSequence) {
  for (int a = 0; a < 256; ++a) {
    for (const char b : {'[', ']', '\r', '\x1B', '\b', '%', 'x', '\xE2'}) {
      const std::string text{static_cast<char>(a), b, static_cast<char>(a)};
      const std::string once = clean_line(text);
      ASSERT_EQ(printable(once), once) << a << ' ' << static_cast<int>(b);
    }
  }
}

}  // namespace
}  // namespace gpuwarden::diagnosis
