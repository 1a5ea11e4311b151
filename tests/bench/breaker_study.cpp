// How often the breaker opens by chance, how fast it opens when something is broken, and what that costs: the
// product's own decisions over simulated starts. `--check` exits 1 when a target is missed.

#include <algorithm>
#include <atomic>
#include <functional>
#include <future>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "study_fleet.hpp"

namespace gpuwarden::study {
namespace {

constexpr int kPlaces = 3;
constexpr long kFalseOpenStarts = 200'000;
constexpr int kTrials = 1000;
constexpr int kHealthyStarts = 40;
constexpr double kTypicalPerHour = 24;

/// A line of the table: what was measured, and the target where there is one.
struct Line {
  std::string what, figure, target;
  bool met{true};
};

std::string verdict(const Line& line) {
  return line.target.empty() ? "" : fmt::format("{:<18}{}", line.target, line.met ? "ok" : "MISSED");
}

Line false_opens(Weather weather, double per_hour, std::optional<double> most, std::uint64_t seed) {
  Fleet fleet(seed, kPlaces);
  fleet.weather = weather;
  // What is rarer needs more starts.
  fleet.churn(per_hour,
              most && *most < 0.1 && weather.failing > 0.05 ? 2 * kFalseOpenStarts : kFalseOpenStarts);
  const double rate = 1000.0 * static_cast<double>(fleet.opened) / static_cast<double>(fleet.starts);
  const double places = 1000.0 * static_cast<double>(fleet.places_opened) / static_cast<double>(fleet.starts);
  Line line;
  line.what = fmt::format("{:>3.0f} % fail, {}{}, {:g} starts an hour", 100 * weather.failing,
                          weather.identical ? "all in the same way" : "in eight ways",
                          weather.bursts ? ", in bursts" : "", per_hour);
  line.figure = fmt::format("{:.3f}  ({} in {}; places {:.3f})", rate, fleet.opened, fleet.starts, places);
  if (most) {
    line.target = fmt::format("<= {:g}", *most);
    line.met = rate <= *most;
  }
  return line;
}

struct Spread {
  int median{0}, p95{0}, most{0};
};

Spread spread_of(std::vector<int> values) {
  std::sort(values.begin(), values.end());
  return {values.at(values.size() / 2), values.at(values.size() * 95 / 100), values.back()};
}

constexpr Duration kEnds[]{45s, 4min, 15min, 30min};

Line outcomes_to_open(Fault fault, int healthy, std::optional<int> most, std::uint64_t seed) {
  constexpr int kDemand = 10, kGiveUp = 400;
  std::vector<int> outcomes;
  for (int i = 0; i < kTrials; ++i) {
    Fleet fleet(seed + static_cast<std::uint64_t>(i), kPlaces);
    if (healthy > 0) fleet.churn(kTypicalPerHour, healthy);
    fault.ends_after = kEnds[i % 4];
    fleet.break_down(fault);
    fleet.demand(kDemand, kGiveUp);
    outcomes.push_back(static_cast<int>(fleet.outcomes_of_fault));
  }
  const Spread spread = spread_of(std::move(outcomes));
  Line line;
  line.what = fmt::format(
      "{:.0f} % fail, {}{}", 100 * fault.failing, fault.identical ? "in the same way" : "each in another way",
      healthy > 0 ? fmt::format(", after {} healthy", healthy) : ", from the first start");
  line.figure = fmt::format("median {}, p95 {}, most {}", spread.median, spread.p95, spread.most);
  if (most) {
    line.target = fmt::format("p95 <= {}", *most);
    line.met = spread.p95 <= *most;
  }
  return line;
}

Line wasted(int demand, Fault fault, int healthy, std::uint64_t seed) {
  constexpr int kMost = 7, kGiveUp = 1000;
  std::vector<int> pods;
  bool always = true;
  for (int i = 0; i < kTrials; ++i) {
    Fleet fleet(seed + static_cast<std::uint64_t>(i), kPlaces);
    if (healthy > 0) fleet.churn(kTypicalPerHour, healthy);
    const long before = fleet.starts;
    fault.ends_after = kEnds[i % 4];
    fleet.break_down(fault);
    always = fleet.demand(demand, kGiveUp) && always;
    pods.push_back(static_cast<int>(fleet.starts - before));
  }
  const Spread spread = spread_of(std::move(pods));
  Line line;
  line.what = fmt::format("demand {}, all fail {}, fault of the {}{}", demand,
                          fault.identical ? "in the same way" : "each in another way",
                          fault.of_host ? "hosts" : "script",
                          healthy > 0 ? fmt::format(", after {} healthy", healthy) : "");
  line.figure = fmt::format("median {}, most {}", spread.median, spread.most);
  line.target = fmt::format("<= {}", kMost);
  line.met = always && spread.most <= kMost;
  return line;
}

Line one_bad_place(Fault fault, double base, std::uint64_t seed) {
  constexpr Duration kTime = 24h * 60;
  fault.of_host = true;
  fault.place = 0;
  Fleet bad(seed, kPlaces);
  bad.weather.failing = base;
  bad.break_down(fault);
  bad.churn_for(kTypicalPerHour, kTime);
  Fleet without(seed, kPlaces - 1);
  without.weather.failing = base;
  without.churn_for(kTypicalPerHour, kTime);
  const auto per_hour = [&](const Fleet& fleet) {
    return static_cast<double>(fleet.successes) /
           std::chrono::duration<double, std::ratio<3600>>(kTime).count();
  };
  const double share = static_cast<double>(bad.shut.count()) / static_cast<double>(kTime.count());
  Line line;
  line.what =
      fmt::format("first of three places: {:.0f} % fail there {}, {:.0f} % elsewhere", 100 * fault.failing,
                  fault.identical ? "in the same way" : "each in another way", 100 * base);
  line.figure = fmt::format(
      "{:.2f} starts an hour (without it {:.2f}), wasted {:.2f} an hour; fleet shut {:.2f} %", per_hour(bad),
      per_hour(without), static_cast<double>(bad.starts - bad.successes) / 24 / 60, 100 * share);
  constexpr double kServed = 0.97, kShut = 0.01;
  line.target = ">= 97 % served";
  line.met = per_hour(bad) >= kServed * per_hour(without) && share <= kShut;
  return line;
}

using Work = std::function<Line()>;
struct Chapter {
  std::string title;
  std::vector<Work> lines;
};

std::vector<Chapter> chapters() {
  std::vector<Chapter> all;
  constexpr double kAt10 = 0.05, kAt20 = 1;
  Chapter chance{"False opens per 1,000 starts (nothing is broken)", {}};
  std::uint64_t seed = 1000;
  const auto add = [&](Weather weather, double per_hour, std::optional<double> most) {
    chance.lines.push_back([=, s = ++seed] { return false_opens(weather, per_hour, most, s); });
  };
  for (const double failing : {0.05, 0.1, 0.2}) {
    const double most = failing > 0.15 ? kAt20 : kAt10;
    add({failing, false, false}, kTypicalPerHour, most);
    add({failing, false, false}, kTypicalPerHour / 2, most);
    add({failing, true, false}, kTypicalPerHour, most);
    add({failing, false, true}, kTypicalPerHour, std::nullopt);
  }
  all.push_back(std::move(chance));

  Fault script, hosts;
  script.failing = hosts.failing = 1;
  hosts.of_host = true;
  Chapter open{"Outcomes until it opens (1,000 trials)", {}};
  for (const bool identical : {true, false}) {
    for (const int healthy : {0, kHealthyStarts}) {
      Fault fault = script;
      fault.identical = identical;
      open.lines.push_back([=] { return outcomes_to_open(fault, healthy, 5, 5000); });
    }
    Fault most_fail = script;
    most_fail.identical = identical;
    most_fail.failing = 0.8;
    open.lines.push_back([=] { return outcomes_to_open(most_fail, kHealthyStarts, 12, 6000); });
  }
  all.push_back(std::move(open));

  Chapter waste{"Pods asked for before it opens (1,000 trials)", {}};
  for (const int demand : {10, 100}) {
    for (Fault fault : {script, hosts}) {
      for (const bool identical : {true, false}) {
        fault.identical = identical;
        for (const int healthy : {0, kHealthyStarts})
          waste.lines.push_back([=] { return wasted(demand, fault, healthy, 7000); });
      }
    }
  }
  all.push_back(std::move(waste));

  Chapter bad{"One bad place: the others are served (60 days)", {}};
  for (const bool identical : {true, false}) {
    for (const double base : {0.0, 0.1}) {
      Fault fault = hosts;
      fault.identical = identical;
      bad.lines.push_back([=] { return one_bad_place(fault, base, 8000); });
    }
  }
  all.push_back(std::move(bad));
  return all;
}

/// Every line is computed by itself, from its own seed: the figures do not depend on the threads.
bool print() {
  constexpr std::size_t kThreads = 2;
  std::vector<Chapter> all = chapters();
  std::vector<Work*> work;
  for (Chapter& chapter : all) {
    for (Work& line : chapter.lines) work.push_back(&line);
  }
  std::vector<Line> lines(work.size());
  std::atomic<std::size_t> next{0};
  const auto run = [&] {
    for (std::size_t i = next++; i < work.size(); i = next++) lines[i] = (*work[i])();
  };
  std::vector<std::future<void>> threads;
  for (std::size_t i = 0; i < kThreads; ++i) threads.push_back(std::async(std::launch::async, run));
  for (auto& thread : threads) thread.get();
  std::size_t at = 0;
  bool met = true;
  for (const Chapter& chapter : all) {
    fmt::print("\n{}\n", chapter.title);
    for (std::size_t i = 0; i < chapter.lines.size(); ++i, ++at) {
      const Line& line = lines[at];
      fmt::print("  {:<78}  {:<42}  {}\n", line.what, line.figure, verdict(line));
      met = met && line.met;
    }
  }
  fmt::print("\n{}\n", met ? "Every target is met." : "A target is missed.");
  return met;
}

}  // namespace
}  // namespace gpuwarden::study

int main(int argc, char** argv) {
  const bool check = argc > 1 && std::string_view(argv[1]) == "--check";
  const bool met = gpuwarden::study::print();
  return check && !met ? 1 : 0;
}
