#include "gpuwarden/ops/alerts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace gpuwarden::ops {
namespace {

using namespace std::chrono_literals;
using ports::LogLevel;
using testing::HasSubstr;
using testing::Not;

constexpr WallTime kAt{std::chrono::sys_days{std::chrono::year{2026} / 11 / 24}};

struct Alerts : testing::Test {
  AlertRules rules;
  MonoTime now{1h};

  std::optional<Alert> line(std::string_view event, std::string_view message, const ports::LogFields& fields,
                            LogLevel level = LogLevel::info) {
    return rules.of(level, event, message, fields, now, kAt);
  }
  std::optional<Alert> failure(const std::string& cause, const std::string& fingerprint = "f1") {
    return line("worker_failed", "the worker ended at once with exit code 2",
                {{"worker", "gpu-1"},
                 {"cause", cause},
                 {"evidence", "unrecognized arguments: --turbo"},
                 {"advice", "check WORKER_START_CMD"},
                 {"fingerprint", fingerprint}},
                LogLevel::error);
  }
  std::vector<Alert> after(Duration passed) {
    now += passed;
    return rules.due(now, kAt);
  }
};

TEST_F(Alerts, AFailureIsToldWithWorkerCauseEvidenceAndAdvice) {
  const auto alert = failure("start_failed");
  ASSERT_TRUE(alert);
  EXPECT_EQ(alert->event, "worker_failed");
  EXPECT_EQ(alert->worker, "gpu-1");
  EXPECT_EQ(alert->cause, "start_failed");
  EXPECT_EQ(alert->evidence, "unrecognized arguments: --turbo");
  EXPECT_EQ(alert->advice, "check WORKER_START_CMD");
}

TEST_F(Alerts, TheSameFailureOnManyPodsIsToldOnceAndAfterAnHourWithTheNumberOfTheOthers) {
  ASSERT_TRUE(failure("start_failed"));
  for (int i = 0; i < 49; ++i) EXPECT_FALSE(failure("start_failed"));
  EXPECT_TRUE(after(1h - 1s).empty());
  const auto due = after(1s);
  ASSERT_EQ(due.size(), 1U);
  EXPECT_EQ(due[0].more, 48) << "49 were held back, this is one of them";
  EXPECT_FALSE(failure("start_failed")) << "a new hour began";
}

TEST_F(Alerts, AFailureAfterAQuietTimeIsToldAtOnce) {
  ASSERT_TRUE(failure("start_failed"));
  EXPECT_TRUE(after(1h).empty()) << "no reminder of what has ended";
  const auto again = failure("start_failed");
  ASSERT_TRUE(again);
  EXPECT_EQ(again->more, 0);
}

TEST_F(Alerts, AnotherCauseOrFingerprintIsNews) {
  ASSERT_TRUE(failure("start_failed", "f1"));
  EXPECT_TRUE(failure("start_failed", "f2"));
  EXPECT_TRUE(failure("disk_full", "f1"));
}

TEST_F(Alerts, WhatIsNobodysFaultWakesNobody) {
  EXPECT_FALSE(failure("no_capacity"));
  EXPECT_FALSE(failure("spot_reclaimed"));
}

TEST_F(Alerts, BalanceAndKeysHaveAlertsOfTheirOwnWhateverTheWordsOfTheService) {
  EXPECT_EQ(failure("insufficient_balance", "f1")->event, "balance_too_low");
  EXPECT_FALSE(failure("insufficient_balance", "f2"));
  EXPECT_EQ(failure("unauthorized", "f1")->event, "unauthorized");
  EXPECT_FALSE(failure("unauthorized", "f2"));
}

TEST_F(Alerts, TheBreakerIsToldWhenItOpensAndWhenItCloses) {
  const ports::LogFields opened{{"reason", "closed -> open: 6 of 6 starts failed within 30m"}};
  const auto open = line("save_breaker", "breaker open", opened);
  ASSERT_TRUE(open);
  EXPECT_EQ(open->event, "breaker_opened");
  EXPECT_THAT(open->evidence, HasSubstr("6 of 6 starts failed"));
  EXPECT_FALSE(line("save_breaker", "breaker half_open", {}));
  EXPECT_FALSE(line("save_breaker", "breaker open", {})) << "a failed canary is no news";
  EXPECT_EQ(line("save_breaker", "breaker closed", {})->event, "breaker_closed");
  EXPECT_TRUE(line("save_breaker", "breaker open", {}));
}

TEST_F(Alerts, AnOpenBreakerIsRememberedEachHourWithItsNewestReasonUntilItCloses) {
  ASSERT_TRUE(
      line("save_breaker", "breaker open", {{"reason", "3 starts failed: start_failed: no option --x"}}));
  EXPECT_FALSE(line("save_breaker", "breaker open", {{"reason", "the canary failed: disk_full: no space"}}));
  EXPECT_TRUE(after(1h - 1s).empty());
  const auto due = after(1s);
  ASSERT_EQ(due.size(), 1U);
  EXPECT_EQ(due[0].event, "breaker_opened");
  EXPECT_THAT(due[0].text, HasSubstr("has not closed for 1h"));
  EXPECT_THAT(due[0].evidence, HasSubstr("no space"));
  EXPECT_EQ(after(1h).size(), 1U);
  ASSERT_TRUE(line("save_breaker", "breaker closed", {}));
  EXPECT_TRUE(after(2h).empty());
}

TEST_F(Alerts, ACauseThatTheCrashBundleCorrectsIsToldUnlessItIsKnown) {
  const ports::LogFields fields{{"worker", "gpu-1"}, {"cause", "disk_full"}, {"fingerprint", "f9"}};
  const auto alert = line("cause_sharpened", "The disk is full", fields, LogLevel::warning);
  ASSERT_TRUE(alert);
  EXPECT_EQ(alert->cause, "disk_full");
  EXPECT_FALSE(line("cause_sharpened", "The disk is full", fields, LogLevel::warning));
}

TEST_F(Alerts, APassedCostLimitAndARequestThatIsRefusedEverywhereAreTold) {
  const auto passed = line("held_back", "the pods cost $2.10 an hour, $2.00 is the limit: workers are let go",
                           {{"gate", "over_budget"}}, LogLevel::warning);
  ASSERT_TRUE(passed);
  EXPECT_EQ(passed->event, "cost_limit_passed");
  EXPECT_THAT(passed->text, HasSubstr("$2.10 an hour"));
  const auto refused = line("held_back", "Runpod refuses our request for every placement: disk too large",
                            {{"gate", "rejected"}}, LogLevel::warning);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->event, "request_rejected");
  EXPECT_THAT(refused->text, HasSubstr("disk too large"));
  EXPECT_FALSE(line("held_back", "again", {{"gate", "rejected"}}, LogLevel::warning)) << "once an hour";
}

TEST_F(Alerts, AChangeOfTheBreakerThatWasNotWrittenDownIsNotTold) {
  EXPECT_FALSE(line("save_breaker", "another daemon leads", {}, LogLevel::warning));
}

TEST_F(Alerts, AnUnreadableServiceIsToldAfterTwoMinutesAndSoIsItsRecovery) {
  EXPECT_FALSE(line("source_lost", "Supabase cannot be read",
                    {{"service", "supabase"}, {"error", "connection refused"}, {"kind", "unavailable"}}));
  EXPECT_TRUE(after(2min - 1s).empty());
  const auto due = after(1s);
  ASSERT_EQ(due.size(), 1U);
  EXPECT_EQ(due[0].event, "service_unreadable");
  EXPECT_THAT(due[0].text, HasSubstr("Supabase cannot be read, for 2m"));
  EXPECT_EQ(due[0].evidence, "connection refused");
  EXPECT_TRUE(after(1h).empty()) << "once";
  const auto back = line("source_back", "Supabase can be read again", {{"service", "supabase"}});
  ASSERT_TRUE(back);
  EXPECT_EQ(back->event, "service_back");
}

TEST_F(Alerts, AShortOutageIsNotToldAndNeitherIsItsEnd) {
  line("source_lost", "", {{"service", "runpod"}, {"error", "502"}, {"kind", "unavailable"}});
  EXPECT_TRUE(after(1min).empty());
  EXPECT_FALSE(line("source_back", "", {{"service", "runpod"}}));
  EXPECT_TRUE(after(1h).empty());
}

TEST_F(Alerts, ADatabaseThatAnswersReadsOnlyIsAnOutageToo) {
  EXPECT_FALSE(line("held_back", "it answers reads only", {{"gate", "database"}}, LogLevel::warning));
  const auto due = after(2min);
  ASSERT_EQ(due.size(), 1U);
  EXPECT_THAT(due[0].text, HasSubstr("The database answers reads only"));
  EXPECT_TRUE(line("released", "no longer held back", {{"gate", "database"}}));
}

TEST_F(Alerts, ARefusedKeyIsToldAtOnceAndItsReplacementAsWell) {
  const auto alert =
      line("source_lost", "", {{"service", "runpod"}, {"error", "401"}, {"kind", "unauthorized"}});
  ASSERT_TRUE(alert);
  EXPECT_EQ(alert->event, "unauthorized");
  EXPECT_THAT(alert->text, HasSubstr("RUNPOD_API_KEY"));
  EXPECT_TRUE(after(5min).empty());
  EXPECT_EQ(line("source_back", "", {{"service", "runpod"}})->event, "service_back");
}

TEST_F(Alerts, UndeletablePodsAndCostLimitsAreToldOnceAnHour) {
  const auto stubborn = line("held_back", "still there: pod-1", {{"gate", "undeletable"}});
  ASSERT_TRUE(stubborn);
  EXPECT_EQ(stubborn->event, "undeletable_pod");
  EXPECT_THAT(stubborn->text, HasSubstr("pod-1"));
  EXPECT_EQ(line("held_back", "$5.00 is the limit", {{"gate", "budget"}})->event, "cost_limit");
  now += 59min;
  EXPECT_FALSE(line("held_back", "$5.00 is the limit", {{"gate", "budget"}}));
  EXPECT_EQ(after(1min).size(), 1U);
}

TEST_F(Alerts, OrdinaryLinesAreNone) {
  EXPECT_FALSE(line("spawn", "pod p1", {{"worker", "gpu-1"}}));
  EXPECT_FALSE(line("held_back", "at most 3 spawns in a minute", {{"gate", "spawn_rate"}}));
  EXPECT_FALSE(line("released", "no longer held back", {{"gate", "budget"}}));
}

TEST_F(Alerts, AMessageHoldsTheSameSentenceForSlackAndDiscordAndTheParts) {
  const auto json = nlohmann::json::parse(alert_json(*failure("start_failed"), "team-a", Redactor()));
  EXPECT_EQ(json["text"], json["content"]);
  EXPECT_EQ(
      json["text"],
      "gpuwarden (team-a): Worker gpu-1 failed, start_failed: the worker ended at once with exit code 2. "
      "Evidence: unrecognized arguments: --turbo. What to do: check WORKER_START_CMD.");
  EXPECT_EQ(json["event"], "worker_failed");
  EXPECT_EQ(json["owner"], "team-a");
  EXPECT_EQ(json["worker"], "gpu-1");
  EXPECT_EQ(json["cause"], "start_failed");
  EXPECT_EQ(json["evidence"], "unrecognized arguments: --turbo");
  EXPECT_EQ(json["advice"], "check WORKER_START_CMD");
  EXPECT_EQ(json["time"], "2026-11-24T00:00:00Z");
}

TEST_F(Alerts, Case16AMessageHoldsNoSecretCallsNobodyAndIsShortEnoughForDiscord) {
  Redactor redactor;
  redactor.add("planted-secret-1");
  Alert alert = *failure("start_failed");
  alert.evidence = "token planted-secret-1 @everyone <!channel> " + std::string(5000, 'x');
  alert.text += std::string(5000, 'y');
  const std::string body = alert_json(alert, "default", redactor);
  EXPECT_THAT(body, Not(HasSubstr("planted-secret-1")));
  const auto text = nlohmann::json::parse(body)["text"].get<std::string>();
  EXPECT_THAT(text, Not(HasSubstr("@everyone")));
  EXPECT_THAT(text, Not(HasSubstr("<!channel")));
  EXPECT_LE(text.size(), 1800U);
}

}  // namespace
}  // namespace gpuwarden::ops
