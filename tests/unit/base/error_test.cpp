#include <set>
#include <unordered_set>

#include <gtest/gtest.h>

#include "gpuwarden/base/ids.hpp"
#include "gpuwarden/base/result.hpp"
#include "gpuwarden/base/secret.hpp"

namespace gpuwarden {
namespace {

constexpr ErrorKind kAllKinds[] = {ErrorKind::invalid_input, ErrorKind::unauthorized, ErrorKind::not_found,
                                   ErrorKind::conflict,      ErrorKind::rate_limited, ErrorKind::unavailable,
                                   ErrorKind::ambiguous,     ErrorKind::timeout,      ErrorKind::malformed,
                                   ErrorKind::refused,       ErrorKind::cancelled,    ErrorKind::internal};

TEST(Errors, HaveAName) {
  std::set<std::string_view> names;
  for (const ErrorKind kind : kAllKinds) names.insert(to_string(kind));
  EXPECT_EQ(names.size(), std::size(kAllKinds));
}

TEST(Errors, AreTransientWhenTheServiceMayAnswerOtherwiseLater) {
  for (const ErrorKind kind : kAllKinds) {
    Error error;
    error.kind = kind;
    const bool expected = kind == ErrorKind::rate_limited || kind == ErrorKind::unavailable ||
                          kind == ErrorKind::ambiguous || kind == ErrorKind::timeout;
    EXPECT_EQ(is_transient(error), expected) << to_string(kind);
  }
}

TEST(Errors, KeepEverythingButTheMessageWhenContextIsPutBefore) {
  Error error;
  error.kind = ErrorKind::rate_limited;
  error.message = "wait";
  error.http_status = 429;
  error.code = "X";
  error.retry_after = std::chrono::seconds(3);
  const Error outer = error.within("create").within("spawn");
  EXPECT_EQ(outer.message, "spawn: create: wait");
  EXPECT_EQ(outer.kind, error.kind);
  EXPECT_EQ(outer.http_status, 429);
  EXPECT_EQ(outer.code, "X");
  EXPECT_EQ(outer.retry_after, error.retry_after);
}

TEST(Results, CarryAFailure) {
  const Result<int> result = fail(ErrorKind::malformed, "no field 'id'");
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().kind, ErrorKind::malformed);
  EXPECT_EQ(result.error().message, "no field 'id'");
  Error error;
  error.http_status = 500;
  const Result<int> second = fail(error);
  EXPECT_EQ(second.error().http_status, 500);
}

TEST(Ids, OfDifferentKindsCannotBeMixedUp) {
  static_assert(!std::is_convertible_v<std::string, WorkerId>);
  static_assert(!std::is_convertible_v<WorkerId, PodId>);
  static_assert(!std::is_constructible_v<WorkerId, PodId>);
  EXPECT_TRUE(WorkerId().empty());
  EXPECT_EQ(WorkerId("a"), WorkerId("a"));
  EXPECT_LT(WorkerId("a"), WorkerId("b"));
  const std::unordered_set<WorkerId> set{WorkerId("a"), WorkerId("b"), WorkerId("a")};
  EXPECT_EQ(set.size(), 2U);
}

template <class T>
concept Printable = requires(std::ostream& out, const T& value) { out << value; };

TEST(Secrets, CannotBePrintedOrConverted) {
  static_assert(!std::is_convertible_v<Secret, std::string>);
  static_assert(!std::is_convertible_v<Secret, std::string_view>);
  static_assert(!Printable<Secret>);
  const Secret secret("abc");
  EXPECT_EQ(secret.reveal(), "abc");
  EXPECT_EQ(secret, Secret("abc"));
  EXPECT_TRUE(Secret().empty());
}

}  // namespace
}  // namespace gpuwarden
