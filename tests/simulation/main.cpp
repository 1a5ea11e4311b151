#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "simulation/batch.hpp"
#include "simulation/expected_probes.hpp"

namespace gpuwarden::simulation {
namespace {

constexpr int kOk = 0, kViolation = 1, kUsage = 2;
constexpr std::size_t kLinesShown = 60;

constexpr std::string_view kHelp =
    R"(gpuwarden-sim: lives of the whole daemon on virtual time, in worlds where everything goes wrong

usage: gpuwarden-sim [options]

  --seed N         first seed (1)
  --seeds COUNT    so many seeds from there on (1)
  --hours H        simulated hours of faults; unset: 0.5 to 1.5, by the seed
  --faults MIX     none, all, or names joined by commas: runpod, supabase, pods, daemon, operators (all)
  --jobs N         threads (one for each processor)
  --trace          prints everything that happens, of one seed
  --crash-everywhere [STORY]
                   each story again and again, with one mishap at each call in turn: the daemon is killed
                   after the effect or after the answer, the answer is lost, or is an error although it was
                   done; without faults by chance. Stories: {}
  --probes         prints how often each rare state was reached, and fails where one never was
  --json           the result as one JSON document
  --story STORY    one story alone; with --crash CALL:HOW one mishap, as a failure of the above names it

Exit status: 0 nothing was violated, 1 something was, 2 the command line is wrong. The same seed and the same
commit give the same trace hash.
)";

struct Arguments {
  std::uint64_t seed{1}, seeds{1};
  double hours{0};
  std::string faults{"all"};
  unsigned jobs{std::max(1U, std::thread::hardware_concurrency())};
  bool trace{false}, probes{false}, json{false}, help{false}, crash_everywhere{false};
  const Scenario* story{nullptr};  ///< of --crash-everywhere; null = all
  CrashAt crash{};
};

template <class Number>
bool read(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

const Scenario* find_story(std::string_view name) {
  for (const Scenario& story : scenarios()) {
    if (story.name == name) return &story;
  }
  return nullptr;
}

/// "17:at_effect"
bool read_crash(std::string_view text, CrashAt& crash) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || !read(text.substr(0, colon), crash.call)) return false;
  for (const auto& [name, how] : kCrashKinds) {
    if (text.substr(colon + 1) != name) continue;
    crash.how = how;
    return true;
  }
  return false;
}

/// None = said on standard error what is wrong.
std::optional<Arguments> parse(const std::vector<std::string>& words) {
  Arguments arguments;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    const auto flag = [&](std::string_view name, bool& on) { return word == name && (on = true); };
    if (flag("--trace", arguments.trace) || flag("--probes", arguments.probes) ||
        flag("--json", arguments.json) || flag("--help", arguments.help) || flag("-h", arguments.help))
      continue;
    if (word == "--crash-everywhere") {
      arguments.crash_everywhere = true;
      if (i + 1 < words.size() && find_story(words[i + 1]) != nullptr)
        arguments.story = find_story(words[++i]);
      continue;
    }
    if (i + 1 == words.size()) {
      fmt::print(stderr, "gpuwarden-sim: unknown option, or a value is missing: {}\n", word);
      return std::nullopt;
    }
    const std::string& value = words[++i];
    bool good = false;
    if (word == "--seed") good = read(value, arguments.seed);
    if (word == "--seeds") good = read(value, arguments.seeds) && arguments.seeds > 0;
    if (word == "--hours") good = read(value, arguments.hours) && arguments.hours > 0;
    if (word == "--jobs") good = read(value, arguments.jobs) && arguments.jobs > 0;
    if (word == "--faults") {
      good = parse_faults(value).has_value();
      arguments.faults = value;
    }
    if (word == "--story") good = (arguments.story = find_story(value)) != nullptr;
    if (word == "--crash") good = read_crash(value, arguments.crash);
    if (!good) {
      fmt::print(stderr, "gpuwarden-sim: not understood: {} {}\n", word, value);
      return std::nullopt;
    }
  }
  return arguments;
}

std::string replay_command(const RunResult& result, const Arguments& arguments) {
  if (result.scenario != nullptr) {
    std::string story = fmt::format("gpuwarden-sim --story {}", result.scenario->name);
    for (const auto& [name, how] : kCrashKinds) {
      if (result.crash.call > 0 && result.crash.how == how)
        story += fmt::format(" --crash {}:{}", result.crash.call, name);
    }
    return story;
  }
  std::string command = fmt::format("gpuwarden-sim --seed {} --faults {}", result.seed, arguments.faults);
  if (arguments.hours > 0) command += fmt::format(" --hours {}", arguments.hours);
  return command;
}

std::string when(MonoTime at) {
  const auto ms = (at - MonoTime{}).count();
  return fmt::format("{}:{:02}:{:02}.{:03}", ms / 3'600'000, ms / 60'000 % 60, ms / 1000 % 60, ms % 1000);
}

void print_violation(const RunResult& result, const Arguments& arguments, std::size_t lines) {
  const std::size_t from = result.trace.size() - std::min(result.trace.size(), lines);
  for (std::size_t i = from; i < result.trace.size(); ++i)
    fmt::print("  {} {}\n", when(result.trace[i].at), result.trace[i].what);
  fmt::print("seed {} violates {} after {}: {}\n  again: {}\n", result.seed, result.violation->invariant,
             when(result.violation->at), result.violation->what, replay_command(result, arguments));
}

nlohmann::json to_json(const Totals& totals, const Arguments& arguments) {
  nlohmann::json document{
      {"runs", totals.runs},           {"simulated_hours", totals.hours},
      {"pod_hours", totals.pod_hours}, {"ticks", totals.ticks},
      {"effects", totals.effects},     {"events", totals.events},
      {"kills", totals.kills},         {"daemons", totals.daemons},
      {"pods", totals.pods},           {"slowest_convergence_s", totals.slowest_convergence.count() / 1000},
      {"probes", totals.probes},       {"violations", nlohmann::json::array()}};
  for (const RunResult& failed : totals.failed) {
    document["violations"].push_back({{"seed", failed.seed},
                                      {"invariant", failed.violation->invariant},
                                      {"what", failed.violation->what},
                                      {"after", when(failed.violation->at)},
                                      {"again", replay_command(failed, arguments)}});
  }
  return document;
}

void print_totals(const Totals& totals) {
  fmt::print(
      "{} runs, {:.0f} simulated hours, {:.0f} pod-hours, {} pods, {} ticks, {} effects, {} daemons, {} "
      "kills, "
      "slowest convergence {} s: {} violations\n",
      totals.runs, totals.hours, totals.pod_hours, totals.pods, totals.ticks, totals.effects, totals.daemons,
      totals.kills, totals.slowest_convergence.count() / 1000, totals.failed.size());
}

std::vector<RunOptions> plan(const Arguments& arguments) {
  std::vector<RunOptions> runs;
  if (arguments.crash_everywhere) {
    for (const Scenario& story : scenarios()) {
      if (arguments.story != nullptr && arguments.story != &story) continue;
      for (RunOptions& one : crashes_of(story)) runs.push_back(std::move(one));
    }
    return runs;
  }
  runs.resize(arguments.story == nullptr ? arguments.seeds : 1);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    runs[i].seed = arguments.seed + i;
    runs[i].hours = arguments.hours;
    runs[i].groups = *parse_faults(arguments.faults);
    runs[i].scenario = arguments.story;
    runs[i].crash = arguments.crash;
    if (arguments.trace)
      runs[i].on_note = [](MonoTime at, std::string_view what) { fmt::print("{} {}\n", when(at), what); };
  }
  return runs;
}

/// Names of rare states that were never reached.
std::vector<std::string_view> unreached(const Totals& totals) {
  std::vector<std::string_view> missing;
  for (const std::string_view name : expected_probes()) {
    if (!totals.probes.contains(name)) missing.push_back(name);
  }
  return missing;
}

int simulate(const Arguments& arguments) {
  const std::vector<RunOptions> runs = plan(arguments);
  const bool terminal = isatty(STDERR_FILENO) == 1 && runs.size() > 1;
  const Totals totals =
      run_all(runs, arguments.trace ? 1 : arguments.jobs, [&](const RunResult& result, const Totals& so_far) {
        if (terminal) fmt::print(stderr, "\r{} of {} runs", so_far.runs + 1, runs.size());
        if (arguments.json) return;
        if (runs.size() == 1)
          fmt::print("seed {}: trace hash {:016x}, {} events, at rest {} s after the healing\n", result.seed,
                     result.hash, result.events, result.converged_after.count() / 1000);
      });
  if (terminal) fmt::print(stderr, "\r");
  if (arguments.json) {
    fmt::print("{}\n", to_json(totals, arguments).dump(2));
  } else {
    for (const RunResult& failed : totals.failed)
      print_violation(failed, arguments, arguments.trace ? 0 : runs.size() == 1 ? kLinesShown : 0);
    if (arguments.probes) {
      for (const auto& [name, count] : totals.probes) fmt::print("{:10} {}\n", count, name);
    }
    print_totals(totals);
  }
  bool good = totals.failed.empty();
  if (arguments.probes && !arguments.crash_everywhere) {
    for (const std::string_view name : unreached(totals)) {
      fmt::print(stderr, "never reached: {}\n", name);
      good = false;
    }
  }
  return good ? kOk : kViolation;
}

/// Answers and requests are made of thousands of small pieces. glibc keeps seven of a size at hand, and only
/// its environment can tell it to keep more: a third of the time.
void keep_memory_at_hand(char** argv) {
  constexpr const char* kName = "GLIBC_TUNABLES";
  if (std::getenv(kName) != nullptr || setenv(kName, "glibc.malloc.tcache_count=20000", 1) != 0) return;
  execv("/proc/self/exe", argv);  // returns only where it failed: slower then
}

}  // namespace
}  // namespace gpuwarden::simulation

int main(int argc, char** argv) {
  using namespace gpuwarden::simulation;
  keep_memory_at_hand(argv);
  const auto arguments = parse(std::vector<std::string>(argv + 1, argv + argc));
  if (!arguments) {
    fmt::print(stderr, "gpuwarden-sim --help tells more\n");
    return kUsage;
  }
  if (arguments->help) {
    std::string names;
    for (const Scenario& story : scenarios())
      names += fmt::format("{}{}", names.empty() ? "" : ", ", story.name);
    fmt::print(kHelp, names);
    return kOk;
  }
  return simulate(*arguments);
}
