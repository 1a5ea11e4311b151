#include "sandbox/pod_rules.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/sandbox/create_bodies.hpp"

namespace gpuwarden::sandbox {
namespace {

using nlohmann::json;

class CreateRules : public testing::TestWithParam<CreateCase> {};

TEST_P(CreateRules, AnswersAsRunpodDoes) {
  const auto refusal = check_create(body_of(GetParam()), {});
  EXPECT_EQ(refusal.status, GetParam().status) << refusal.detail << " " << json(refusal.errors).dump();
  const auto words = refusal.detail + "\n" + fmt::format("{}", fmt::join(refusal.errors, "\n"));
  EXPECT_THAT(words, testing::HasSubstr(GetParam().says));
  if (refusal.status == 422) {
    EXPECT_EQ(refusal.detail, "Request validation failed.");
    EXPECT_FALSE(refusal.errors.empty());
  }
}
INSTANTIATE_TEST_SUITE_P(Bodies, CreateRules, testing::ValuesIn(create_cases()),
                         [](const auto& each) { return each.param.name; });

json with_environment(int variables) {
  auto body = good_create();
  for (int number = 0; number < variables; ++number) body["env"]["V" + std::to_string(number)] = "x";
  return body;
}

TEST(CreateLimits, FiftyEnvironmentVariablesAreAllowedAndFiftyOneAreNot) {
  EXPECT_EQ(check_create(with_environment(50), {}).status, 0);
  EXPECT_EQ(check_create(with_environment(51), {}).status, 400);
}

TEST(CreateLimits, TenHttpPortsAreAllowedAndElevenAreNot) {
  auto body = good_create();
  for (int port = 0; port < 10; ++port) body["ports"].push_back(fmt::format("{}/http", 8000 + port));
  body["ports"].push_back("22/tcp");
  EXPECT_EQ(check_create(body, {}).status, 0);
  body["ports"].push_back("9000/http");
  EXPECT_EQ(check_create(body, {}).status, 400);
}

TEST(CreateErrors, EveryViolationIsNamedAtOnce) {
  auto body = good_create();
  body["disk"] = 0;
  body["bogus"] = true;
  body.erase("name");
  EXPECT_EQ(check_create(body, {}).errors.size(), 3u);
}

TEST(CreateErrors, ABodyThatIsNoObjectIsRefused) {
  EXPECT_EQ(check_create(json::array(), {}).status, 422);
}

TEST(Placement, AShortageIsToldByRunpodsOwnWords) {
  EXPECT_EQ(
      check_create(good_create(), {"*"}).detail,
      "There are no longer any instances available with the requested specifications. Please refresh and try "
      "again.");
}

TEST(Placement, ASoldOutGpuDoesNotConcernOthers) {
  auto body = good_create();
  EXPECT_EQ(check_create(body, {"NVIDIA GeForce RTX 4090"}).status, 400);
  body["gpu"]["id"] = "NVIDIA GeForce RTX 3090";
  EXPECT_EQ(check_create(body, {"NVIDIA GeForce RTX 4090"}).status, 0);
}

TEST(Placement, ASoldOutDataCenterIsPassedOver) {
  EXPECT_EQ(place(good_create(), {}), "EU-RO-1");
  EXPECT_EQ(place(good_create(), {"EU-RO-1"}), "EU-SE-1");
  auto body = good_create();
  body["dataCenterIds"] = {"EU-RO-1"};
  EXPECT_EQ(place(body, {"EU-RO-1"}), "");
}

}  // namespace
}  // namespace gpuwarden::sandbox
