#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli_fixture.hpp"

namespace gpuwarden::cli {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Spoken;
using testing::Terminal;
using Json = nlohmann::json;
using Kind = ports::OperatorCommand::Kind;

StartOutcome start(std::int64_t generation, Duration age, std::optional<FailureCause> failed) {
  StartOutcome outcome;
  outcome.worker = WorkerId("gpu-default-" + std::to_string(age.count()));
  outcome.success = !failed;
  outcome.cause = failed.value_or(FailureCause::unclassified);
  outcome.placement.gpu = "NVIDIA L4";
  outcome.placement.data_center = "EU-RO-1";
  outcome.generation = generation;
  outcome.age = age;
  return outcome;
}

/// Open for three minutes of a pause of four, after five failed starts.
void open_breaker(Terminal& terminal) {
  terminal.width = 120;
  Snapshot& state = terminal.store->state;
  state.breaker.state = BreakerState::open;
  state.breaker.generation = 2;
  state.breaker.state_age = 3min;
  state.breaker.pause = 4min;
  state.breaker.reason = "5 of 5 starts failed within 30m 0s, newest: start_failed";
  for (const Duration age : {200s, 210s, 220s, 230s})
    state.outcomes.push_back(start(1, age, FailureCause::start_failed));
  state.outcomes.push_back(start(1, 240s, FailureCause::setup_failed));
  state.outcomes.push_back(start(1, 31min, FailureCause::setup_failed));
}

TEST(BreakerCommand, SaysStateReasonNextCanaryAndEvidence) {
  Terminal terminal;
  open_breaker(terminal);
  const Spoken said = terminal.type({"breaker"});
  EXPECT_EQ(said.code, kDone);
  EXPECT_EQ(said.out,
            "Breaker   open for 3m 0s, since 2026-11-24T00:57:00Z (generation 2)\n"
            "Why       5 of 5 starts failed within 30m 0s, newest: start_failed\n"
            "Canary    one pod is tried in 1m 0s\n"
            "Starts    5 in the last 30m 0s, 5 failed (100 %); since its last change 0, 0 failed\n"
            "Failed    1 setup_failed, 4 start_failed; newest 3m 20s ago: gpu-default-200000 on NVIDIA L4 in "
            "EU-RO-1\n"
            "\n"
            "Next: gpuwarden failures; when the cause is mended: gpuwarden breaker reset --reason \"...\"\n");
  EXPECT_EQ(terminal.store->operated.size(), 0U);
  EXPECT_EQ(terminal.store->snapshot_queries.at(0).holder, "") << "looking takes no leadership";
}

TEST(BreakerCommand, ACanaryThatIsDueStartsWithTheNextTick) {
  Terminal terminal;
  open_breaker(terminal);
  terminal.store->state.breaker.pause = 3min;
  EXPECT_THAT(terminal.type({"breaker"}).out, HasSubstr("Canary    one pod is tried with the next tick\n"));
  terminal.store->state.breaker.pause = 3min + 1s;
  EXPECT_THAT(terminal.type({"breaker"}).out, HasSubstr("Canary    one pod is tried in 1s\n"));
}

TEST(BreakerCommand, SaysWhichCanaryIsOnItsWay) {
  Terminal terminal;
  open_breaker(terminal);
  terminal.store->state.breaker.state = BreakerState::half_open;
  EXPECT_THAT(terminal.type({"breaker"}).out, HasSubstr("Canary    none is on its way; 0 came up so far\n"));
  terminal.store->state.breaker.canary = WorkerId("gpu-c");
  terminal.store->state.breaker.canary_successes = 1;
  EXPECT_THAT(terminal.type({"breaker"}).out, HasSubstr("Canary    gpu-c is on its way; 1 came up so far\n"));
}

TEST(BreakerCommand, NoCanaryIsPromisedWhileAnOperatorsWordHolds) {
  Terminal terminal;
  open_breaker(terminal);
  terminal.store->state.breaker_override = BreakerOverride{BreakerOverride::Kind::hold, "ann", "looking", {}};
  const std::string said = terminal.type({"breaker"}).out;
  EXPECT_THAT(said, HasSubstr("Override  held by ann without an end: looking\n"));
  EXPECT_THAT(said, Not(HasSubstr("Canary")));
}

TEST(BreakerCommand, AFleetThatNeverHadTroubleIsToldInTwoLines) {
  EXPECT_EQ(Terminal().type({"breaker"}).out,
            "Breaker   closed (generation 1)\n"
            "Starts    0 in the last 30m 0s, 0 failed; since its last change 0, 0 failed\n"
            "\n"
            "Next: gpuwarden explain\n");
}

TEST(BreakerCommand, ListsScopesOverrideAndPause) {
  Terminal terminal;
  terminal.width = 120;
  Snapshot& state = terminal.store->state;
  ScopeBreaker scope;
  scope.key = "host|NVIDIA L4|EU-RO-1";
  scope.state = BreakerState::open;
  scope.since = terminal.clock->wall() - 90s;
  scope.pause = 2min;
  scope.reason = "3 identical failures in a row";
  ScopeBreaker healed = scope;
  healed.state = BreakerState::closed;
  state.breaker.scopes = {scope, healed};
  state.breaker_override = BreakerOverride{BreakerOverride::Kind::hold, "ann", "looking", 1h + 59min};
  state.switches = {true, "bob", "maintenance"};
  EXPECT_EQ(terminal.type({"breaker"}).out,
            "Breaker   closed (generation 1)\n"
            "Override  held by ann for 1h 59m more: looking\n"
            "Starts    0 in the last 30m 0s, 0 failed; since its last change 0, 0 failed\n"
            "\n"
            "Places with a breaker of their own; the others go on\n"
            "  WHAT                    STATE     FOR  CANARY IN  WHY\n"
            "  host|NVIDIA L4|EU-RO-1  open   1m 30s        30s  3 identical failures in a row\n"
            "\n"
            "The fleet is paused by bob: maintenance. To end it: gpuwarden resume\n"
            "\n"
            "Next: gpuwarden breaker clear   # the breaker decides again\n");
  const auto json = Json::parse(terminal.type({"breaker", "--json"}).out);
  EXPECT_EQ(json["scopes"][0]["canary_in_s"], 30.0);
  EXPECT_EQ(json["override"]["kind"], "hold");
  EXPECT_EQ(json["override"]["expires_in_s"], 7140.0);
}

TEST(BreakerCommand, SpeaksJson) {
  Terminal terminal;
  open_breaker(terminal);
  const auto json = Json::parse(terminal.type({"breaker", "--json"}).out);
  EXPECT_EQ(json["state"], "open");
  EXPECT_EQ(json["generation"], 2);
  EXPECT_EQ(json["canary_in_s"], 60.0);
  EXPECT_TRUE(json["override"].is_null());
  EXPECT_EQ(json["evidence"]["failed"], 5);
  EXPECT_EQ(json["evidence"]["failed_since_change"], 0);
  EXPECT_EQ(json["evidence"]["causes"]["start_failed"], 4);
}

TEST(BreakerCommand, HoldsReleasesClearsAndResetsWithNameReasonAndEnd) {
  Terminal terminal;
  open_breaker(terminal);
  EXPECT_EQ(terminal.type({"breaker", "hold", "--reason", "looking", "--for", "2h", "--actor", "ann"}).out,
            "The breaker is held for 2h 0m: no pod is started.\nNext: gpuwarden breaker clear, when it may "
            "decide again\n");
  ASSERT_EQ(terminal.store->operated.size(), 1U);
  EXPECT_EQ(terminal.store->operated[0].kind, Kind::hold);
  EXPECT_EQ(terminal.store->operated[0].actor, "ann");
  EXPECT_EQ(terminal.store->operated[0].reason, "looking");
  EXPECT_EQ(terminal.store->operated[0].expires_in, 2h);
  EXPECT_THAT(terminal.type({"breaker", "release", "--reason", "I know", "--actor", "ann"}).out,
              HasSubstr("released until it is cleared: pods are started whatever"));
  EXPECT_EQ(terminal.type({"breaker", "clear", "--actor", "ann"}).out,
            "The breaker decides again; it is open.\nNext: gpuwarden breaker\n");
  EXPECT_EQ(terminal.type({"breaker", "clear", "--actor", "ann"}).out,
            "There was no hold or release in force.\nNext: gpuwarden breaker\n");
  EXPECT_EQ(terminal.type({"breaker", "reset", "--reason", "mended", "--actor", "ann"}).out,
            "The breaker is closed (generation 4); starts of before are no evidence any more.\n"
            "Next: gpuwarden explain\n");
  EXPECT_EQ(terminal.store->state.breaker.reason, "reset by ann: mended");
  EXPECT_EQ(terminal.store->count("operate"), 5);
}

TEST(PauseCommand, PausesAndResumes) {
  Terminal terminal;
  EXPECT_EQ(terminal.type({"resume", "--actor", "ann"}).out,
            "The fleet was not paused.\nNext: gpuwarden explain\n");
  EXPECT_THAT(terminal.type({"pause", "--reason", "maintenance", "--actor", "ann"}).out,
              HasSubstr("is paused: nothing is started or removed.\nNext: gpuwarden resume"));
  EXPECT_TRUE(terminal.store->state.switches.paused);
  EXPECT_THAT(terminal.type({"pause", "--reason", "more", "--actor", "bob"}).out,
              HasSubstr("was paused already; name and reason are now yours."));
  const auto json = Json::parse(terminal.type({"resume", "--actor", "ann", "--json"}).out);
  EXPECT_EQ(json["done"], true);
  EXPECT_EQ(json["said"], "resume");
  EXPECT_EQ(json["paused"], false);
  EXPECT_EQ(json["override"], nullptr);
  EXPECT_EQ(json["breaker"]["state"], "closed");
}

TEST(OperatorCommands, ASecretInAReasonIsNotStored) {
  Terminal terminal;
  terminal.type({"pause", "--reason", "key sb_secret_AbCdEfGh1234567890 is lost", "--actor", "ann"});
  EXPECT_THAT(terminal.store->operated.at(0).reason, Not(HasSubstr("AbCdEfGh")));
}

TEST(OperatorCommands, WrongUsageEndsWithTwoAndSaysHow) {
  Terminal terminal;
  const auto wrong = [&](const std::vector<std::string>& words) {
    const Spoken said = terminal.type(words);
    EXPECT_EQ(said.code, kUsage) << said.out;
    return said.err;
  };
  EXPECT_THAT(wrong({"pause"}), HasSubstr("--reason is needed"));
  EXPECT_THAT(wrong({"pause", "--reason", "  "}), HasSubstr("--reason is needed"));
  EXPECT_THAT(wrong({"breaker", "hold"}), HasSubstr("--reason is needed"));
  EXPECT_THAT(wrong({"breaker", "release"}), HasSubstr("--reason is needed"));
  EXPECT_THAT(wrong({"breaker", "reset"}), HasSubstr("--reason is needed"));
  EXPECT_EQ(wrong({"breaker", "rest", "--reason", "x"}),
            "error: breaker takes hold, release, clear or reset, not 'rest'. Did you mean: gpuwarden breaker "
            "reset\nSee: gpuwarden breaker --help\n");
  EXPECT_THAT(wrong({"breaker", "hold", "--reason", "x", "--for", "soon"}),
              HasSubstr("--for takes a time such as 30m"));
  EXPECT_THAT(wrong({"breaker", "reset", "--reason", "x", "--for", "2h"}),
              HasSubstr("--for belongs to breaker hold and breaker release"));
  EXPECT_THAT(wrong({"pause", "--reason", "x"}), HasSubstr("--actor NAME"));
  EXPECT_TRUE(terminal.store->operated.empty());
}

TEST(OperatorCommands, AServiceThatCannotBeReachedEndsWithThree) {
  Terminal terminal;
  terminal.store->outage = Error{ErrorKind::unavailable, "no connection", 0, "", {}};
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"breaker"}, {"breaker", "clear", "--actor", "a"}, {"resume", "--actor", "a"}}) {
    const Spoken said = terminal.type(words);
    EXPECT_EQ(said.code, kUnreachable);
    EXPECT_THAT(said.err, HasSubstr("no connection\nNext: gpuwarden doctor"));
  }
}

}  // namespace
}  // namespace gpuwarden::cli
