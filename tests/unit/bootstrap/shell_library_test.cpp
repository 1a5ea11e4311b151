// The functions of lib.sh and lock.sh, run by the real bash.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/bootstrap/status_line.hpp"

#include "bash.hpp"

namespace gpuwarden::bootstrap {
namespace {

using test::run_bash;
using test::TempDir;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

/// Sources the parts in a directory that looks like a pod's.
std::string in_pod(const TempDir& dir, const std::string& script) {
  std::filesystem::create_directories(dir.path + "/spool");
  std::ofstream(dir.path + "/token") << "token_planted_secret\n";
  std::ofstream(dir.path + "/env")
      << "gw_worker=gpu-a-1 gw_key=publishable_planted gw_repo_user= gw_repo_password=\n"
         "gw_pass_names=(HF_TOKEN)\nexport HF_TOKEN='hf_&\\planted'\n";
  return "set -u; run=" + dir.path + "; for part in lib couriers lock; do . " + test::kScriptsDir +
         "/$part.sh; done; gw_load; " + script;
}

StatusLine status_with_tail(const TempDir& dir, const std::string& log) {
  std::ofstream(dir.path + "/log", std::ios::binary) << log;
  const auto ran =
      run_bash(in_pod(dir, "gw_tail $run/log; gw_status start fail exit=2 signal=SIGKILL check= report=no"));
  const auto line = parse_status_line(ran.output.substr(0, ran.output.find('\n')));
  EXPECT_TRUE(line) << ran.output.substr(0, 2000);
  EXPECT_EQ(ran.output, [&] {
    std::ifstream file(dir.path + "/status");
    return std::string(std::istreambuf_iterator<char>(file), {});
  }());
  return line.value_or(StatusLine{});
}

TEST(StatusFromBash, HasAllItsFieldsAndATime) {
  const TempDir dir;
  const StatusLine line = status_with_tail(dir, "usage: x\nerror: y\n");
  EXPECT_EQ(line.worker, "gpu-a-1");
  EXPECT_EQ(line.exit_code, 2);
  EXPECT_EQ(line.signal, "SIGKILL");
  EXPECT_TRUE(parse_time(line.time)) << line.time;
  EXPECT_THAT(line.tail, ElementsAre("usage: x", "error: y"));
}

TEST(StatusFromBash, SaysNothingOfTheScriptWhenAChildIsKilledBeforeItHasDroppedTheExitTrap) {
  const TempDir dir;
  const std::string trap = "eval \"$(sed -n '/^gw_unexpected()/,/^}/p' " + test::kScriptsDir +
                           "/bootstrap.sh)\"; trap gw_unexpected EXIT; ";
  // Killed at once, as the keeper of a lock is after a setup that took no time.
  const auto ran = run_bash(in_pod(
      dir,
      trap +
          "gw_step=setup; for i in {1..20}; do while :; do :; done & kill $!; wait $!; done; gw_step=over"));
  EXPECT_THAT(ran.output, testing::Not(HasSubstr("@gpuwarden"))) << ran.output;
  const auto own = run_bash(in_pod(dir, trap + "gw_step=setup; exit 3"));
  EXPECT_THAT(own.output, HasSubstr("the startup script ended unexpectedly in setup")) << "the trap works";
}

TEST(StatusFromBash, CarriesQuotesBackslashesAndForeignLetters) {
  const TempDir dir;
  const StatusLine line = status_with_tail(
      dir, "a \"quoted\" C:\\path & $HOME `x`\n\tcaf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\n");
  EXPECT_THAT(line.tail,
              ElementsAre("a \"quoted\" C:\\path & $HOME `x`", " caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"));
}

TEST(StatusFromBash, DropsWhatIsNoUtf8AndControlCharacters) {
  using namespace std::string_literals;
  const TempDir dir;
  const StatusLine line = status_with_tail(
      dir,
      "x\xff\xfey "
      "\x01\x02\x7fz\n\xc3(\n\xed\xa0\x80surrogate\n\xf5\x80\x80\x80\xc0\xafoverlong\nnul\0byte\n"s);
  EXPECT_THAT(line.tail, ElementsAre("xy z", "(", "surrogate", "overlong", "nulbyte"));
}

TEST(StatusFromBash, ShowsLinesAsATerminalWould) {
  const TempDir dir;
  const StatusLine line =
      status_with_tail(dir, "10%\r50%\r100%\n\x1b[31mred\x1b[0m text\r\n\n   \n\x1b]0;title\aend\n");
  EXPECT_THAT(line.tail, ElementsAre("100%", "red text", "end"));
}

TEST(StatusFromBash, SurvivesEveryByteThatThereIs) {
  const TempDir dir;
  std::string log;
  for (int first = 0; first < 256; ++first)
    for (int second = 0; second < 256; second += 5)
      log += {static_cast<char>(first), static_cast<char>(second)};
  status_with_tail(dir, log + "\nlast");
}

TEST(StatusFromBash, IsBoundedInLinesAndBytes) {
  const TempDir dir;
  std::string log;
  for (int i = 0; i < 100; ++i) log += "line " + std::to_string(i) + "\n";
  StatusLine line = status_with_tail(dir, log);
  EXPECT_THAT(line.tail, SizeIs(30));
  EXPECT_EQ(line.tail.back(), "line 99");
  std::filesystem::remove(dir.path + "/status");
  log.clear();
  for (int i = 0; i < 40; ++i) log += std::string(3000, '"') + "\n";
  line = status_with_tail(dir, log);
  EXPECT_EQ(line.tail.back().size(), 1000u);
  EXPECT_LT(std::filesystem::file_size(dir.path + "/status"), 16u * 1024);
}

TEST(StatusFromBash, HoldsNoSecretEvenWhereALineIsCut) {
  const TempDir dir;
  const StatusLine line =
      status_with_tail(dir, "t=token_planted_secret k=publishable_planted h=hf_&\\planted\n" +
                                std::string(990, 'x') + "token_planted_secret\n");
  EXPECT_EQ(line.tail.at(0), "t=[redacted] k=[redacted] h=[redacted]");
  EXPECT_THAT(line.tail.at(1), testing::Not(HasSubstr("token_")));
}

TEST(StatusFromBash, ReadsOnlyTheEndOfAHugeLog) {
  const TempDir dir;
  const StatusLine line = status_with_tail(dir, std::string(3000000, 'x') + "\nRuntimeError: boom\n");
  EXPECT_EQ(line.tail.back(), "RuntimeError: boom");
}

TEST(StatusFromBash, DoesNotDependOnTheLocale) {
  const TempDir dir;
  std::ofstream(dir.path + "/log") << "caf\xc3\xa9\n";
  for (const std::string locale : {"C", "C.UTF-8", "POSIX"}) {
    const auto ran = run_bash("export LC_ALL=" + locale + "; " +
                              in_pod(dir, "gw_tail $run/log; gw_status setup fail exit=1 report=no"));
    ASSERT_TRUE(parse_status_line(ran.output.substr(0, ran.output.find('\n')))) << locale << ran.output;
    EXPECT_THAT(ran.output, HasSubstr("caf\xc3\xa9"));
  }
}

TEST(SignalName, IsGivenForDeathsBySignalsOnly) {
  const TempDir dir;
  const auto ran = run_bash(in_pod(dir,
                                   "for c in 0 1 127 128 129 137 139 143 192 193 255; do gw_signal_name n "
                                   "$c; printf '%s ' \"$c=$n\"; done"));
  EXPECT_EQ(ran.output,
            "0= 1= 127= 128= 129=SIGHUP 137=SIGKILL 139=SIGSEGV 143=SIGTERM 192=SIGRTMAX 193= 255= ");
}

TEST(Milliseconds, AreReadFromSecondsWithFractions) {
  const TempDir dir;
  const auto ran = run_bash(
      in_pod(dir, "for s in 1 20 0.5 2.25 0.001 3600 08; do gw_seconds_ms n $s; printf '%s ' $n; done"));
  EXPECT_EQ(ran.output, "1000 20000 500 2250 1 3600000 8000 ");
}

TEST(Lock, IsWaitedForWhileItsHolderLives) {
  const TempDir dir;
  const auto ran = run_bash(
      in_pod(dir,
             "gw_lock_patience_ms=2700; gw_lock $run/l; ( gw_worker=gpu-b-2; gw_lock $run/l >$run/out; echo "
             "second; gw_unlock $run/l ) & "
             "other=$!; gw_nap 3.5; echo first; gw_unlock $run/l; wait $other; [ -e $run/l ] || echo free"));
  EXPECT_EQ(ran.output, "first\nsecond\nfree\n");
}

TEST(Lock, OfADeadPodIsTakenOver) {
  const TempDir dir;
  const auto ran = run_bash(
      in_pod(dir,
             "gw_lock_patience_ms=300; mkdir $run/l; echo 'gpu-dead-1 17' >$run/l/beat; gw_lock $run/l; "
             "read -r holder count <$run/l/beat; echo $holder; gw_unlock $run/l; ls -d $run/l*"));
  EXPECT_THAT(ran.output, HasSubstr("took over a lock whose holder is gone: gpu-dead-1 17"));
  EXPECT_THAT(ran.output, testing::Not(HasSubstr(".broken")));
}

TEST(Lock, ThatCannotBeMadeIsAnErrorAndNoEndlessWait) {
  const TempDir dir;
  const auto ran = run_bash(in_pod(dir, "gw_lock $run/missing/l || echo failed"));
  EXPECT_THAT(ran.output, HasSubstr("No such file or directory"));
  EXPECT_THAT(ran.output, HasSubstr("failed\n"));
}

TEST(Scripts, PassShellcheck) {
  if (run_bash("command -v shellcheck").exit_code != 0) GTEST_SKIP() << "shellcheck is not installed";
  const auto ran = run_bash("cd " + test::kScriptsDir + " && shellcheck -x *.sh");
  EXPECT_EQ(ran.exit_code, 0) << ran.output;
}

}  // namespace
}  // namespace gpuwarden::bootstrap
