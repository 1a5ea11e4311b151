#include "breaker_evidence.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "cusum.hpp"

namespace gpuwarden::policy {
namespace {

/// The next try must fail the same way.
constexpr std::array kCertain{FailureCause::unauthorized, FailureCause::invalid_request,
                              FailureCause::ssh_auth_failed, FailureCause::insufficient_balance};
constexpr int kCertainFailures = 2;
constexpr int kSameFailures = 3;
constexpr std::size_t kScopes = 6;
/// Fewest successes from which their p99 is estimated.
constexpr int kSuccessesForP99 = 20;
constexpr double kP99Deviations = 2.326;
/// Starts whose times hardly differ would make a second's delay remarkable.
constexpr double kLeastDeviation = 0.1;

/// Running mean and deviation of the logarithms (Welford): times of starts are about lognormal.
class StartTimes {
 public:
  bool is_slow(double log_time) const {
    if (count_ < kSuccessesForP99) return false;
    const double deviation = std::sqrt(squares_ / (count_ - 1));
    return log_time > mean_ + kP99Deviations * std::max(deviation, kLeastDeviation);
  }
  void add(double log_time) {
    ++count_;
    const double step = log_time - mean_;
    mean_ += step / count_;
    squares_ += step * (log_time - mean_);
  }

 private:
  int count_{0};
  double mean_{0}, squares_{0};
};

void weigh(std::vector<Start>& starts) {
  StartTimes times;
  for (Start& start : starts) {
    start.failed = start.outcome->success ? 0 : 1;
    const auto& took = start.outcome->took;
    if (!start.outcome->success || !took || *took <= Duration{0}) continue;
    const double log_time = std::log(static_cast<double>(took->count()));
    if (times.is_slow(log_time)) start.failed = 0.5;
    times.add(log_time);
  }
}

bool is_ours(const std::string& script_hash, const Settings& settings) {
  return script_hash.empty() || settings.script_hash.empty() || script_hash == settings.script_hash;
}

bool counts(const StartOutcome& outcome, const Snapshot& snapshot, const Settings& settings) {
  return outcome.generation == snapshot.breaker.generation && is_ours(outcome.script_hash, settings) &&
         (outcome.success || facts(outcome.cause).counts_for_breaker);
}

int number(std::string_view digits) {
  int value = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

/// The newest failures of one class since a success: how many are the same.
struct Run {
  std::string_view fingerprint;
  const StartOutcome* first{nullptr};
  int count{0};
  bool ended{false};
  WallTime newest{}, third{};  ///< when asked for

  void add(const Start& start) {
    const std::string_view seen = start.outcome->fingerprint;
    if (ended) return;
    if (count == 0) {
      fingerprint = seen;
      first = start.outcome;
      newest = start.asked;
    }
    ended = seen.empty() || seen != fingerprint;
    if (!ended && ++count == kSameFailures) third = start.asked;
  }
};

/// A way to fail that starts also survived is sporadic: it was seen before a success.
bool is_sporadic(const View& view, std::string_view fingerprint) {
  bool success = false;
  for (auto at = view.rbegin(); at != view.rend(); ++at) {
    const StartOutcome& outcome = *(*at)->outcome;
    if (outcome.success) {
      success = true;
    } else if (success && outcome.fingerprint == fingerprint) {
      return true;
    }
  }
  return false;
}

void find_repeats(Tally& tally, const View& view, const std::vector<StartUnderWay>& under_way) {
  if (tally.failures_in_a_row < kSameFailures) return;
  std::array<Run, kScopes> runs{};  // a failure of another class neither continues nor ends a run
  for (auto at = view.rbegin(); at != view.rend() && !(*at)->outcome->success; ++at)
    runs.at(static_cast<std::size_t>((*at)->blames())).add(**at);
  for (const Run& run : runs) {
    if (run.count < kSameFailures) continue;
    // Failures are often faster than successes: with a start between them that has not ended it is no row.
    const auto between = [&](const StartUnderWay& start) {
      return start.asked >= run.third && start.asked <= run.newest;
    };
    if (std::any_of(under_way.begin(), under_way.end(), between)) continue;
    if (is_sporadic(view, run.fingerprint)) continue;
    tally.repeats = run.first->cause;
    tally.repeats_words = cause_words(*run.first);
    tally.fingerprint = run.fingerprint;
    return;
  }
}

}  // namespace

Place place_of(const Placement& placement) {
  return {placement.gpu, placement.data_center};
}

std::string place_words(const Place& place) {
  return place.data_center.empty() ? fmt::format("{} anywhere", place.gpu)
                                   : fmt::format("{} in {}", place.gpu, place.data_center);
}

bool is_of_place(FailureScope scope) {
  return scope == FailureScope::host || scope == FailureScope::placement || scope == FailureScope::network;
}

std::optional<WallTime> asked_for_at(const WorkerId& worker) {
  constexpr std::size_t kStamp = 14, kTail = 9;  // "-" and eight hex digits
  const std::string_view id = worker.str();
  if (id.size() < kStamp + kTail) return std::nullopt;
  const std::string_view stamp = id.substr(id.size() - kStamp - kTail, kStamp);
  const int year = number(stamp.substr(0, 4)), month = number(stamp.substr(4, 2));
  const int day = number(stamp.substr(6, 2)), hour = number(stamp.substr(8, 2));
  const int minute = number(stamp.substr(10, 2)), second = number(stamp.substr(12, 2));
  if (std::min({year, month, day, hour, minute, second}) < 0) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days{date} + std::chrono::hours{hour} + std::chrono::minutes{minute} +
         std::chrono::seconds{second};
}

Evidence collect_evidence(const Snapshot& snapshot, const Settings& settings) {
  Evidence evidence;
  evidence.now = snapshot.db_now;
  evidence.starts.reserve(snapshot.outcomes.size());
  for (auto outcome = snapshot.outcomes.rbegin(); outcome != snapshot.outcomes.rend(); ++outcome) {
    if (!counts(*outcome, snapshot, settings)) continue;
    const WallTime ended = snapshot.db_now - outcome->age;
    evidence.starts.push_back({&*outcome, asked_for_at(outcome->worker).value_or(ended), ended, 0});
  }
  const auto older = [](const Start& a, const Start& b) {
    return a.asked == b.asked ? a.ended < b.ended : a.asked < b.asked;
  };
  auto& starts = evidence.starts;
  if (!std::is_sorted(starts.begin(), starts.end(), older))
    std::stable_sort(starts.begin(), starts.end(), older);
  weigh(starts);
  for (const Worker& worker : snapshot.workers) {
    if (worker.status != WorkerStatus::spawning || worker.generation != snapshot.breaker.generation ||
        !is_ours(worker.script_hash, settings))
      continue;
    const WallTime registered = snapshot.db_now - worker.age;
    evidence.under_way.push_back({&worker, asked_for_at(worker.id).value_or(registered)});
  }
  return evidence;
}

std::string cause_words(const StartOutcome& failure) {
  const std::string_view name = to_string(failure.cause);
  return failure.summary.empty() ? std::string(name) : fmt::format("{}: {}", name, failure.summary);
}

bool is_certain(FailureCause cause) {
  return std::find(kCertain.begin(), kCertain.end(), cause) != kCertain.end();
}

Tally tally(const View& view, const std::vector<StartUnderWay>& under_way, const Settings& settings) {
  Tally result;
  Cusum cusum;
  for (const Start* start : view) cusum.add(start->failed);
  result.score = cusum.score();
  result.alarmed = cusum.alarmed();

  std::array<int, kCertain.size()> certain{};
  const auto is_second = [&](FailureCause cause) {
    const auto kind = std::find(kCertain.begin(), kCertain.end(), cause);
    return kind != kCertain.end() &&
           ++certain.at(static_cast<std::size_t>(kind - kCertain.begin())) == kCertainFailures;
  };
  bool in_a_row = true, last_failed = false;
  for (auto at = view.rbegin(); at != view.rend(); ++at) {
    const StartOutcome& outcome = *(*at)->outcome;
    if (outcome.age <= settings.failure_window) {
      ++result.outcomes;
      result.failures += (*at)->failed;
    }
    if (outcome.success) {
      in_a_row = false;
      ++result.successes;
      if (!result.had_trouble) ++result.successes_since_trouble;
    } else {
      if (last_failed) result.had_trouble = true;
      if (!result.newest) {
        result.newest = outcome.cause;
        result.newest_words = cause_words(outcome);
      }
      if (in_a_row) {
        ++result.failures_in_a_row;
        if (is_second(outcome.cause)) {
          result.certain = outcome.cause;
          // Both are of this cause; the newer one speaks where the newest failure is.
          result.certain_words = result.newest == outcome.cause ? result.newest_words : cause_words(outcome);
        }
      }
    }
    last_failed = !outcome.success;
  }
  find_repeats(result, view, under_way);
  return result;
}

std::string figures(const Tally& tally) {
  return fmt::format("CUSUM {:.1f} of {:.1f}, posterior {:.0f} %", tally.score, kAlarmScore,
                     100 * posterior_share(tally.failures, tally.outcomes));
}

}  // namespace gpuwarden::policy
