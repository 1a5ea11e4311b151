#include "cli/problems.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli_fixture.hpp"

namespace gpuwarden::cli {
namespace {

using testing::Spoken;
using testing::Terminal;

TEST(Advice, IsTheFirstSentenceAndWhatFollows) {
  const auto parts = [](const char* text) {
    const Advice found = advice(text, "else");
    return found.problem + "|" + found.remedy;
  };
  EXPECT_EQ(parts("is set twice. Remove one. Or both."), "is set twice|Remove one. Or both.");
  EXPECT_EQ(parts("must be 12.4, not 'v. 1'. Mend it."), "must be 12.4, not 'v. 1'|Mend it.");
  EXPECT_EQ(parts("may not do the daemon's work. Give another."),
            "may not do the daemon's work|Give another.");
  EXPECT_EQ(parts("must be 'a'. Not 'b'."), "must be 'a'|Not 'b'.");
  EXPECT_EQ(parts("must be a number, not 'x'"), "must be a number, not 'x'|else");
  EXPECT_EQ(parts("has no effect."), "has no effect|else");
  EXPECT_EQ(parts(""), "|else");
}

TEST(WrongConfiguration, IsToldByEveryCommandThatNeedsIt) {
  for (const char* command : {"once", "plan", "status", "workers", "tasks", "failures"}) {
    Terminal terminal;
    terminal.width = 200;
    const Spoken said = terminal.set("MAX_ACTIVE_GPUS", "x").set("LOG_LEVEL", "loud").type({command});
    EXPECT_EQ(said.code, kUsage) << command;
    EXPECT_EQ(said.out, "") << command;
    EXPECT_EQ(
        said.err,
        "error: MAX_ACTIVE_GPUS: must be a whole number from 0 to 10000, not 'x'\n"
        "error: LOG_LEVEL: must be debug, info, warning or error, not 'loud'\n"
        "2 errors in the configuration; nothing was done.\n"
        "No file was read: GPUWARDEN_ENV_FILE is not set. Next: mend them, then gpuwarden config --check\n")
        << command;
    EXPECT_TRUE(terminal.cycles.empty()) << command;
  }
}

TEST(WrongConfiguration, NamesTheFileThatItStandsIn) {
  Terminal terminal;
  terminal.set("GPUWARDEN_ENV_FILE", "/my.env");
  terminal.files.emplace("/my.env", "MAX_ACTIVE_GPUS=x\n");
  EXPECT_NE(terminal.type({"status"}).err.find("1 error in the configuration (/my.env); nothing was done.\n"),
            std::string::npos);
}

TEST(WrongConfiguration, OfAFreshMachineNamesTheFileToWrite) {
  Terminal terminal;
  terminal.environment.clear();
  const Spoken said = terminal.type({"status"});
  EXPECT_EQ(said.code, kUsage);
  EXPECT_NE(
      said.err.find(
          "there is no /etc/gpuwarden/gpuwarden.env.\nNext: gpuwarden config --example > gpuwarden.env"),
      std::string::npos)
      << said.err;
}

TEST(WrongConfiguration, IsWrappedToTheTerminal) {
  Terminal terminal;
  terminal.width = 60;
  terminal.environment.erase("SUPABASE_SECRET_KEY");
  EXPECT_TRUE(terminal.type({"status"})
                  .err.starts_with("error: SUPABASE_SECRET_KEY: is required and not set. The\n"
                                   "       daemon's own key: sb_secret_... or the legacy\n"));
  EXPECT_NE(terminal.type({"config", "--check"})
                .out.find("error    SUPABASE_SECRET_KEY: is required and not set. The\n"
                          "         daemon's own key: sb_secret_... or the legacy\n"),
            std::string::npos);
}

TEST(WrongConfiguration, IsJsonOnStandardOutputWhereAsked) {
  const Spoken said = Terminal()
                          .set("MAX_ACTIVE_GPUS", "x")
                          .set("RUNPOD_CLOUD", "COMMUNITY")
                          .set("RUNPOD_STORAGE_NAME", "models")
                          .type({"status", "--json"});
  EXPECT_EQ(said.code, kUsage);
  EXPECT_EQ(said.err, "");
  EXPECT_EQ(nlohmann::json::parse(said.out), nlohmann::json::parse(R"({
    "errors": [{"name": "MAX_ACTIVE_GPUS",
                "problem": "must be a whole number from 0 to 10000, not 'x'",
                "remedy": "gpuwarden config --explain   # says what it means and takes"}],
    "warnings": [{"name": "RUNPOD_CLOUD",
                  "problem": "network volumes (RUNPOD_STORAGE_NAME) exist only in the secure cloud",
                  "remedy": "Set RUNPOD_CLOUD=SECURE."}]})"));
}

TEST(SshKeyNeed, IsToMakeOneOnlyForWhatOpensConnections) {
  const auto need = [](const std::string& command, bool dry) {
    Invocation line;
    line.command = command;
    line.dry_run = dry;
    return ssh_key_need(line);
  };
  EXPECT_EQ(need("run", false), config::SshKey::make);
  EXPECT_EQ(need("once", false), config::SshKey::make);
  EXPECT_EQ(need("once", true), config::SshKey::unused);
  for (const char* command : {"plan", "status", "workers", "worker", "tasks", "failures", "doctor"})
    EXPECT_EQ(need(command, false), config::SshKey::unused) << command;
}

TEST(SshKeyTrouble, DoesNotKeepACommandThatOpensNoConnectionFromItsWork) {
  Terminal terminal;
  terminal.set("RUNPOD_SSH_PRIVATE_KEY", "no key at all");
  EXPECT_EQ(terminal.type({"tasks"}).code, kDone);
  EXPECT_EQ(terminal.type({"once"}).code, kUsage);
}

}  // namespace
}  // namespace gpuwarden::cli
