#include <gtest/gtest.h>

#include "gpuwarden/base/format.hpp"

#include "breaker_starts.hpp"

namespace gpuwarden::policy {
namespace {

/// Half open, with everything in it that a change of state must not carry over.
BreakerMemory probing() {
  BreakerMemory memory = open_for(70s);
  memory.state = BreakerState::half_open;
  memory.canary_successes = 1;
  memory.canary = WorkerId("c");
  memory.script_hash = "s1";
  memory.reason = "paused for 2m 0s";
  memory.good_script = "s0";
  return memory;
}

Settings running(std::string script) {
  Settings settings;
  settings.script_hash = std::move(script);
  return settings;
}

TEST(Transition, ToOpenForgetsTheCanaryAndNotesTheScript) {
  BreakerMemory expected = probing();
  expected.state = BreakerState::open;
  expected.generation = 3;
  expected.state_age = 0s;
  expected.pause = 240s;
  expected.canary_successes = 0;
  expected.canary = {};
  expected.reason = "the canary failed: start_failed";
  EXPECT_EQ(next_state(input_of(probing(), "-"), running("s1")), expected);
  BreakerMemory closed;
  closed.script_hash = "s0";
  EXPECT_EQ(next_state(input_of(closed, "-----"), running("s1")).script_hash, "s1");
}

TEST(Transition, ToHalfOpenForgetsTheCanaryAndNotesTheScript) {
  BreakerMemory expected = probing();
  expected.generation = 3;
  expected.state_age = 0s;
  expected.canary_successes = 0;
  expected.canary = {};
  expected.script_hash = "s2";
  expected.reason = "startup script or worker configuration changed";
  EXPECT_EQ(next_state(input_of(probing()), running("s2")), expected);
  BreakerMemory open = probing();
  open.state = BreakerState::open;
  EXPECT_EQ(next_state(input_of(open), running("s2")), expected);
}

TEST(Transition, ToClosedForgetsTheCanaryAndThePause) {
  BreakerMemory expected = probing();
  expected.state = BreakerState::closed;
  expected.generation = 3;
  expected.state_age = 0s;
  expected.pause = 0s;
  expected.canary_successes = 0;
  expected.canary = {};
  expected.reason = "2 canaries came up";
  EXPECT_EQ(next_state(input_of(probing(), "++"), running("s1")), expected);
}

TEST(Transition, IsNoneWhileTheCanaryIsUnderWayAndItsNameIsKept) {
  BreakerInput input = input_of(probing());
  input.canary_alive = WorkerId("d");
  BreakerMemory expected = probing();
  expected.canary = WorkerId("d");
  EXPECT_EQ(next_state(input, running("s1")), expected);
}

TEST(Transition, ByTheOperatorsShareNeedsAtLeastOneStart) {
  for (const int fewest : {1, 0, -3}) {
    Settings settings;
    settings.min_workers_for_rate = fewest;
    const auto opens = [&](std::string_view outcomes) {
      return reason_to_open(tally_of(starts(outcomes), BreakerMemory{}, settings), settings).has_value();
    };
    EXPECT_TRUE(opens("-"));
    EXPECT_FALSE(opens(""));
    EXPECT_FALSE(opens("-+"));
  }
}

TEST(Permit, SaysWhyItIsNone) {
  BreakerInput input = input_of(open_for(20s));
  input.kept.reason = "far more starts fail than usual";
  SpawnPermit none = permit(input.kept, input, 0, 0, Settings{});
  EXPECT_EQ(none.gate, "breaker");
  EXPECT_EQ(none.reason, "open: far more starts fail than usual");
  EXPECT_FALSE(none.canary);

  input = input_of(probing());
  EXPECT_EQ(permit(input.kept, input, 0, 0, Settings{}).reason,
            "half open: one canary at a time, 1 of 2 came up");
  input.ghosts = 1;
  none = permit(input.kept, input, 1, 0, Settings{});
  EXPECT_EQ(none.reason, "half open: a spawn is still under way");
  EXPECT_FALSE(none.opens_in);
  input.canary_alive = WorkerId("d");
  EXPECT_EQ(permit(input.kept, input, 1, 0, Settings{}).reason, "half open: waiting for canary d");

  input = input_of(BreakerMemory{}, "+");
  EXPECT_EQ(permit(input.kept, input, 1, 0, Settings{}).reason,
            "1 pods are on their way to their first heartbeat, 4 may be until more succeed");
}

TEST(Permit, IsDueAtOnceWhereThePauseHasPassedUnseen) {
  for (const auto& [age, left] : {std::pair<Duration, Duration>{120s - 1ms, 1ms}, {120s, 0ms}, {500s, 0ms}}) {
    const BreakerInput input = input_of(open_for(age));
    EXPECT_EQ(permit(input.kept, input, 0, 0, Settings{}).opens_in, left);
  }
}

TEST(Permit, CountsNoFailureOfTheGenerationBefore) {
  Settings settings;
  settings.min_workers_for_rate = 1;
  BreakerInput input = input_of(probing(), "++");
  input.places = 2;
  input.lost_in_a_row = 2;
  const BreakerMemory closed = next_state(input, running("s1"));
  ASSERT_EQ(closed.state, BreakerState::closed);
  EXPECT_EQ(permit(closed, input, 0, 0, settings).slots, 2);
  EXPECT_EQ(permit(input_of(BreakerMemory{}, "-").kept, input_of(BreakerMemory{}, "-"), 0, 0, settings).slots,
            2);
}

TEST(SlowStart, DoublesUpToSixteenTimes) {
  EXPECT_EQ(unproven_limit(-1), 2);
  EXPECT_EQ(unproven_limit(15), 2 << 15);
  EXPECT_EQ(unproven_limit(16), 2 << 16);
  EXPECT_EQ(unproven_limit(17), 2 << 16);
}

TEST(Evidence, OfAScriptThatIsNotKnownCounts) {
  auto outcomes = starts("------");
  const auto counted = [&](const std::string& theirs, const std::string& ours) {
    for (StartOutcome& outcome : outcomes) outcome.script_hash = theirs;
    return tally_of(outcomes, BreakerMemory{}, running(ours)).failures_in_a_row;
  };
  EXPECT_EQ(counted("", "s1"), 6);
  EXPECT_EQ(counted("s1", ""), 6);
  EXPECT_EQ(counted("", ""), 6);
  EXPECT_EQ(counted("s1", "s1"), 6);
  EXPECT_EQ(counted("s1", "s2"), 0);
}

TEST(Evidence, HasUnderWayWhatSpawnsUnderThisGenerationAndScript) {
  Snapshot snapshot = snapshot_of({}, BreakerMemory{});
  const auto under_way = [&](WorkerStatus status, std::int64_t generation, const std::string& script) {
    Worker worker;
    worker.id = WorkerId("w1");
    worker.status = status;
    worker.generation = generation;
    worker.script_hash = script;
    worker.age = 30s;
    snapshot.workers = {worker};
    const Evidence evidence = collect_evidence(snapshot, running("s1"));
    // Its name does not say when it was asked for: its row does.
    for (const StartUnderWay& start : evidence.under_way) EXPECT_EQ(start.asked, snapshot.db_now - 30s);
    return evidence.under_way.size() == 1;
  };
  EXPECT_TRUE(under_way(WorkerStatus::spawning, 1, "s1"));
  EXPECT_TRUE(under_way(WorkerStatus::spawning, 1, ""));
  EXPECT_FALSE(under_way(WorkerStatus::active, 1, "s1"));
  EXPECT_FALSE(under_way(WorkerStatus::spawning, 2, "s1"));
  EXPECT_FALSE(under_way(WorkerStatus::spawning, 1, "s2"));
}

TEST(Evidence, ReadsEveryDigitOfANamesTime) {
  for (const char* time : {"2019-09-09T09:19:59Z", "2027-08-30T18:07:06Z", "2034-12-05T23:40:00Z"}) {
    const WallTime asked = *parse_time(time);
    EXPECT_EQ(asked_for_at(make_worker_id("default", asked, 1)), asked);
  }
  EXPECT_EQ(asked_for_at(WorkerId("20261124010203-0000000a")), parse_time("2026-11-24T01:02:03Z"));
  EXPECT_EQ(asked_for_at(WorkerId("0261124010203-0000000a")), std::nullopt);         // a digit too few
  EXPECT_EQ(asked_for_at(WorkerId("gpu-x-2026112401020:-0000000a")), std::nullopt);  // behind '9'
  EXPECT_EQ(asked_for_at(WorkerId("gpu-x-2026112401020/-0000000a")), std::nullopt);  // before '0'
}

/// Share of a failure that the newest start counts for after twenty of a minute and this one.
double weight_after(StartOutcome odd, bool success = true) {
  auto outcomes = starts(std::string(22, '+'));
  for (StartOutcome& outcome : outcomes) outcome.took = 60s;
  outcomes[0].success = success;
  outcomes[0].took = 77s;  // 1.28 times as long: slow
  odd.generation = 1;
  odd.age = outcomes[1].age;
  odd.cause = FailureCause::start_failed;
  outcomes[1] = odd;
  const Snapshot snapshot = snapshot_of(outcomes, BreakerMemory{});
  return collect_evidence(snapshot, Settings{}).starts.back().failed;
}

TEST(SlowSuccess, IsToldByTimesThatAreKnownOnly) {
  StartOutcome odd;
  odd.success = true;
  for (const std::optional<Duration> none :
       {std::optional<Duration>{}, std::optional<Duration>{-5s}, std::optional<Duration>{0s}}) {
    odd.took = none;
    EXPECT_EQ(weight_after(odd), 0.5);
  }
  odd.took = 1ms;  // a time, and one that makes a second more or less nothing special
  EXPECT_EQ(weight_after(odd), 0);
  odd.success = false;  // how long a failure took says nothing about successes
  EXPECT_EQ(weight_after(odd), 0.5);
  odd.took.reset();
  EXPECT_EQ(weight_after(odd), 0.5);
  EXPECT_EQ(weight_after(odd, false), 1);
}

}  // namespace
}  // namespace gpuwarden::policy
