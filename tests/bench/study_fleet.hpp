#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gpuwarden/policy/decide.hpp"

#include "policy/breaker.hpp"

namespace gpuwarden::study {

using namespace std::chrono_literals;

/// How starts fail that nobody broke: each with this chance, in one of several ways. Bursts: a start in
/// twenty begins one, in which five starts on average fail three times as often; the mean stays the same.
struct Weather {
  double failing{0};
  bool identical{false};  ///< all failures look the same
  bool bursts{false};
};

/// What is broken on top of it.
struct Fault {
  double failing{0};
  bool identical{true};
  bool of_host{false};       ///< else of the script: every new pod runs it
  std::optional<int> place;  ///< only there; none = everywhere
  Duration ends_after{60s};  ///< failures take so long, more or less
};

/// A fleet that asks for pods as far as the breaker lets it, in virtual time. The breaker is the product's:
/// every decision is policy::judge on the snapshot that the database would give.
class Fleet {
 public:
  Fleet(std::uint64_t seed, int places);

  policy::Settings settings;
  Weather weather;

  /// From now on it is broken. Names tell seconds, so a moment later.
  void break_down(const Fault& fault);
  /// Workers are wanted one by one, so many in an hour on average, until so many starts were made.
  void churn(double wanted_per_hour, long starts);
  /// So many are wanted at any time, until the breaker opens or so many starts of this call have ended;
  /// successes are wanted no more. True: it has opened.
  bool demand(int wanted, int outcomes);
  /// One by one for so long.
  void churn_for(double wanted_per_hour, Duration time);

  long starts{0}, successes{0};
  long opened{0}, places_opened{0};
  long outcomes_of_fault{0};  ///< of starts that were asked for while a fault was there
  Duration shut{0};           ///< the fleet-wide breaker was not closed
  bool is_open() const { return snapshot_.breaker.state == BreakerState::open; }

 private:
  struct Coming {
    WallTime at{};
    Worker row;
    StartOutcome outcome;
    bool of_fault{false};
    bool operator<(const Coming& other) const {
      return at == other.at ? row.id < other.row.id : at < other.at;
    }
  };

  bool chance(double p) { return std::bernoulli_distribution(p)(random_); }
  double uniform(double from, double to) { return std::uniform_real_distribution<>(from, to)(random_); }
  void churn_until(double wanted_per_hour, long starts, WallTime end);
  void move_to(WallTime time);
  void end_next();
  /// Asks for as many of the wanted pods as may be; when it could go on.
  std::optional<Duration> decide();
  void ask(const policy::BreakerVerdict& verdict, const Placement& placement);
  Coming draw(int place);
  bool fails_by_weather();
  void fail_by_weather(Coming& start);

  std::optional<Fault> fault_;
  std::mt19937_64 random_;
  Snapshot snapshot_;
  std::vector<policy::Offer> offers_;
  std::set<Coming> coming_;
  std::vector<WallTime> ended_;  ///< of snapshot_.outcomes
  long wanted_{0};
  WallTime changed_{};
  Duration kept_for_{0};
  bool in_burst_{false};
};

}  // namespace gpuwarden::study
