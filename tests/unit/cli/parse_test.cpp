#include <sstream>

#include <gtest/gtest.h>

#include "cli/span.hpp"
#include "cli_fixture.hpp"

namespace gpuwarden::cli {
namespace {

using namespace std::chrono_literals;
using testing::Spoken;
using testing::Terminal;

ParsedLine parsed(const std::vector<std::string>& words) {
  std::vector<const char*> argv{"gpuwarden"};
  for (const std::string& word : words) argv.push_back(word.c_str());
  std::ostringstream out, err;
  return parse(static_cast<int>(argv.size()), argv.data(), Output{out, err});
}

TEST(CommandLine, ShowsAShortGroupedHelp) {
  const Spoken help = Terminal().type({"--help"});
  EXPECT_EQ(help.code, kDone);
  EXPECT_EQ(help.out,
            "gpuwarden keeps a fleet of Runpod GPU pods as large as a Supabase task queue needs.\n"
            "\n"
            "Usage: gpuwarden COMMAND [OPTIONS]\n"
            "\n"
            "Daemon\n"
            "  run       keep the fleet as large as the queue needs, until stopped\n"
            "  once      one cycle, then exit: look, decide, act\n"
            "  plan      what the next cycle would do, and what holds it back\n"
            "\n"
            "Look\n"
            "  explain   why the fleet, or a worker, is as it is, and what is awaited\n"
            "  status    queue, fleet and breaker at a glance\n"
            "  workers   live workers; ended ones too with --all\n"
            "  worker    everything about one worker\n"
            "  tasks     tasks, newest first\n"
            "  failures  why workers failed, newest first\n"
            "  report    the incident report: why workers fail, since when, what it is not, what to do\n"
            "  diagnose  the cause in an evidence document (needs no service)\n"
            "  replay    recorded decisions again, also with other settings (needs no service)\n"
            "\n"
            "Steer\n"
            "  breaker   state of the breaker; hold, release, clear or reset it\n"
            "  pause     nothing is started or removed until resume\n"
            "  resume    the end of a pause\n"
            "\n"
            "Set up\n"
            "  doctor    check everything that must be in place, and say how to mend it\n"
            "  config    what is configured (--explain), and whether it is right (--check)\n"
            "  migrate   print the SQL that the database needs\n"
            "  version   version of this program\n"
            "\n"
            "Every command has --json and --help.\n"
            "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 a service cannot be reached.\n"
            "\n"
            "Configuration: the environment and the file that GPUWARDEN_ENV_FILE names; without both, "
            "/etc/gpuwarden/gpuwarden.env.\n"
            "Start with: gpuwarden config --example > gpuwarden.env, then GPUWARDEN_ENV_FILE=gpuwarden.env "
            "gpuwarden doctor\n");
  EXPECT_EQ(Terminal().type({"-h"}).out, help.out);
  EXPECT_EQ(Terminal().type({"help"}).out, help.out);
}

TEST(CommandLine, WithoutACommandIsWrongUsageAndShowsTheHelp) {
  const Spoken none = Terminal().type({});
  EXPECT_EQ(none.code, kUsage);
  EXPECT_EQ(none.out, "");
  EXPECT_EQ(none.err, Terminal().type({"--help"}).out);
}

TEST(CommandLine, ShowsExamplesForEachCommand) {
  for (const char* command :
       {"run", "once", "plan", "status", "workers", "worker", "tasks", "failures", "explain", "replay",
        "breaker", "pause", "resume", "doctor", "config", "migrate", "version"}) {
    const Spoken help = Terminal().type({command, "--help"});
    EXPECT_EQ(help.code, kDone) << command;
    EXPECT_NE(help.out.find("Examples:\n  gpuwarden " + std::string(command)), std::string::npos) << help.out;
    EXPECT_NE(help.out.find("--json"), std::string::npos) << command;
  }
}

TEST(CommandLine, SuggestsTheNearestCommand) {
  const Spoken wrong = Terminal().type({"stauts"});
  EXPECT_EQ(wrong.code, kUsage);
  EXPECT_EQ(wrong.err,
            "error: there is no command 'stauts'. Did you mean: gpuwarden status\nSee: gpuwarden --help\n");
  EXPECT_EQ(Terminal().type({"launch"}).err, "error: there is no command 'launch'.\nSee: gpuwarden --help\n");
}

TEST(CommandLine, SuggestsTheNearestOption) {
  const Spoken wrong = Terminal().type({"once", "--dryrun"});
  EXPECT_EQ(wrong.code, kUsage);
  EXPECT_EQ(wrong.err,
            "error: '--dryrun' is not expected here. Did you mean --dry-run?\nSee: gpuwarden once --help\n");
}

TEST(CommandLine, WantsTheCommandFirst) {
  EXPECT_EQ(Terminal().type({"--json", "status"}).err,
            "error: '--json' is not expected before the command.\nSee: gpuwarden --help\n");
}

TEST(CommandLine, NamesWhatOptionsTake) {
  EXPECT_NE(Terminal().type({"failures", "--help"}).out.find("--since TIME"), std::string::npos);
  const Spoken help = Terminal().type({"tasks", "--help"});
  EXPECT_NE(help.out.find("--limit N  "), std::string::npos) << help.out;
  EXPECT_NE(help.out.find("--status STATUS"), std::string::npos) << help.out;
}

TEST(CommandLine, NeedsAWorkerForWorker) {
  const Spoken wrong = Terminal().type({"worker"});
  EXPECT_EQ(wrong.code, kUsage);
  EXPECT_EQ(wrong.err, "error: ID is required\nSee: gpuwarden worker --help\n");
  EXPECT_EQ(parsed({"worker", "gpu-x"}).invocation->arguments, std::vector<std::string>{"gpu-x"});
}

TEST(CommandLine, ReadsTheOptions) {
  EXPECT_TRUE(parsed({"once", "--dry-run"}).invocation->dry_run);
  EXPECT_TRUE(parsed({"workers", "--all", "--json"}).invocation->all);
  EXPECT_TRUE(parsed({"workers", "--all", "--json"}).invocation->json);
  EXPECT_EQ(parsed({"failures"}).invocation->since, 24h);
  EXPECT_EQ(parsed({"failures", "--since", "2h"}).invocation->since, 2h);
  EXPECT_EQ(parsed({"failures", "--limit", "1000"}).invocation->limit, 1000);
  EXPECT_FALSE(parsed({"failures", "--limit", "1001"}).invocation);
  EXPECT_FALSE(parsed({"failures", "--limit", "0"}).invocation);
  EXPECT_EQ(parsed({"tasks", "--status", "in-progress"}).invocation->status_filter, "In Progress");
  EXPECT_EQ(parsed({"tasks", "--status", "In Progress"}).invocation->status_filter, "In Progress");
  EXPECT_EQ(parsed({"tasks", "--status", "FAILED"}).invocation->status_filter, "Failed");
  EXPECT_EQ(parsed({"run"}).invocation->command, "run");
}

TEST(CommandLine, RefusesWordsThatItDoesNotKnow) {
  EXPECT_EQ(Terminal().type({"tasks", "--status", "lost"}).err,
            "error: --status takes queued, in-progress, complete, failed or cancelled, not 'lost'.\n"
            "See: gpuwarden tasks --help\n");
  EXPECT_EQ(
      Terminal().type({"failures", "--since", "soon"}).err,
      "error: --since takes a time such as 30m, 2h or 1d, not 'soon'.\nSee: gpuwarden failures --help\n");
}

TEST(CommandLine, SaysItsVersion) {
  EXPECT_EQ(Terminal().type({"version"}).out, "gpuwarden 0.1.0\n");
  EXPECT_EQ(Terminal().type({"--version"}).out, "gpuwarden 0.1.0\n");
  EXPECT_EQ(Terminal().type({"version", "--json"}).out, "{\n  \"version\": \"0.1.0\"\n}\n");
}

TEST(Spans, AreReadInTheUsualUnits) {
  EXPECT_EQ(parse_span("90"), 90s);
  EXPECT_EQ(parse_span("90s"), 90s);
  EXPECT_EQ(parse_span("30m"), 30min);
  EXPECT_EQ(parse_span("1h30m"), 90min);
  EXPECT_EQ(parse_span("2d"), 48h);
  for (const char* bad : {"", "0", "-1", "h", "1w", "1h30", "99999999999999999999", "1 h", "3650001h"})
    EXPECT_EQ(parse_span(bad), std::nullopt) << bad;
}

}  // namespace
}  // namespace gpuwarden::cli
