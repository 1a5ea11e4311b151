#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config_fixture.hpp"

namespace gpuwarden::config {
namespace {

using ::testing::HasSubstr;

TEST(LogFile, ThatCannotBeWrittenIsAWarningWithPathReasonAndRemedy) {
  testing::FakeSource fake;
  fake.set("LOG_FILE", "/var/log/gpuwarden/gpuwarden.log");
  fake.source.may_append = [](const std::string&) -> Result<void> {
    return fail(ErrorKind::invalid_input, "Permission denied");
  };
  const Loaded loaded = fake.load();
  ASSERT_TRUE(loaded.config) << "a log on standard error is better than no daemon";
  const std::string warning = testing::about(loaded.warnings, "LOG_FILE");
  EXPECT_THAT(warning, HasSubstr("/var/log/gpuwarden/gpuwarden.log cannot be opened: Permission denied"));
  EXPECT_THAT(warning, HasSubstr("install -d -o gpuwarden /var/log/gpuwarden"));
  EXPECT_THAT(warning, HasSubstr("systemctl restart gpuwarden"));
}

TEST(LogFile, ThatCanBeWrittenIsNotWorthAWord) {
  testing::FakeSource fake;
  fake.set("LOG_FILE", "/var/log/gpuwarden/gpuwarden.log");
  fake.source.may_append = [](const std::string&) -> Result<void> { return {}; };
  EXPECT_EQ(testing::all_of(fake.load().warnings), "");
}

struct ProcessSource : ::testing::Test {
  std::filesystem::path dir = [] {
    std::string pattern = (std::filesystem::temp_directory_path() / "gpuwarden-config.XXXXXX").string();
    return std::filesystem::path(mkdtemp(pattern.data()));
  }();
  ~ProcessSource() override { std::filesystem::remove_all(dir); }
  static std::string why_not(const std::filesystem::path& path) {
    const auto usable = process_source().may_append(path.string());
    return usable ? "" : usable.error().message;
  }
};

TEST_F(ProcessSource, MayAppendToAFileThatExistsAndToOneThatDoesNotYet) {
  std::ofstream(dir / "there.log") << "line\n";
  EXPECT_EQ(why_not(dir / "there.log"), "");
  EXPECT_EQ(why_not(dir / "new.log"), "");
  EXPECT_EQ(why_not(dir / "new" / "folder" / "new.log"), "") << "the folders are made";
  EXPECT_FALSE(std::filesystem::exists(dir / "new")) << "looking makes nothing";
}

TEST_F(ProcessSource, MayNotAppendToAFolderOrBelowAFile) {
  std::ofstream(dir / "file") << "in the way";
  EXPECT_EQ(why_not(dir), "Is a directory");
  EXPECT_EQ(why_not(dir / "file" / "x.log"), "Not a directory");
  EXPECT_EQ(why_not(dir / "file" / "folder" / "x.log"), "Not a directory");
}

}  // namespace
}  // namespace gpuwarden::config
