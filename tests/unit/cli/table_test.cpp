#include "cli/table.hpp"

#include <sstream>

#include <gtest/gtest.h>

namespace gpuwarden::cli {
namespace {

std::string printed(const Table& table, int width, bool colour = false) {
  std::ostringstream out;
  table.print(out, width, colour);
  return out.str();
}

TEST(Tables, AlignColumnsAndPadNothingAtTheEnd) {
  Table table({{"NAME"}, {"COST", true}, {"REASON"}});
  table.add({{"a"}, {"$12.00"}, {"short"}});
  table.add({{"longer"}, {"$0.40"}, {""}});
  EXPECT_EQ(printed(table, 80),
            "NAME      COST  REASON\n"
            "a       $12.00  short\n"
            "longer   $0.40  -\n");
}

TEST(Tables, CutOnlyTheColumnsThatMayShrinkUntilTheyFit) {
  Table table({{"ID"}, {"REASON", false, true}});
  table.add({{"0123456789"}, {"a long reason that does not fit"}});
  EXPECT_EQ(printed(table, 30),
            "ID          REASON\n"
            "0123456789  a long reason tha…\n");
  EXPECT_EQ(printed(table, 43),
            "ID          REASON\n"
            "0123456789  a long reason that does not fit\n");
  EXPECT_EQ(printed(table, 42),
            "ID          REASON\n"
            "0123456789  a long reason that does not f…\n");
}

TEST(Tables, MeasureWhatATerminalShows) {
  EXPECT_EQ(display_width("abc"), 3U);
  EXPECT_EQ(display_width("é…"), 2U);
  EXPECT_EQ(display_width("e\xCC\x81"), 1U) << "combining accent";
  EXPECT_EQ(display_width("日本"), 4U);
  EXPECT_EQ(display_width("🚀"), 2U);
  EXPECT_EQ(fit("日本語", 5), "日本…");
  EXPECT_EQ(fit("日本語", 6), "日本語");
  EXPECT_EQ(fit("abc", 0), "");
  Table table({{"A"}, {"B"}});
  table.add({{"日本"}, {"x"}});
  table.add({{"ab"}, {"y"}});
  EXPECT_EQ(printed(table, 80), "A     B\n日本  x\nab    y\n");
}

TEST(Tables, ColourCellsWithoutCountingTheEscapes) {
  Table table({{"A"}, {"B"}});
  table.add({{"x", Colour::red}, {"y"}});
  EXPECT_EQ(printed(table, 80, true), "\x1b[2mA\x1b[0m  \x1b[2mB\x1b[0m\n\x1b[31mx\x1b[0m  y\n");
}

TEST(Tables, LetNoControlCharacterThrough) {
  Table table({{"A"}});
  table.add({{"x\x1b[31m\ny\tz"}});
  EXPECT_EQ(printed(table, 80), "A\nx [31m y z\n");
}

}  // namespace
}  // namespace gpuwarden::cli
