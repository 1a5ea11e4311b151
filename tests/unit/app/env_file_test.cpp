#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "app/process.hpp"

namespace gpuwarden::app {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

struct EnvFile : testing::Test {
  std::string path = (std::filesystem::temp_directory_path() / "gpuwarden-env.XXXXXX").string();

  EnvFile() {
    ::close(mkstemp(path.data()));
    ::setenv("GPUWARDEN_ENV_FILE", path.c_str(), 1);
    ::setenv("MAX_ACTIVE_GPUS", "7", 1);
  }
  ~EnvFile() override {
    ::unsetenv("GPUWARDEN_ENV_FILE");
    ::unsetenv("MAX_ACTIVE_GPUS");
    std::filesystem::remove(path);
  }
  Result<config::Source> read(const std::string& text) const {
    std::ofstream(path) << text;
    return read_source();
  }
};

TEST_F(EnvFile, ItsValuesWinOverTheProcessEnvironmentAndAreReadAnewEachTime) {
  const auto first = read("MAX_ACTIVE_GPUS=3\n");
  ASSERT_TRUE(first);
  EXPECT_EQ(first->environment.at("MAX_ACTIVE_GPUS"), "3");
  EXPECT_FALSE(first->environment.contains("GPUWARDEN_ENV_FILE")) << "it is no setting";
  const auto second = read("# nothing\n");
  ASSERT_TRUE(second);
  EXPECT_EQ(second->environment.at("MAX_ACTIVE_GPUS"), "7");
}

TEST_F(EnvFile, IsReadAsSystemdReadsIt) {
  const auto source = read(
      "; a comment\n  # another\n\nA=plain\nB=\"in quotes\"\nC='single'\nD=a=b\nE=\nG=last without line end");
  ASSERT_TRUE(source);
  const auto& environment = source->environment;
  EXPECT_EQ(environment.at("A"), "plain");
  EXPECT_EQ(environment.at("B"), "in quotes");
  EXPECT_EQ(environment.at("C"), "single");
  EXPECT_EQ(environment.at("D"), "a=b");
  EXPECT_EQ(environment.at("E"), "");
  EXPECT_EQ(environment.at("G"), "last without line end");
}

TEST_F(EnvFile, ALineThatIsNoAssignmentIsAnErrorWithItsNumber) {
  for (const auto* line : {"no assignment", "=value", "A-B=1"}) {
    const auto source = read(std::string("A=1\n\n") + line + "\n");
    ASSERT_FALSE(source) << line;
    EXPECT_EQ(source.error().kind, ErrorKind::invalid_input);
    EXPECT_EQ(source.error().message, path + " line 3: expected NAME=VALUE");
  }
}

TEST_F(EnvFile, AFileThatCannotBeReadIsAnErrorThatNamesIt) {
  ::setenv("GPUWARDEN_ENV_FILE", "/nowhere/gpuwarden.env", 1);
  const auto source = read_source();
  ASSERT_FALSE(source);
  EXPECT_THAT(source.error().message,
              AllOf(HasSubstr("GPUWARDEN_ENV_FILE"), HasSubstr("/nowhere/gpuwarden.env")));
}

}  // namespace
}  // namespace gpuwarden::app
