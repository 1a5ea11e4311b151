#include "policy/cusum.hpp"

#include <cmath>
#include <string_view>

#include <gtest/gtest.h>

namespace gpuwarden::policy {
namespace {

Cusum after(std::string_view oldest_first) {
  Cusum cusum;
  for (const char c : oldest_first) cusum.add(c == '+' ? 0 : c == 'o' ? 0.5 : 1);
  return cusum;
}

TEST(Cusum, RaisesTheAlarmAtFiveFailuresInARow) {
  EXPECT_FALSE(after("----").alarmed());
  EXPECT_TRUE(after("-----").alarmed());
  EXPECT_EQ(kFailuresToAlarm, 5);
}

TEST(Cusum, IsNotDilutedByAHealthyPast) {
  EXPECT_EQ(after("++++++++++++++++++++").score(), 0);
  EXPECT_FALSE(after("++++++++++++++++++++----").alarmed());
  EXPECT_TRUE(after("++++++++++++++++++++-----").alarmed());
}

TEST(Cusum, WeighsAFailureAndASuccessByTheirLogLikelihoods) {
  const double failure = std::log(kBrokenShare / kHealthyShare);
  const double success = std::log((1 - kBrokenShare) / (1 - kHealthyShare));
  EXPECT_DOUBLE_EQ(after("-").score(), failure);
  EXPECT_DOUBLE_EQ(after("--+").score(), 2 * failure + success);
  EXPECT_DOUBLE_EQ(failure_weight(), failure);
  EXPECT_NEAR(after("o").score(), 0.3163, 1e-4);
  EXPECT_EQ(after("-++").score(), 0);
}

TEST(Cusum, AlarmsWhenTwoOfThreeStartsFailForAWhile) {
  EXPECT_FALSE(after("--+--+--+").alarmed());
  EXPECT_TRUE(after("--+--+--+-").alarmed());
}

TEST(Cusum, CallsTheAlarmOffAfterThreeSuccessesMoreThanFailures) {
  EXPECT_TRUE(after("-----++").alarmed());
  EXPECT_FALSE(after("-----+++").alarmed());
  EXPECT_TRUE(after("-----++-++").alarmed());
  EXPECT_TRUE(after("--------------------++").alarmed());  // however long it lasted
  EXPECT_FALSE(after("--------------------+++").alarmed());
  EXPECT_FALSE(after("-----+++-").alarmed());  // over is over
}

TEST(Posterior, BeginsAtOneFailureInFive) {
  EXPECT_DOUBLE_EQ(posterior_share(0, 0), 0.2);
  EXPECT_DOUBLE_EQ(posterior_share(5, 5), 0.6);
  EXPECT_DOUBLE_EQ(posterior_share(0, 15), 0.05);
  EXPECT_DOUBLE_EQ(posterior_share(4.5, 5), 0.55);
}

}  // namespace
}  // namespace gpuwarden::policy
