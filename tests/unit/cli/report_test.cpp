#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "cli_fixture.hpp"
#include "unit/diagnosis/incident_fixture.hpp"

namespace gpuwarden::cli {
namespace {

using namespace std::chrono_literals;
using diagnosis::testing::failed;
using diagnosis::testing::incident_of;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Spoken;
using ::testing::StartsWith;
using testing::Terminal;

/// Before a database with that many pods that died alike.
struct Crashes : Terminal {
  explicit Crashes(int pods = 2) {
    std::vector<FailedWorker> failures;
    for (int i = 0; i < pods; ++i) failures.push_back(failed(i + 1, 1min + 1s * i));
    store->incident_state = incident_of(std::move(failures));
  }
};

TEST(ReportCommand, TellsTheCauseFirstAndHasEverySection) {
  Crashes terminal;
  const Spoken said = terminal.type({"report"});
  EXPECT_EQ(said.code, kDone);
  EXPECT_THAT(said.out, StartsWith("Worker failures, 2025-10-15T19:00:00Z\n"
                                   "start_failed on 2 pods, $0.02: worker.py: error: unrecognized arguments: "
                                   "--wgp-profile\n\nCurrent State\n"));
  for (const char* title : {"Root Cause Analysis", "Failure Breakdown", "Timeline Pattern", "Ruled Out",
                            "Immediate Fixes", "What Happens Next"})
    EXPECT_THAT(said.out, HasSubstr(std::string("\n\n") + title + "\n"));
}

TEST(ReportCommand, ListsAndCommandsAreAligned) {
  Crashes terminal;
  const std::string out = terminal.type({"report"}).out;
  EXPECT_THAT(out,
              HasSubstr("  Failure rate    100 % (2 of 2 starts in the last 2h 0m failed)\n"
                        "  Scaling         BLOCKED: the breaker has been open for 30s: 4 starts in a row "
                        "failed\n"));
  EXPECT_THAT(out, HasSubstr("  1. start_failed: Check WORKER_START_CMD\n"
                             "       gpuwarden worker gpu-default-20251015180000-00000001\n"));
}

TEST(ReportCommand, TheSameFaultOnFiftyPodsIsOneLine) {
  Crashes terminal(50);
  terminal.width = 200;
  const std::string out = terminal.type({"report"}).out;
  EXPECT_THAT(
      out, HasSubstr("     PODS   COST  CAUSE         FIRST                 LAST                  EVIDENCE\n"
                     "  50 pods  $0.50  start_failed  2025-10-15T18:58:11Z  2025-10-15T18:59:00Z  "
                     "worker.py: error"));
  const auto json = nlohmann::json::parse(terminal.type({"report", "--json"}).out);
  ASSERT_EQ(json["causes"].size(), 1U);
  EXPECT_EQ(json["causes"][0]["pods"], 50);
  EXPECT_NEAR(json["causes"][0]["cost_usd"].get<double>(), 0.5, 1e-9);
}

TEST(ReportCommand, SpeaksMarkdown) {
  Crashes terminal;
  terminal.colour = true;
  const Spoken said = terminal.type({"report", "--format", "md"});
  EXPECT_THAT(said.out, StartsWith("# Worker failures, 2025-10-15T19:00:00Z\n\n**start\\_failed on 2 pods"));
  EXPECT_THAT(said.out, HasSubstr("\n## Immediate Fixes\n"));
  EXPECT_THAT(said.out, Not(HasSubstr("\x1b"))) << "it is meant for a file";
}

TEST(ReportCommand, SpeaksJsonInBothWays) {
  Crashes terminal;
  const Spoken said = terminal.type({"report", "--format", "json"});
  EXPECT_EQ(said.out, terminal.type({"report", "--json"}).out);
  const auto json = nlohmann::json::parse(said.out);
  EXPECT_EQ(json["since_s"], 7200.0);
  EXPECT_EQ(json["state"]["scaling"], "blocked");
  EXPECT_EQ(json["state"]["failed_starts"], 2);
  EXPECT_EQ(json["causes"][0]["cause"], "start_failed");
  EXPECT_EQ(json["causes"][0]["channels"]["report"], 2);
  EXPECT_EQ(json["timeline"]["bursts"][0]["pods"], 2);
  EXPECT_EQ(json["ruled_out"][0]["what"], "SSH");
  EXPECT_EQ(json["fixes"][0]["commands"][0], "gpuwarden worker gpu-default-20251015180000-00000001");
  EXPECT_THAT(json["next"][0]["text"].get<std::string>(), HasSubstr("the canary"));
}

TEST(ReportCommand, PassesOnHowFarBackAndDefaultsToTwoHours) {
  Terminal terminal;
  std::vector<Duration> asked;
  terminal.store->on_incident = [&](const std::string&, Duration since, int) {
    asked.push_back(since);
    return incident_of({});
  };
  EXPECT_THAT(terminal.type({"report"}).out, HasSubstr("No failures in the last 2h 0m\n"));
  EXPECT_THAT(terminal.type({"report", "--since", "30m"}).out, HasSubstr("No failures in the last 30m 0s\n"));
  EXPECT_EQ(asked, (std::vector<Duration>{2h, 30min}));
  EXPECT_EQ(terminal.type({"report", "--since", "soon"}).code, kUsage);
  EXPECT_EQ(terminal.type({"report", "--format", "pdf"}).code, kUsage);
}

TEST(ReportCommand, TakesTheTimeOfTheCanaryFromTheDaemonAndNeedsNone) {
  Crashes terminal;
  EXPECT_THAT(terminal.type({"report"}).out, HasSubstr("In 1m 30s (about"));
  terminal.daemon_answer =
      std::string(R"({"gates":[{"name":"slow_start","opens_in_s":1},{"name":"breaker","opens_in_s":42}]})");
  EXPECT_THAT(terminal.type({"report"}).out, HasSubstr("In 42s (about"));
  for (const char* odd :
       {"[]", "no JSON", R"({"gates":7})", R"({"gates":[{"name":"breaker","opens_in_s":null}]})"}) {
    terminal.daemon_answer = std::string(odd);
    EXPECT_THAT(terminal.type({"report"}).out, HasSubstr("In 1m 30s (about")) << odd;
  }
}

TEST(ReportCommand, SaysThatNoDaemonRuns) {
  Crashes terminal;
  terminal.store->incident_state->leader_expires_in = -90s;
  const std::string out = terminal.type({"report"}).out;
  EXPECT_THAT(out, HasSubstr("NO DAEMON: the lease of host:1 ended 1m 30s ago"));
  EXPECT_THAT(out, HasSubstr("  1. No daemon leads, so nothing is started, rescued or deleted\n"
                             "       systemctl start gpuwarden\n"));
}

TEST(ReportCommand, NeverShowsASecretThatAWorkerPrinted) {
  Crashes terminal;
  FailedWorker& failure = terminal.store->incident_state->failures.front();
  failure.evidence_line = std::string("bad key ") + testing::kSecretKey;
  failure.last_words = {std::string("env ") + testing::kRunpodKey};
  terminal.store->incident_state->breaker.reason = std::string("so says ") + testing::kSecretKey;
  terminal.width = 20;  // cuts and wraps within the keys
  for (const char* format : {"text", "md", "json"}) {
    const Spoken said = terminal.type({"report", "--format", format});
    EXPECT_THAT(said.out + said.err, Not(HasSubstr("PLANTED"))) << format;
  }
}

TEST(ReportCommand, SaysWhatToTypeWhenTheDatabaseCannotBeAsked) {
  Terminal terminal;
  terminal.store->outage = fail(ErrorKind::unavailable, "connection refused").value();
  const Spoken said = terminal.type({"report"});
  EXPECT_EQ(said.code, kUnreachable);
  EXPECT_EQ(said.err, "error: connection refused\nNext: gpuwarden doctor\n");
}

}  // namespace
}  // namespace gpuwarden::cli
