#include "gpuwarden/http/retry.hpp"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

namespace gpuwarden::http {
namespace {

using namespace std::chrono_literals;

Error error_of(ErrorKind kind) {
  Error error;
  error.kind = kind;
  return error;
}

RetryPolicy patient() {
  RetryPolicy policy;
  policy.max_attempts = 100;
  return policy;
}

TEST(Retry, GivesUpAfterTheLastAttempt) {
  const RetryPolicy policy;
  const Error error = error_of(ErrorKind::unavailable);
  EXPECT_TRUE(pause_before_retry(policy, error, 1, 0));
  EXPECT_TRUE(pause_before_retry(policy, error, 2, 0));
  EXPECT_FALSE(pause_before_retry(policy, error, 3, 0));
  EXPECT_FALSE(pause_before_retry(policy, error, 4, 0));
}

TEST(Retry, RepeatsOnlyWhatMaySucceed) {
  for (const auto kind :
       {ErrorKind::unavailable, ErrorKind::rate_limited, ErrorKind::timeout, ErrorKind::ambiguous}) {
    EXPECT_TRUE(pause_before_retry(patient(), error_of(kind), 1, 0)) << to_string(kind);
  }
  for (const auto kind :
       {ErrorKind::invalid_input, ErrorKind::unauthorized, ErrorKind::not_found, ErrorKind::conflict,
        ErrorKind::malformed, ErrorKind::refused, ErrorKind::cancelled, ErrorKind::internal}) {
    EXPECT_FALSE(pause_before_retry(patient(), error_of(kind), 1, 0)) << to_string(kind);
  }
}

TEST(Retry, PausesAreUniformBetweenZeroAndADoublingLimitThatIsCapped) {
  const Error error = error_of(ErrorKind::unavailable);
  const struct {
    int made;
    Duration longest;
  } cases[] = {{1, 500ms}, {2, 1s}, {3, 2s}, {4, 4s}, {5, 8s}, {6, 8s}, {40, 8s}, {99, 8s}};
  for (const auto& each : cases) {
    std::mt19937_64 random(1);
    Duration shortest = 1h;
    Duration longest{0};
    double sum = 0;
    constexpr int kDraws = 20'000;
    for (int i = 0; i < kDraws; ++i) {
      const auto pause = pause_before_retry(patient(), error, each.made, random());
      ASSERT_TRUE(pause);
      shortest = std::min(shortest, *pause);
      longest = std::max(longest, *pause);
      sum += static_cast<double>(pause->count());
    }
    EXPECT_LE(longest, each.longest) << each.made;
    EXPECT_GE(longest, each.longest * 95 / 100) << each.made;
    EXPECT_LE(shortest, each.longest * 5 / 100) << each.made;
    EXPECT_NEAR(sum / kDraws, static_cast<double>(each.longest.count()) / 2,
                static_cast<double>(each.longest.count()) / 50);
  }
}

TEST(Retry, TheLongestPauseIsReached) {
  const Error error = error_of(ErrorKind::unavailable);
  EXPECT_EQ(pause_before_retry(patient(), error, 1, 500), 500ms);
  EXPECT_EQ(pause_before_retry(patient(), error, 1, 501), 0ms);
}

TEST(Retry, IsNeverShorterThanWhatTheServerAskedFor) {
  Error error = error_of(ErrorKind::rate_limited);
  error.retry_after = 30s;
  EXPECT_EQ(pause_before_retry(patient(), error, 1, 123), 30s);
  error.retry_after = 200ms;
  EXPECT_EQ(pause_before_retry(patient(), error, 1, 123), 200ms);
  EXPECT_EQ(pause_before_retry(patient(), error, 1, 321), 321ms);
}

TEST(Retry, SurvivesOddPolicies) {
  const Error error = error_of(ErrorKind::unavailable);
  RetryPolicy none = patient();
  none.base = 0ms;
  EXPECT_EQ(pause_before_retry(none, error, 50, 12345), 0ms);
  RetryPolicy inverted = patient();
  inverted.base = 10s;
  inverted.cap = 1s;
  EXPECT_EQ(pause_before_retry(inverted, error, 1, 1000), 1s);
  EXPECT_EQ(pause_before_retry(inverted, error, 1, 1001), 0ms);
}

}  // namespace
}  // namespace gpuwarden::http
