#include <gmock/gmock.h>

#include "unit/diagnosis/incident_fixture.hpp"

namespace gpuwarden::diagnosis {
namespace {

using namespace testing;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Report, FiftyPodsWithOneFaultAreOneCauseWithTheirDollars) {
  std::vector<FailedWorker> failures;
  for (int i = 0; i < 50; ++i) failures.push_back(failed(i, 1s * (i + 1)));
  failures.push_back(failed(99, 3s, "f2"));
  failures.back().cause = "setup_failed";
  const auto report = make_report(incident_of(failures), 2h);
  ASSERT_EQ(report.causes.size(), 2U);
  EXPECT_EQ(report.causes[0].pods, 50);
  EXPECT_NEAR(report.causes[0].cost_usd, 0.5, 1e-9);
  EXPECT_EQ(report.causes[0].newest, failures[0].worker);
  EXPECT_EQ(report.causes[0].first, kNow - 50s);
  EXPECT_EQ(report.causes[0].last, kNow - 1s);
  EXPECT_EQ(report.headline,
            "start_failed on 50 pods, $0.50: worker.py: error: unrecognized arguments: --wgp-profile");
}

TEST(Report, CausesAreRankedByPodsThenDollarsAndWhatIsNoFaultOfTheFleetComesLast) {
  std::vector<FailedWorker> failures{failed(1, 10s, "cheap"), failed(2, 20s, "dear"), failed(3, 30s, "twice"),
                                     failed(4, 40s, "twice"), failed(5, 50s, "none"), failed(6, 60s, "none"),
                                     failed(7, 70s, "none")};
  failures[1].cost_usd = 3;
  for (std::size_t i = 4; i < 7; ++i) {
    failures[i].cause = "no_capacity";
    failures[i].counts = false;
  }
  const auto report = make_report(incident_of(failures), 2h);
  std::vector<std::string> order;
  for (const auto& cause : report.causes) order.push_back(cause.fingerprint);
  EXPECT_EQ(order, (std::vector<std::string>{"twice", "dear", "cheap", "none"}));
}

TEST(Report, FailuresWithoutAFingerprintAreGroupedByTheirCause) {
  std::vector<FailedWorker> failures{failed(1, 1s, ""), failed(2, 2s, "")};
  const auto report = make_report(incident_of(failures), 2h);
  ASSERT_EQ(report.causes.size(), 1U);
  EXPECT_EQ(report.causes[0].pods, 2);
}

TEST(Report, AnExitCodeIsToldOnlyWhereAllHaveTheSame) {
  std::vector<FailedWorker> failures{failed(1, 1s), failed(2, 2s)};
  EXPECT_EQ(make_report(incident_of(failures), 2h).causes[0].exit_code, 2);
  failures[1].exit_code = 3;
  EXPECT_EQ(make_report(incident_of(failures), 2h).causes[0].exit_code, std::nullopt);
}

TEST(Report, CountsOnlyStartsOfTheWindowThatCountForTheBreaker) {
  Incident incident = incident_of({failed(1, 10min)}, {success(2, 20min), success(3, 3h)});
  StartRecord no_fault = start_of(failed(4, 5min));
  no_fault.counts = false;
  incident.starts.push_back(no_fault);
  const auto report = make_report(incident, 2h);
  EXPECT_EQ(report.starts, 2);
  EXPECT_EQ(report.failed_starts, 1);
}

TEST(Report, AnEmptyWindowSaysSoAndClaimsNothing) {
  const auto report = make_report(incident_of({}), 2h);
  EXPECT_EQ(report.headline, "No failures in the last 2h 0m");
  EXPECT_TRUE(report.causes.empty());
  EXPECT_TRUE(report.ruled_out.empty());
  EXPECT_TRUE(report.pattern.bursts.empty());
}

TEST(Report, SaysWhenTheLeadingFaultIsOver) {
  const auto report = make_report(incident_of({failed(1, 30min)}, {success(2, 5min), success(3, 10min)}), 2h);
  EXPECT_EQ(report.recovered, 2);
  EXPECT_EQ(report.recovered_at, kNow - 10min);
  EXPECT_THAT(report.headline, HasSubstr("(over since 2025-10-15T18:50:00Z)"));
  EXPECT_EQ(make_report(incident_of({failed(1, 30min)}, {success(2, 40min)}), 2h).recovered, 0);
}

TEST(Report, SaysHowManyFailuresItHasNotRead) {
  Incident incident = incident_of({failed(1, 1s)});
  incident.failed = 2500;
  EXPECT_EQ(make_report(incident, 2h).unread, 2499);
}

struct ScalingCase {
  const char* name;
  void (*change)(Incident&);
  Scaling scaling;
  const char* why;
  const char* command;  ///< that the fixes name
  const char* next;
};

class ScalingIsTold : public ::testing::TestWithParam<ScalingCase> {};

TEST_P(ScalingIsTold, WithTheReasonTheCommandAndWhatComes) {
  Incident incident = incident_of({failed(1, 1min)});
  GetParam().change(incident);
  const auto report = make_report(incident, 2h);
  EXPECT_EQ(report.scaling, GetParam().scaling);
  EXPECT_THAT(report.scaling_why, HasSubstr(GetParam().why));
  EXPECT_THAT(words(report.fixes), HasSubstr(GetParam().command));
  EXPECT_THAT(words(report.next), HasSubstr(GetParam().next));
}

INSTANTIATE_TEST_SUITE_P(
    Report, ScalingIsTold,
    ::testing::Values(
        ScalingCase{"open", [](Incident&) {}, Scaling::blocked, "open for 30s: 4 starts in a row failed",
                    "$ gpuwarden breaker reset", "In 1m 30s (about 2025-10-15T19:01:30Z) one pod"},
        ScalingCase{"due", [](Incident& i) { i.breaker.state_age = 5min; }, Scaling::blocked, "open for 5m",
                    "$ gpuwarden breaker reset", "With the next tick one pod"},
        ScalingCase{"half_open",
                    [](Incident& i) {
                      i.breaker.state = BreakerState::half_open;
                      i.breaker.canary = WorkerId("gpu-canary");
                      i.breaker.canary_successes = 1;
                    },
                    Scaling::probing, "half open", "$ gpuwarden breaker reset",
                    "Canary gpu-canary is on its way; 1 came up so far"},
        ScalingCase{"paused",
                    [](Incident& i) {
                      i.switches = {true, "ann", "maintenance"};
                    },
                    Scaling::paused, "paused by ann: maintenance", "$ gpuwarden resume",
                    "until somebody ends the pause"},
        ScalingCase{"held",
                    [](Incident& i) {
                      i.breaker_override = BreakerOverride{BreakerOverride::Kind::hold, "bob", "rebuild", 2h};
                    },
                    Scaling::held, "held by bob for 2h 0m more: rebuild", "$ gpuwarden breaker clear",
                    "until the hold ends by itself in 2h 0m (2025-10-15T21:00:00Z)"},
        ScalingCase{"released",
                    [](Incident& i) {
                      i.breaker_override =
                          BreakerOverride{BreakerOverride::Kind::release, "bob", "test", std::nullopt};
                    },
                    Scaling::released, "released by bob: test", "$ gpuwarden breaker clear",
                    "until somebody clears that"},
        ScalingCase{"override_over",
                    [](Incident& i) {
                      i.breaker_override = BreakerOverride{BreakerOverride::Kind::hold, "bob", "x", 0s};
                    },
                    Scaling::blocked, "open for 30s", "$ gpuwarden breaker reset", "the canary"},
        ScalingCase{"place",
                    [](Incident& i) {
                      i.breaker = {};
                      ScopeBreaker scope;
                      scope.key = "host|L4|EU-RO-1";
                      scope.state = BreakerState::open;
                      scope.reason = "3 of 3 failed";
                      i.breaker.scopes = {scope};
                    },
                    Scaling::limited, "host|L4|EU-RO-1: 3 of 3 failed", "$ gpuwarden worker ",
                    "the others go on"},
        ScalingCase{"closed", [](Incident& i) { i.breaker = {}; }, Scaling::running, "the breaker is closed",
                    "$ gpuwarden worker ", "Starts go on"},
        ScalingCase{"lease_over", [](Incident& i) { i.leader_expires_in = -90s; }, Scaling::no_daemon,
                    "the lease of host:1 ended 1m 30s ago", "$ systemctl start gpuwarden",
                    "Nothing, until a daemon runs again"},
        ScalingCase{"never_led",
                    [](Incident& i) {
                      i.leader.clear();
                      i.leader_expires_in.reset();
                    },
                    Scaling::no_daemon, "no daemon has ever led", "$ systemctl start gpuwarden", "Nothing"}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(Report, TakesTheTimeOfTheNextCanaryFromTheDaemonWhereItIsKnown) {
  ReportContext context;
  context.canary_in = 42s;
  EXPECT_THAT(words(make_report(incident_of({failed(1, 1min)}), 2h, context).next), HasSubstr("In 42s "));
}

TEST(Report, SaysHowLongTheEvidenceIsKeptWhereThereIsSome) {
  ReportContext context;
  context.retention = 24h * 30;
  const auto next = [&context](std::vector<FailedWorker> failures) {
    return words(make_report(incident_of(std::move(failures)), 2h, context).next);
  };
  EXPECT_THAT(next({failed(1, 1min)}), HasSubstr("kept for 30 days (FAILURE_RETENTION_DAYS)"));
  EXPECT_THAT(next({}), Not(HasSubstr("kept for")));
  context.retention = 24h;
  EXPECT_THAT(next({failed(1, 1min)}), HasSubstr("kept for 1 day (FAILURE_RETENTION_DAYS)"));
}

TEST(Report, NamesTheWorkerToLookAtAndWhereToMend) {
  const auto fixes = words(make_report(incident_of({failed(1, 1min), failed(2, 2min)}), 2h).fixes);
  EXPECT_THAT(fixes, HasSubstr("start_failed: Check WORKER_START_CMD\n$ gpuwarden worker "
                               "gpu-default-20251015180000-00000001\n$ sudoedit"));
}

TEST(Report, WhatTheAdviceNamesIsThereToBeTypedForTheNewestWorker) {
  FailedWorker failure = failed(1, 1min);
  failure.advice =
      "Mend `WORKER_START_CMD`; see `gpuwarden logs WORKER --source container`, then `systemctl reload "
      "gpuwarden` or ` left open";
  const auto fixes = make_report(incident_of({failure}), 2h).fixes;
  EXPECT_EQ(fixes.at(0).commands,
            (std::vector<std::string>{"gpuwarden worker gpu-default-20251015180000-00000001",
                                      "gpuwarden logs gpu-default-20251015180000-00000001 --source container",
                                      "sudoedit /etc/gpuwarden/gpuwarden.env",
                                      "gpuwarden config --check && systemctl reload gpuwarden"}));
  failure.scope = "host";
  EXPECT_EQ(make_report(incident_of({failure}), 2h).fixes.at(0).commands.back(),
            "systemctl reload gpuwarden");
}

TEST(Report, ATaskThatIsLostForGoodIsAThingToDoAndTheOthersAreAccountedFor) {
  Incident incident = incident_of({failed(1, 1min)});
  incident.tasks = {{"Failed", 1}, {"Queued", 2}, {"Complete", 4}};
  const auto report = make_report(incident, 2h);
  EXPECT_THAT(
      words(report.fixes),
      HasSubstr("1 task that failed workers held has failed for good\n$ gpuwarden tasks --status failed"));
  EXPECT_THAT(words(report.next), HasSubstr("2 are queued again, 0 run elsewhere and 4 are complete"));
}

TEST(RuledOut, IsWhatTheFailedWorkersThemselvesHaveShown) {
  std::vector<FailedWorker> failures{failed(1, 1min), failed(2, 2min), failed(3, 3min)};
  failures[0].probed = true;
  failures[1].claimed = true;
  failures[2].data_center = "US-TX-3";
  const auto report = make_report(incident_of(failures), 2h);
  std::string all;
  for (const auto& entry : report.ruled_out) all += entry.what + ": " + entry.evidence + "\n";
  EXPECT_EQ(
      all,
      "SSH: the startup script, which comes over SSH, ran on all 3 failed pods; 1 could be looked into over "
      "SSH after the failure\n"
      "Runpod's capacity and key: Runpod made the pods of all 3 failed workers\n"
      "Pulling the image: its container ran the startup script on all 3 failed pods\n"
      "GPU, memory, disk, network: preflight passed on all 3 failed pods\n"
      "Supabase from the pods: all 3 failed pods wrote to the database themselves, with their own tokens\n"
      "Fetching the repository: done on all 3 failed pods\n"
      "Setting the worker up: done on all 3 failed pods\n"
      "Claiming tasks: 1 of 3 failed workers had claimed one\n"
      "One data centre: the same fault in EU-RO-1 (2), US-TX-3 (1)\n");
}

TEST(RuledOut, NothingIsClaimedThatAFailureSpeaksAgainst) {
  std::vector<FailedWorker> failures{failed(1, 1min), failed(2, 2min, "f2")};
  failures[1].cause = "ssh_unreachable";
  failures[1].phase = "connecting";
  EXPECT_FALSE(rules_out(make_report(incident_of(failures), 2h), "SSH"));
  failures[1].cause = "image_pull_failed";
  EXPECT_FALSE(rules_out(make_report(incident_of(failures), 2h), "image"));
  failures[1].cause = "gpu_error";
  EXPECT_FALSE(rules_out(make_report(incident_of(failures), 2h), "GPU"));
  failures[1].cause = "preflight_network";
  EXPECT_FALSE(rules_out(make_report(incident_of(failures), 2h), "Supabase"));
}

TEST(RuledOut, APodThatNeverRanTheScriptShowsOnlyThatItWasMade) {
  FailedWorker failure = failed(1, 1min);
  failure.cause = "provision_timeout";
  failure.phase = "provisioning";
  failure.reported = false;
  const auto report = make_report(incident_of({failure}), 2h);
  ASSERT_EQ(report.ruled_out.size(), 1U);
  EXPECT_EQ(report.ruled_out[0].what, "Runpod's capacity and key");
  failure.pod = PodId();
  EXPECT_TRUE(make_report(incident_of({failure}), 2h).ruled_out.empty());
}

TEST(RuledOut, AValueThatStartsSucceededWithIsNotWhatChanged) {
  const auto report = make_report(incident_of({failed(1, 1min), failed(2, 2min)}, {success(3, 1h)}), 2h);
  EXPECT_TRUE(rules_out(report, "The script as such"));
  EXPECT_TRUE(rules_out(report, "The image as such"));
  EXPECT_FALSE(rules_out(report, "The commit as such"));
}

}  // namespace
}  // namespace gpuwarden::diagnosis
