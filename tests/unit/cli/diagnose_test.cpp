#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/domain/failure_cause.hpp"

#include "cli_fixture.hpp"

namespace gpuwarden::cli {
namespace {

using testing::Spoken;
using testing::Terminal;

constexpr const char* kCrash = R"({"worker":"gpu-1","phase":"bootstrapping:start","exit_code":2,
  "tails":{"worker":["usage: worker.py [-h]","worker.py: error: unrecognized arguments: --turbo"]}})";

/// What the command says of a file, without any configuration or service.
Spoken diagnosed(const std::string& name, const std::string& text, const std::vector<std::string>& words) {
  Terminal terminal;
  terminal.environment.clear();
  terminal.files.emplace(name, text);
  return terminal.type(words);
}

TEST(DiagnoseCommand, NamesTheCauseOfADocumentWithoutAnyConfiguration) {
  const Spoken said = diagnosed("e.json", kCrash, {"diagnose", "e.json"});
  EXPECT_EQ(said.code, kDone) << said.err;
  EXPECT_NE(said.out.find("Cause        start_failed\n"), std::string::npos) << said.out;
  EXPECT_NE(said.out.find("Evidence     worker.py: error: unrecognized arguments: --turbo\n"),
            std::string::npos)
      << said.out;
  EXPECT_NE(said.out.find("Blames       image_and_script (counted by the breaker)\n"), std::string::npos);
}

TEST(DiagnoseCommand, PrintsTheVerdictAsJson) {
  const Spoken said = diagnosed("-", kCrash, {"diagnose", "-", "--json"});
  ASSERT_EQ(said.code, kDone) << said.err;
  const auto json = nlohmann::json::parse(said.out);
  EXPECT_EQ(json.at("cause"), "start_failed");
  EXPECT_EQ(json.at("evidence_line"), "worker.py: error: unrecognized arguments: --turbo");
  EXPECT_EQ(json.at("advice"), facts(FailureCause::start_failed).advice);
  EXPECT_EQ(json.at("scope"), "image_and_script");
  EXPECT_EQ(json.at("counts_for_breaker"), true);
  EXPECT_EQ(json.at("fingerprint").get<std::string>().size(), 16U);
  EXPECT_FALSE(json.at("summary").get<std::string>().empty());
}

TEST(DiagnoseCommand, ReadsARowOfTheFailuresCommandToo) {
  const Spoken said =
      diagnosed("row.json", R"({"worker":"gpu-1","cause":"x","evidence":)" + std::string(kCrash) + "}",
                {"diagnose", "row.json", "--json"});
  ASSERT_EQ(said.code, kDone) << said.err;
  EXPECT_EQ(nlohmann::json::parse(said.out).at("cause"), "start_failed");
}

TEST(DiagnoseCommand, SaysThatAFileIsNoEvidence) {
  const Spoken said = diagnosed("e.json", "[1, 2]", {"diagnose", "e.json"});
  EXPECT_EQ(said.code, kFailed);
  EXPECT_NE(said.err.find("e.json"), std::string::npos) << said.err;
  EXPECT_NE(said.err.find("not a JSON object"), std::string::npos) << said.err;
  EXPECT_TRUE(said.out.empty());
}

TEST(DiagnoseCommand, SaysThatAFileIsNotThere) {
  const Spoken said = diagnosed("e.json", "{}", {"diagnose", "other.json"});
  EXPECT_EQ(said.code, kFailed);
  EXPECT_NE(said.err.find("No such file"), std::string::npos) << said.err;
}

TEST(DiagnoseCommand, NeedsAFile) {
  const Spoken said = Terminal().type({"diagnose"});
  EXPECT_EQ(said.code, kUsage);
}

}  // namespace
}  // namespace gpuwarden::cli
