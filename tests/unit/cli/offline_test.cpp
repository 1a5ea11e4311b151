#include <algorithm>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/table.hpp"
#include "cli_fixture.hpp"

namespace gpuwarden::cli {
namespace {

using testing::Spoken;
using testing::Terminal;

TEST(ConfigCommand, ChecksAGoodConfiguration) {
  const Spoken said = Terminal().type({"config", "--check"});
  EXPECT_EQ(said.code, kDone);
  EXPECT_EQ(said.out, "ok  The configuration is valid. Next: gpuwarden doctor\n");
}

TEST(ConfigCommand, ListsErrorsAndWarningsAndEndsWithTwo) {
  const Spoken said = Terminal()
                          .set("MAX_ACTIVE_GPUS", "x")
                          .set("RUNPOD_GPU_TYP", "y")
                          .set("LOG_LEVEL", "loud")
                          .type({"config", "--check"});
  EXPECT_EQ(said.code, kUsage);
  EXPECT_EQ(said.out,
            "error    MAX_ACTIVE_GPUS: must be a whole number from 0 to 10000, not 'x'\n"
            "error    LOG_LEVEL: must be debug, info, warning or error, not 'loud'\n"
            "warning  RUNPOD_GPU_TYP: is not known and has no effect. Did you mean RUNPOD_GPU_TYPE?\n"
            "2 errors, 1 warning. Next: mend them, then gpuwarden config --check\n");
}

TEST(ConfigCommand, EndsWithZeroWhenThereAreOnlyWarnings) {
  const Spoken said = Terminal().set("ORCHESTRATOR_POLL_SEC", "1").type({"config", "--check"});
  EXPECT_EQ(said.code, kDone);
  EXPECT_NE(said.out.find("The configuration is valid, with 1 warning. Next: gpuwarden doctor\n"),
            std::string::npos);
}

std::size_t widest_line(const std::string& text) {
  std::size_t widest = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) widest = std::max(widest, display_width(line));
  return widest;
}

TEST(ConfigCommand, ExplainsEveryVariableInGroups) {
  Terminal terminal;
  terminal.width = 80;
  terminal.set("WORKER_SETUP_CMD",
               "python3 -m venv .venv && .venv/bin/pip install --no-cache-dir -r requirements.txt");
  const Spoken said = terminal.type({"config", "--explain"});
  EXPECT_EQ(said.code, kDone);
  EXPECT_EQ(said.out.substr(0, said.out.find("Runpod\n")),
            "File     none: GPUWARDEN_ENV_FILE is not set, and /etc/gpuwarden/gpuwarden.env is not used\n"
            "\n"
            "Supabase\n"
            "  SUPABASE_URL=https://abcdefghijkl.supabase.co  [environment]\n"
            "      The project that holds the task queue. Takes https URL.\n"
            "  SUPABASE_SECRET_KEY=[set]  [environment]\n"
            "      The daemon's own key: sb_secret_... or the legacy service_role JWT. Never\n"
            "      leaves the daemon.\n"
            "  SUPABASE_PUBLISHABLE_KEY=[set]  [environment]\n"
            "      The key that pods use, each with its own token: sb_publishable_... or the\n"
            "      legacy anon JWT.\n"
            "  TASK_COUNT_SOURCE=sql  [default]\n"
            "      Who counts the waiting tasks: gpuwarden_queue_depth() (sql) or the edge\n"
            "      function task-counts. Takes sql or edge.\n"
            "  ENABLE_DB_LOGGING=false  [default]\n"
            "      Also write log lines into the table system_logs: the daemon's own, and\n"
            "      those of its workers. Takes true or false.\n"
            "\n");
  EXPECT_NE(said.out.find("  WORKER_SETUP_CMD=python3 -m venv .venv && .venv/bin/pip install --no-cache-dir\n"
                          "      -r requirements.txt\n"
                          "      [environment]\n"),
            std::string::npos)
      << said.out;
  EXPECT_NE(said.out.find("  MAX_DAILY_COST_USD  (no limit)\n"), std::string::npos);
}

TEST(ConfigCommand, KeepsExplanationsWithinTheTerminal) {
  for (const int width : {60, 80, 120, 1000}) {
    Terminal terminal;
    terminal.width = width;
    terminal.set("GPUWARDEN_ENV_FILE", "/my.env");
    terminal.files.emplace("/my.env", "WORKER_SETUP_CMD=" + std::string(300, 'x') + "\n");
    const std::string said = terminal.type({"config", "--explain"}).out;
    EXPECT_LE(widest_line(said), std::min<std::size_t>(static_cast<std::size_t>(width), 100)) << said;
    EXPECT_NE(said.find("[/my.env:1]"), std::string::npos);
    EXPECT_TRUE(said.starts_with("File     /my.env (named by GPUWARDEN_ENV_FILE)\n"));
  }
}

TEST(ConfigCommand, ShowsWithoutOptionsOnlyWhatTheOperatorGave) {
  const Spoken said = Terminal().type({"config"});
  EXPECT_NE(said.out.find("RUNPOD_GPU_TYPE"), std::string::npos);
  EXPECT_EQ(said.out.find("MAX_ACTIVE_GPUS"), std::string::npos);
  EXPECT_NE(said.out.find("Everything: gpuwarden config --explain"), std::string::npos);
}

TEST(ConfigCommand, SpeaksJson) {
  const Spoken said = Terminal().set("MAX_ACTIVE_GPUS", "x").type({"config", "--json"});
  EXPECT_EQ(said.code, kUsage);
  const auto json = nlohmann::json::parse(said.out);
  EXPECT_EQ(json["valid"], false);
  EXPECT_EQ(json["errors"][0]["name"], "MAX_ACTIVE_GPUS");
  EXPECT_EQ(json["errors"][0]["problem"], "must be a whole number from 0 to 10000, not 'x'");
  EXPECT_EQ(json["file"], nullptr);
  EXPECT_EQ(json["variables"][0]["name"], "SUPABASE_URL");
  EXPECT_EQ(json["variables"][1]["value"], "[set]");
  EXPECT_EQ(json["variables"][1]["secret"], true);
  const auto check = nlohmann::json::parse(Terminal().type({"config", "--check", "--json"}).out);
  EXPECT_EQ(check, nlohmann::json::parse(R"({"valid":true,"errors":[],"warnings":[]})"));
}

TEST(ConfigCommand, PrintsTheExampleFile) {
  std::ifstream file(GPUWARDEN_SOURCE_DIR "/config/gpuwarden.env.example");
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_EQ(Terminal().type({"config", "--example"}).out, text.str());
}

TEST(ConfigCommand, NeverShowsASecret) {
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"config"}, {"config", "--check"}, {"config", "--explain"}, {"config", "--json"}}) {
    const Spoken said = Terminal().set("SUPABASE_SECRET_KEY", "PLANTED-wrong").type(words);
    EXPECT_EQ((said.out + said.err).find("PLANTED"), std::string::npos) << said.out;
  }
}

TEST(MigrateCommand, PrintsSqlOnlyWhenAsked) {
  const Spoken bare = Terminal().type({"migrate"});
  EXPECT_EQ(bare.code, kUsage);
  EXPECT_EQ(bare.out, "");
  EXPECT_NE(bare.err.find("gpuwarden migrate --print | psql"), std::string::npos);
  const Spoken printed = Terminal().type({"migrate", "--print"});
  EXPECT_EQ(printed.code, kDone);
  EXPECT_TRUE(printed.out.starts_with("begin;\n-- ")) << printed.out.substr(0, 100);
  EXPECT_TRUE(printed.out.ends_with("\ncommit;\n")) << "all or nothing";
}

TEST(MigrateCommand, PrintsEveryFileOfTheRepositoryUnchangedAndInOrder) {
  const auto json = nlohmann::json::parse(Terminal().type({"migrate", "--json"}).out);
  std::string last;
  for (const auto& file : json["migrations"]) {
    const auto name = file["name"].get<std::string>();
    EXPECT_LT(last, name);
    last = name;
    std::ifstream source(GPUWARDEN_SOURCE_DIR "/deploy/supabase/migrations/" + name);
    ASSERT_TRUE(source) << name;
    std::ostringstream text;
    text << source.rdbuf();
    EXPECT_EQ(file["sql"], text.str());
  }
  EXPECT_NE(last, "");
}

}  // namespace
}  // namespace gpuwarden::cli
