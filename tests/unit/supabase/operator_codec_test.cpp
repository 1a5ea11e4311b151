#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/supabase/codec.hpp"

namespace gpuwarden::supabase {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using ::testing::HasSubstr;
using Kind = ports::OperatorCommand::Kind;

const json kAnswer = json::parse(R"({"done":true,"reason":"held","state":{
  "paused":true,"paused_by":"bob","pause_reason":"maintenance","breaker":"half_open","generation":7,
  "override":{"kind":"hold","actor":"ann","reason":"looking","expires_in_s":90.5}}})");

TEST(OperatorCodec, EachWordIsACommandOfTheFunction) {
  const auto sent = [](Kind kind) {
    return json::parse(operator_request("o", {kind, "ann", "why", std::nullopt}))["command_param"];
  };
  EXPECT_EQ(sent(Kind::pause), "pause");
  EXPECT_EQ(sent(Kind::resume), "resume");
  EXPECT_EQ(sent(Kind::hold), "breaker_hold");
  EXPECT_EQ(sent(Kind::release), "breaker_release");
  EXPECT_EQ(sent(Kind::clear), "breaker_clear");
  EXPECT_EQ(sent(Kind::reset), "breaker_reset");
}

TEST(OperatorCodec, ARequestNamesOwnerActorReasonAndEnd) {
  EXPECT_EQ(json::parse(operator_request("o", {Kind::hold, "ann", "why", 90500ms})), json::parse(R"({
    "owner_param":"o","command_param":"breaker_hold","actor_param":"ann","reason_param":"why","ttl_sec_param":91})"));
  EXPECT_EQ(json::parse(operator_request("o", {Kind::hold, "ann", "why", 90s}))["ttl_sec_param"], 90);
  EXPECT_TRUE(json::parse(operator_request("o", {Kind::hold, "ann", "", {}}))["ttl_sec_param"].is_null());
}

TEST(OperatorCodec, TheAnswerSaysHowThingsStand) {
  const auto answer = parse_operator(kAnswer.dump());
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_TRUE(answer->done);
  EXPECT_TRUE(answer->switches.paused);
  EXPECT_EQ(answer->switches.paused_by, "bob");
  EXPECT_EQ(answer->switches.pause_reason, "maintenance");
  EXPECT_EQ(answer->breaker, BreakerState::half_open);
  EXPECT_EQ(answer->generation, 7);
  ASSERT_TRUE(answer->breaker_override);
  EXPECT_EQ(answer->breaker_override->kind, BreakerOverride::Kind::hold);
  EXPECT_EQ(answer->breaker_override->actor, "ann");
  EXPECT_EQ(answer->breaker_override->expires_in, 90500ms);
}

TEST(OperatorCodec, WithoutAnOverrideThereIsNone) {
  json doc = kAnswer;
  doc["done"] = false;
  doc["state"]["override"] = nullptr;
  doc["state"]["paused_by"] = nullptr;
  const auto answer = parse_operator(doc.dump());
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_FALSE(answer->done);
  EXPECT_FALSE(answer->breaker_override);
  EXPECT_EQ(answer->switches.paused_by, "");
}

TEST(OperatorCodec, AnAnswerThatIsNotUnderstoodIsAnError) {
  json doc = kAnswer;
  doc["state"]["breaker"] = "ajar";
  EXPECT_THAT(parse_operator(doc.dump()).error().message, HasSubstr("'ajar'"));
  doc = kAnswer;
  doc["state"]["override"]["kind"] = "pray";
  EXPECT_THAT(parse_operator(doc.dump()).error().message, HasSubstr("'pray'"));
  doc = kAnswer;
  doc.erase("done");
  EXPECT_THAT(parse_operator(doc.dump()).error().message, HasSubstr("'done'"));
  EXPECT_EQ(parse_operator("no").error().kind, ErrorKind::malformed);
}

}  // namespace
}  // namespace gpuwarden::supabase
