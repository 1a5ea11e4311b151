// What deploy/demo.sh prints and checks, on logs that are written here.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "unit/sandbox/shell_world.hpp"

namespace gpuwarden::sandbox {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string line(double second, const std::string& event, const std::string& more,
                 const std::string& level = "info") {
  return fmt::format(R"({{"ts":"2026-11-24T04:00:{:06.3f}Z","level":"{}","event":"{}"{}}})", second, level,
                     event, more) +
         "\n";
}
std::string spawning(double second, const std::string& worker, bool canary = false) {
  return line(
      second, "spawning",
      fmt::format(R"(,"msg":"wanted","worker":"gpu-{}","canary":"{}")", worker, canary ? "true" : "false"));
}
std::string failed(double second, const std::string& worker) {
  return line(
      second, "worker_failed",
      fmt::format(R"(,"msg":"bad argument","worker":"gpu-{0}","pod":"pod-{0}","cause":"start_failed",)"
                  R"("evidence":"refused at {1}","advice":"mend it")",
                  worker, second),
      "error");
}
std::string breaker(double second, const std::string& state) {
  return line(second, "save_breaker", R"(,"msg":"breaker )" + state + "\"");
}
std::string active(double second, const std::string& worker) {
  return line(second, "activate", R"(,"msg":"active after 5s","worker":"gpu-)" + worker + "\"");
}

class Demo : public ShellWorld {
 protected:
  void log(const std::string& text) const { write("daemon.log", text); }
  /// The pod's log says when its worker process ended.
  void died(const std::string& worker, const std::string& second) const {
    write("sandbox/logs/pod-" + worker + ".log",
          R"(@gpuwarden {"v":1,"step":"start","event":"fail","t":"2026-11-24T04:00:)" + second +
              "Z\",\"exit\":2,\"tail\":[]}\n");
  }
  std::string check(const std::string& what) const {
    return run(". \"$root/deploy/lib/demo_checks.sh\"; check_" + what);
  }
  std::string story() const {
    return run(
        "began_s=$(date -d 2026-11-24T04:00:00Z +%s) gpuwarden=false most=0\n"
        ". \"$root/deploy/lib/timeline.sh\"; tl_events; tl_events");
  }
};

TEST_F(Demo, ACauseThatWasNamedTooLateFailsIt) {
  log(failed(12.0, "a") + failed(15.5, "b"));
  died("a", "11.900");
  died("b", "10.400");
  EXPECT_EQ(check("promptness 5000"),
            "cause named 5.100 s after the worker process died, at most (2 workers)\n"
            "the cause was named 5100 ms after the worker died, 5000 ms expected\nexit 1\n");
  EXPECT_THAT(check("promptness 5100"), HasSubstr("exit 0"));
}

TEST_F(Demo, ADeathWithoutANamedCauseFailsIt) {
  log(spawning(1, "a"));
  EXPECT_THAT(check("promptness 5000"), HasSubstr("exit 1"));
  log(line(3, "worker_failed", R"(,"worker":"gpu-a","cause":"unclassified")"));
  EXPECT_THAT(check("every_failure_has_a_cause"), HasSubstr("failures without a cause: gpu-a\nexit 1"));
}

TEST_F(Demo, PodsAreCountedUntilTheBreakerOpensForTheFirstTime) {
  log(spawning(1, "a") + spawning(2, "b") + breaker(3, "open") + spawning(9, "c", true) +
      breaker(9, "half_open"));
  EXPECT_EQ(check("pods_before_breaker 2"), "2 pods were created before the breaker opened\nexit 0\n");
  EXPECT_THAT(check("pods_before_breaker 1"), HasSubstr("exit 1"));
  log(spawning(1, "a") + breaker(9, "half_open"));
  EXPECT_THAT(check("pods_before_breaker 7"), HasSubstr("the breaker did not open\nexit 1"));
}

TEST_F(Demo, AfterTheBreakerOpenedOneCanaryMustRunAlone) {
  const auto before = spawning(1, "a") + breaker(3, "open");
  log(before + spawning(9, "c", true) + active(15, "c") + spawning(16, "d", true));
  EXPECT_EQ(check("one_canary_first"), "one canary (c) ran first and alone after the repair\nexit 0\n");
  log(before + spawning(9, "c", true) + spawning(10, "d", true) + active(15, "c"));
  EXPECT_THAT(check("one_canary_first"), HasSubstr("1 more workers were started before the canary"));
  log(before + spawning(9, "c") + active(15, "c"));
  EXPECT_THAT(check("one_canary_first"), HasSubstr("was no canary: gpu-c\nexit 1"));
  log(before);
  EXPECT_THAT(check("one_canary_first"), HasSubstr("no worker was started"));
}

TEST_F(Demo, TheStoryTellsEachThingOnce) {
  log(failed(5, "w-1a") + failed(6, "w-2b") + breaker(7, "open") + breaker(8, "open") +
      line(9, "drain", R"(,"msg":"draining","worker":"gpu-w-3c","reason":"idle for 4s")") + "no JSON\n");
  EXPECT_EQ(story(),
            "  5s  worker_failed   1a  start_failed: bad argument\n"
            "  5s                  evidence: refused at 5\n"
            "  5s                  advice:   mend it\n"
            "  6s  worker_failed   2b  start_failed: the same\n"
            "  7s  breaker         open\n"
            "  9s  drain           3c  draining  (idle for 4s)\n"
            "exit 0\n");
}

TEST_F(Demo, AnUnknownOptionOrNumberIsRefusedWithoutDoingAnything) {
  EXPECT_THAT(run("\"$root/deploy/demo.sh\" --tasks many"), HasSubstr("--tasks needs a number"));
  EXPECT_THAT(run("\"$root/deploy/demo.sh\" --fast"), HasSubstr("unknown option --fast"));
  EXPECT_THAT(run("\"$root/deploy/demo.sh\" --help"), HasSubstr("deploy/demo.sh --scenario worker-crash"));
}

}  // namespace
}  // namespace gpuwarden::sandbox
