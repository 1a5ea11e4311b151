#include "gpuwarden/diagnosis/report_document.hpp"

#include <gmock/gmock.h>

#include "unit/diagnosis/incident_fixture.hpp"

namespace gpuwarden::diagnosis {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::vector<std::string> titles(const Document& document) {
  std::vector<std::string> out;
  for (const Section& section : document.sections) out.push_back(section.title);
  return out;
}

TEST(ReportDocument, HasTheSectionsOfAnIncidentReportWithTheCauseFirst) {
  const auto document = document_of(make_report(incident_of({failed(1, 1min), failed(2, 2min)}), 2h));
  EXPECT_THAT(titles(document),
              ElementsAre("Current State", "Root Cause Analysis", "Failure Breakdown", "Timeline Pattern",
                          "Ruled Out", "Immediate Fixes", "What Happens Next"));
  EXPECT_THAT(document.summary, HasSubstr("start_failed on 2 pods, $0.02: worker.py: error"));
  EXPECT_EQ(document.sections[1].blocks[0].lines.front(), "start_failed: 2 pods, $0.02");
}

TEST(ReportDocument, LeavesOutWhatThereIsNothingToSayAbout) {
  Incident quiet = incident_of({});
  quiet.breaker = {};
  quiet.queue = {};
  EXPECT_THAT(titles(document_of(make_report(quiet, 2h))), ElementsAre("Current State"));
}

TEST(ReportMarkdown, TellsTheIncidentOfTheDayInItsOwnWords) {
  std::vector<FailedWorker> failures = failed_at({33min + 57s, 23min + 26s, 12min + 54s, 2min + 25s});
  failures[3].last_words = {"usage: worker.py [-h]", failures[3].evidence_line};
  const std::string text = to_markdown(document_of(make_report(incident_of(failures), 2h)));
  EXPECT_THAT(text, StartsWith(R"(# Worker failures, 2025-10-15T19:00:00Z

**start\_failed on 4 pods, $0.04: worker.py: error: unrecognized arguments: --wgp-profile**

## Current State

- **Failure rate**: 100 % (4 of 4 starts in the last 2h 0m failed)
- **Scaling**: BLOCKED: the breaker has been open for 30s: 4 starts in a row failed
- **Active workers**: 0 (0 starting, 0 ending)
- **Queued tasks**: 3 (0 running, 0 blocked by other tasks)
- **Failures**: 4 in the last 2h 0m, $0.04; all pods together cost $0.00 in the last 24 hours

## Root Cause Analysis

### start\_failed: 4 pods, $0.04

the worker did not start (exit code 2)

The line that decides:

```
worker.py: error: unrecognized arguments: --wgp-profile
```

The last lines of gpu-default-20251015180000-00000003:

```
usage: worker.py [-h]
worker.py: error: unrecognized arguments: --wgp-profile
```
)"));
  EXPECT_THAT(text, HasSubstr("\n## Timeline Pattern\n\nFailures come every 10m 31s, 4 times so far.\n"));
  EXPECT_THAT(text,
              HasSubstr("\n1. start\\_failed: Check WORKER\\_START\\_CMD\n   ```\n   gpuwarden worker "));
}

TEST(ReportMarkdown, WorkerOutputCannotBreakOutOfItsFenceOrBecomeMarkup) {
  FailedWorker failure = failed(1, 1min);
  failure.evidence_line = "```\n# heading ````";
  failure.summary = "<script> *bold* _x_ [a](b) `c`";
  const std::string text = to_markdown(document_of(make_report(incident_of({failure}), 2h)));
  EXPECT_THAT(text, HasSubstr("`````\n```"));
  EXPECT_THAT(text, HasSubstr(R"(\<script\> \*bold\* \_x\_ \[a\](b) \`c\`)"));
  EXPECT_THAT(text, Not(HasSubstr("\n# heading")));
}

TEST(ReportDocument, SaysWhichChannelSpokeAndWhatCouldNotBeHad) {
  std::vector<FailedWorker> failures{failed(1, 1min), failed(2, 2min)};
  failures[1].channel = "container_log";
  failures[1].missing = {"probe over SSH: connection refused"};
  const std::string text = to_markdown(document_of(make_report(incident_of(failures), 2h)));
  EXPECT_THAT(text, HasSubstr("**Told first by**: the container's log (1), the pod's own report (1)"));
  EXPECT_THAT(text, HasSubstr("**Could not be had**: probe over SSH: connection refused (1)"));
}

TEST(ReportDocument, SaysWhatTheFailedPodsRanWith) {
  std::vector<FailedWorker> failures{failed(1, 1min), failed(2, 2min)};
  failures[1].script_hash = "bbbb";
  EXPECT_THAT(to_markdown(document_of(make_report(incident_of(failures), 2h))),
              HasSubstr("**Ran with**: commit new, image worker:1, 2 scripts\n"));
}

TEST(ReportDocument, FiftyPodsAreOneLineOfTheBreakdown) {
  std::vector<FailedWorker> failures;
  for (int i = 0; i < 50; ++i) failures.push_back(failed(i, 1s * (i + 1)));
  const auto document = document_of(make_report(incident_of(failures), 2h));
  const Block& table = document.sections[2].blocks[0];
  ASSERT_EQ(table.rows.size(), 1U);
  EXPECT_EQ(table.rows[0][0], "50 pods");
  EXPECT_EQ(table.rows[0][1], "$0.50");
}

TEST(ReportDocument, TellsPeriodAndTrend) {
  EXPECT_THAT(to_markdown(document_of(make_report(incident_of(failed_at({31min, 21min, 11min, 1min})), 2h))),
              HasSubstr("Failures come every 10m 0s, 4 times so far."));
  std::vector<Duration> ages{100min};
  for (int i = 1; i < 9; ++i) ages.push_back(1min * i * i / 2);
  EXPECT_THAT(to_markdown(document_of(make_report(incident_of(failed_at(ages)), 2h))),
              HasSubstr("They become more frequent: 1 in the first half"));
}

TEST(ReportDocument, ManyFaultsAndBurstsAreCutWithTheirNumber) {
  std::vector<FailedWorker> failures;
  for (int i = 0; i < 30; ++i) failures.push_back(failed(i, 3min * (i + 1), "f" + std::to_string(i)));
  const std::string text = to_markdown(document_of(make_report(incident_of(failures), 2h)));
  EXPECT_THAT(text, HasSubstr("10 more faults: gpuwarden report --format json"));
  EXPECT_THAT(text, HasSubstr("20 earlier bursts are left out."));
}

}  // namespace
}  // namespace gpuwarden::diagnosis
