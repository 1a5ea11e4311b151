#include <gtest/gtest.h>

#include "policy/stuck_tasks.hpp"

namespace gpuwarden::policy {
namespace {

TEST(Glob, MatchesWholeTextsWithStarsAndQuestionMarks) {
  EXPECT_TRUE(matches_glob("travel_orchestrator", "*_orchestrator*"));
  EXPECT_TRUE(matches_glob("travel_orchestrator_v2", "*_orchestrator*"));
  EXPECT_TRUE(matches_glob("abc", "a?c"));
  EXPECT_TRUE(matches_glob("", "*"));
  EXPECT_TRUE(matches_glob("", ""));
  EXPECT_FALSE(matches_glob("orchestrator", "*_orchestrator*"));
  EXPECT_FALSE(matches_glob("abc", "ab"));
  EXPECT_FALSE(matches_glob("ab", "abc"));
  EXPECT_FALSE(matches_glob("abc", "a?"));
  EXPECT_FALSE(matches_glob("Train", "train"));
}

TEST(Glob, TriesEveryPlaceForAStar) {
  EXPECT_TRUE(matches_glob("aXbXc", "*X*c"));
  EXPECT_TRUE(matches_glob("aaab", "*aab"));
  EXPECT_FALSE(matches_glob("aaaa", "*aab"));
  EXPECT_FALSE(matches_glob("axb", "*ab"));
  EXPECT_FALSE(matches_glob("abaab", "abaa*aab"));  // what is before the star is not looked at again
}

}  // namespace
}  // namespace gpuwarden::policy
