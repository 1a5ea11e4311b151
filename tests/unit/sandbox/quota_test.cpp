#include "sandbox/quota.hpp"

#include <gtest/gtest.h>

namespace gpuwarden::sandbox {
namespace {

using namespace std::chrono_literals;

MonoTime at(Duration time) {
  return MonoTime(time);
}

TEST(Quota, TheSixtyFirstRequestOfAMinuteIsRefused) {
  Quota quota(60);
  for (int request = 0; request < 60; ++request) EXPECT_FALSE(quota.spend(at(5s)));
  const auto exceeded = quota.spend(at(17s));
  ASSERT_TRUE(exceeded);
  EXPECT_EQ(exceeded->window, "minute");
  EXPECT_EQ(exceeded->retry_after_s, 48);
}

TEST(Quota, TheWindowBeginsWithItsFirstRequestAndLastsAMinute) {
  Quota quota(1);
  EXPECT_FALSE(quota.spend(at(10s)));
  EXPECT_TRUE(quota.spend(at(69999ms)));
  EXPECT_FALSE(quota.spend(at(70s)));
}

TEST(Quota, RefusedRequestsAreNotSpent) {
  Quota quota(1);
  EXPECT_FALSE(quota.spend(at(0s)));
  for (int request = 0; request < 1000; ++request) EXPECT_TRUE(quota.spend(at(1s)));
  EXPECT_FALSE(quota.spend(at(60s)));
}

TEST(Quota, TheHourIsALimitOfItsOwn) {
  Quota quota(2);
  long granted = 0;
  std::string window;
  for (int minute = 0; minute < 60; ++minute)
    for (int request = 0; request < 2; ++request) {
      const auto exceeded = quota.spend(at(std::chrono::minutes(minute)));
      if (exceeded)
        window = exceeded->window;
      else
        ++granted;
    }
  EXPECT_EQ(granted, 100);
  EXPECT_EQ(window, "hour");
}

TEST(Quota, HeadersShowWhatIsLeftAndWhenItComesBack) {
  Quota quota(60);
  quota.spend(at(0s));
  quota.spend(at(1s));
  EXPECT_EQ(quota.rate_limit_header(at(12500ms)),
            R"("minute";r=58;t=48, "hour";r=2998;t=3588, "day";r=49998;t=86388)");
  EXPECT_EQ(quota.policy_header(), R"("minute";q=60;w=60, "hour";q=3000;w=3600, "day";q=50000;w=86400)");
}

TEST(Quota, AFreshWindowShowsTheWholeQuota) {
  Quota quota(60);
  quota.spend(at(0s));
  EXPECT_TRUE(quota.rate_limit_header(at(61s)).starts_with(R"("minute";r=60;t=60)"));
}

TEST(Quota, ASmallerQuotaHoldsAtOnce) {
  Quota quota(60);
  for (int request = 0; request < 5; ++request) quota.spend(at(0s));
  quota.set_per_minute(5);
  EXPECT_TRUE(quota.spend(at(1s)));
  EXPECT_TRUE(quota.rate_limit_header(at(1s)).starts_with(R"("minute";r=0;)"));
}

TEST(Quota, ASmallerQuotaAfterABusyTimeBlocksNoLongerThanItsMinute) {
  Quota quota(600);
  for (int request = 0; request < 300; ++request) ASSERT_FALSE(quota.spend(at(0s)));
  quota.set_per_minute(5);
  const auto exceeded = quota.spend(at(30s));
  ASSERT_TRUE(exceeded);
  EXPECT_EQ(exceeded->window, "minute");
  for (int request = 0; request < 5; ++request) EXPECT_FALSE(quota.spend(at(60s)));
  EXPECT_TRUE(quota.spend(at(60s)));
  quota.set_per_minute(600);
  EXPECT_FALSE(quota.spend(at(61s))) << "and none at all once it is lifted";
}

}  // namespace
}  // namespace gpuwarden::sandbox
