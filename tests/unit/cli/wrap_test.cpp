#include "cli/wrap.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpuwarden::cli {
namespace {

using ::testing::ElementsAre;

TEST(Wrapping, BreaksAtTheLastBlankThatFits) {
  EXPECT_THAT(wrapped("one two three four five six", 20, 20), ElementsAre("one two three four", "five six"));
  EXPECT_THAT(wrapped("exactly twenty chars", 20, 20), ElementsAre("exactly twenty chars"));
  EXPECT_THAT(wrapped("exactly twenty chars, more", 20, 20), ElementsAre("exactly twenty", "chars, more"));
  EXPECT_THAT(wrapped("", 20, 20), ElementsAre(""));
}

TEST(Wrapping, BreaksInsideAWordOnlyWhenItIsLongerThanALine) {
  EXPECT_THAT(wrapped("abcdefghijklmnopqrstuvwxyz", 20, 20), ElementsAre("abcdefghijklmnopqrst", "uvwxyz"));
  EXPECT_THAT(wrapped("ééééééééééééééééééééé", 20, 20), ElementsAre("éééééééééééééééééééé", "é"));
}

TEST(Wrapping, GivesTheFirstLineAWidthOfItsOwn) {
  EXPECT_THAT(wrapped("aaaaaaaaa bbbbbbbbb ccccccccc ddddddddd", 30, 20),
              ElementsAre("aaaaaaaaa bbbbbbbbb ccccccccc", "ddddddddd"));
}

}  // namespace
}  // namespace gpuwarden::cli
