#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/stack.hpp"

namespace gpuwarden::test {
namespace {

using namespace std::chrono_literals;

std::string all_command_lines() {
  std::string text;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "cmdline", std::ios::binary);
    std::ostringstream line;
    line << file.rdbuf();
    text += line.str() + "\n";
  }
  return text;
}

TEST(Case16Secrets, AreFoundInNoCommandLineLogAnswerOrRow) {
  Stack stack;
  std::vector<std::string> secrets;
  for (const auto& name : {"SUPABASE_SECRET_KEY", "RUNPOD_API_KEY"})
    secrets.push_back(stack.environment().at(name));
  stack.add_tasks(3, 2.0);
  stack.start_daemon();
  std::string seen;
  EXPECT_TRUE(eventually(90s, [&] {
    const std::string lines = all_command_lines();
    for (const std::string& secret : secrets) {
      if (lines.find(secret) != std::string::npos) seen += "argv ";
    }
    // Tokens are 64 hex digits; none may stand in an argument list.
    const Json state = stack.state();
    return state.at("tasks").value("complete", 0) == 3 && state.at("pods").empty();
  })) << stack.daemon_log();
  EXPECT_EQ(seen, "");
  stack.cli({"failures"});
  const std::string status = stack.status().dump();
  const std::string log = stack.daemon_log();
  const std::string rows =
      stack.sql("select w.*, g.* from workers w left join gpuwarden_workers g on g.worker_id = w.id").dump() +
      stack.sql("select * from gpuwarden_failures").dump() + stack.sql("select * from system_logs").dump();
  for (const std::string& secret : secrets) {
    EXPECT_THAT(log, testing::Not(testing::HasSubstr(secret)));
    EXPECT_THAT(status, testing::Not(testing::HasSubstr(secret)));
    EXPECT_THAT(rows, testing::Not(testing::HasSubstr(secret)));
  }
}

}  // namespace
}  // namespace gpuwarden::test
