#include "sandbox/command_line.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpuwarden::sandbox {
namespace {

using testing::HasSubstr;

Result<Command> parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "gpuwarden-sandbox");
  return parse_command_line(static_cast<int>(arguments.size()), arguments.data());
}

std::string text_of(const std::vector<const char*>& arguments) {
  const auto command = parse(arguments);
  return command && std::holds_alternative<std::string>(*command) ? std::get<std::string>(*command) : "";
}

ClientCommand request_of(const std::vector<const char*>& arguments) {
  const auto command = parse(arguments);
  return command && std::holds_alternative<ClientCommand>(*command) ? std::get<ClientCommand>(*command)
                                                                    : ClientCommand();
}

TEST(CommandLine, WithoutACommandItIsASandboxToRun) {
  const auto command = parse({"--dir", "/tmp/x", "--scenario", "list-lag:7", "--fast", "--no-database"});
  ASSERT_TRUE(command) << command.error().message;
  const auto& options = std::get<SandboxOptions>(*command);
  EXPECT_EQ(options.dir, "/tmp/x");
  EXPECT_EQ(to_string(options.scenario), "list-lag:7");
  EXPECT_EQ(options.provision_delay, Duration(0));
  EXPECT_FALSE(options.database);
  EXPECT_TRUE(options.namespaces);
  EXPECT_FALSE(std::get<SandboxOptions>(*parse({"--dir", "/tmp/x", "--no-namespaces"})).namespaces);
}

TEST(CommandLine, CommandsAreRequestsToTheSandboxOfTheDirectory) {
  const auto scenario = request_of({"scenario", "worker-crash", "--dir", "/tmp/x"});
  EXPECT_EQ(scenario.dir, "/tmp/x");
  EXPECT_EQ(scenario.body, R"({"name":"worker-crash"})");
  const auto add = request_of({"--dir", "/tmp/x", "tasks", "add", "5", "--seconds", "0.5"});
  EXPECT_EQ(add.path, "/sandbox/tasks");
  EXPECT_EQ(add.body, R"({"count":5,"seconds":0.5})");
  EXPECT_EQ(request_of({"tasks", "--dir", "/tmp/x"}).method, "GET");
  EXPECT_EQ(request_of({"state", "--dir", "/tmp/x"}).path, "/sandbox/state");
  EXPECT_EQ(request_of({"stop", "--dir", "/tmp/x"}).path, "/sandbox/stop");
}

TEST(CommandLine, ScenarioWithoutANameListsThemAndNeedsNoDirectory) {
  EXPECT_THAT(text_of({"scenario"}), HasSubstr("  heartbeat-loss\n      pods cannot reach the database"));
}

TEST(CommandLine, TheHelpShowsScenariosAndWhatToType) {
  for (const auto& text : {text_of({"--help"}), text_of({"scenario", "--help"})})
    EXPECT_THAT(text, HasSubstr("ssh-refused[:port|:auth|:hostkey|:later]"));
  EXPECT_THAT(text_of({"--help"}), HasSubstr("gpuwarden-sandbox tasks add 20 --dir"));
}

TEST(CommandLine, WhatIsWrongIsNamedWithAWayOut) {
  struct Case {
    std::vector<const char*> arguments;
    const char* says;
  };
  for (const auto& each :
       std::vector<Case>{{{}, "--dir is missing"},
                         {{"state"}, "--dir is missing"},
                         {{"--dir", "/tmp/x", "--scenario", "worker-crsh"}, "did you mean 'worker-crash'?"},
                         {{"scenario", "worker-crsh", "--dir", "/tmp/x"}, "did you mean 'worker-crash'?"},
                         {{"scenario", "worker-crsh"}, "did you mean 'worker-crash'?"},
                         {{"scenario", "list-lag:soon", "--dir", "/tmp/x"}, "takes a number, not 'soon'"},
                         {{"tasks", "add", "--dir", "/tmp/x"}, "count"},
                         {{"tasks", "add", "many", "--dir", "/tmp/x"}, "many"},
                         {{"tasks", "add", "0", "--dir", "/tmp/x"}, "0"},
                         {{"tasks", "add", "5", "--seconds", "-1", "--dir", "/tmp/x"}, "-1"},
                         {{"--dir", "/tmp/x", "--port-base", "80"}, "80"},
                         {{"--dir", "/tmp/x", "dance"}, "dance"}}) {
    const auto command = parse(each.arguments);
    ASSERT_FALSE(command) << each.says;
    EXPECT_EQ(command.error().kind, ErrorKind::invalid_input);
    EXPECT_THAT(command.error().message, HasSubstr(each.says));
    EXPECT_THAT(command.error().message, HasSubstr("--help"));
  }
}

}  // namespace
}  // namespace gpuwarden::sandbox
