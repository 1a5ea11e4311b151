#include "gpuwarden/app/logging.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/app/worker_token.hpp"

#include "fakes/fake_clock.hpp"

namespace gpuwarden::app {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr WallTime kAt = WallTime{std::chrono::sys_days{std::chrono::year{2026} / 11 / 24}};

std::string line(bool json, std::string_view message, const ports::LogFields& fields) {
  LogSettings settings;
  settings.json = json;
  Redactor redactor;
  redactor.add("planted-secret-1");
  return log_line(settings, redactor, kAt, ports::LogLevel::info, "spawn", message, fields);
}

TEST(Logging, AJsonLineHasTimeLevelEventMessageAndFields) {
  const auto parsed = nlohmann::json::parse(line(true, "pod created", {{"worker", "gpu-1"}, {"cause", ""}}));
  EXPECT_EQ(parsed["ts"], "2026-11-24T00:00:00.000Z");
  EXPECT_EQ(parsed["level"], "info");
  EXPECT_EQ(parsed["event"], "spawn");
  EXPECT_EQ(parsed["worker"], "gpu-1");
  EXPECT_FALSE(parsed.contains("cause")) << "empty fields are left out";
}

TEST(Logging, APlainLineQuotesValuesWithBlanks) {
  EXPECT_EQ(line(false, "pod created", {{"gpu", "RTX 4090"}, {"pod", "p1"}}),
            "2026-11-24T00:00:00.000Z info    spawn          pod created gpu=\"RTX 4090\" pod=p1");
}

TEST(Logging, Case16SecretsAreRemovedFromMessageAndFields) {
  for (const bool json : {false, true}) {
    const std::string text = line(json, "key planted-secret-1", {{"detail", "Bearer abcdefghijklmnop"}});
    EXPECT_THAT(text, Not(HasSubstr("planted-secret-1")));
    EXPECT_THAT(text, Not(HasSubstr("abcdefghijklmnop")));
  }
}

TEST(Logging, LineBreaksAndBrokenUtf8CannotForgeASecondLine) {
  const std::string text = line(true, "a\nb\xff", {});
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_NO_THROW((void)nlohmann::json::parse(text));
}

struct LogFile : testing::Test {
  std::string dir = [] {
    std::string pattern = (std::filesystem::temp_directory_path() / "gpuwarden-log.XXXXXX").string();
    return std::string(mkdtemp(pattern.data()));
  }();
  Redactor redactor;
  fakes::FakeClock clock;
  LogSettings settings;

  ~LogFile() override { std::filesystem::remove_all(dir); }
  /// What standard error gets of one error line.
  std::string write_a_line() {
    testing::internal::CaptureStderr();
    const auto log = make_log(settings, redactor, clock);
    log->error("worker_failed", "died");
    return testing::internal::GetCapturedStderr();
  }
};

TEST_F(LogFile, GetsNoColourCodesWhileTheTerminalDoes) {
  settings.colour = true;
  settings.file = dir + "/gpuwarden.log";
  EXPECT_THAT(write_a_line(), HasSubstr("\x1b["));
  std::ifstream file(settings.file);
  std::string text;
  std::getline(file, text);
  EXPECT_THAT(text, HasSubstr("died"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST_F(LogFile, ThatCannotBeOpenedIsOneLineWithPathReasonAndRemedyAndTheLogGoesOn) {
  std::ofstream(dir + "/file") << "in the way";
  settings.file = dir + "/file/gpuwarden.log";
  const std::string text = write_a_line();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2) << text;
  EXPECT_THAT(text, HasSubstr("LOG_FILE " + settings.file + " cannot be opened: Not a directory"));
  EXPECT_THAT(text, HasSubstr("systemctl restart gpuwarden"));
  EXPECT_THAT(text, HasSubstr("died"));
}

TEST_F(LogFile, ThatIsADirectoryIsNoReasonToDie) {
  settings.file = dir;
  EXPECT_THAT(write_a_line(), HasSubstr("Is a directory"));
}

TEST(Logging, LessImportantLinesAreLeftOut) {
  LogSettings settings;
  settings.level = "warning";
  Redactor redactor;
  const fakes::FakeClock clock;
  testing::internal::CaptureStderr();
  const auto log = make_log(settings, redactor, clock);
  log->info("spawn", "quiet");
  log->warning("drain", "loud");
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, Not(HasSubstr("quiet")));
  EXPECT_THAT(text, HasSubstr("loud"));
}

TEST(WorkerToken, HasTheHashOfItsText) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const control::WorkerToken token = make_worker_token();
  EXPECT_EQ(token.token.reveal().size(), 64u);
  EXPECT_EQ(token.sha256, sha256_hex(token.token.reveal()));
}

TEST(WorkerToken, IsDifferentEachTime) {
  EXPECT_FALSE(make_worker_token().token == make_worker_token().token);
}

}  // namespace
}  // namespace gpuwarden::app
