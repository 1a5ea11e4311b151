#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "report_parts.hpp"

namespace gpuwarden::diagnosis {
namespace {

Duration median(std::vector<Duration> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Shorter pauses count as this: the clock says nothing about the order of what happens at once.
constexpr Duration kShortest = std::chrono::seconds(1);

/// A pause of this length or longer separates bursts; none = nothing does.
std::optional<Duration> burst_gap(const std::vector<WallTime>& times) {
  constexpr Duration kTogether = std::chrono::seconds(30);
  constexpr int kJump = 4;
  std::vector<Duration> pauses;
  for (std::size_t i = 1; i < times.size(); ++i)
    pauses.push_back(std::max(kShortest, Duration(times[i] - times[i - 1])));
  if (pauses.empty()) return std::nullopt;
  std::sort(pauses.begin(), pauses.end());
  std::size_t widest = 0;
  const auto ratio = [&](std::size_t i) {
    return static_cast<double>(pauses[i].count()) / static_cast<double>(pauses[i - 1].count());
  };
  for (std::size_t i = 1; i < pauses.size(); ++i) {
    if (ratio(i) >= kJump && (widest == 0 || ratio(i) > ratio(widest))) widest = i;
  }
  if (widest > 0) return pauses[widest];
  return median(pauses) >= kTogether ? std::optional(pauses.front()) : std::nullopt;
}

/// Something that starts differ in.
struct Dimension {
  std::string_view what, option;
  std::string StartRecord::*of_start;
  std::string FailedWorker::*of_failure;
  bool place;  ///< places exist beside each other; the others follow each other in time
};
const std::array<Dimension, 5>& dimensions() {
  static const std::array<Dimension, 5> all{{
      {"script", "", &StartRecord::script_hash, &FailedWorker::script_hash, false},
      {"image", "RUNPOD_WORKER_IMAGE", &StartRecord::image, &FailedWorker::image, false},
      {"commit", "WORKER_REPO_REF", &StartRecord::git_commit, &FailedWorker::git_commit, false},
      {"GPU type", "RUNPOD_GPU_TYPE", &StartRecord::gpu, &FailedWorker::gpu, true},
      {"data centre", "RUNPOD_DATA_CENTERS", &StartRecord::data_center, &FailedWorker::data_center, true},
  }};
  return all;
}

/// When the worker was asked for: what it was started with was in use then.
WallTime began(const FailedWorker& failed) {
  return failed.registered_at.value_or(failed.at);
}

std::optional<Change> change_in(const Dimension& dimension, const std::vector<const FailedWorker*>& fault,
                                const std::vector<StartRecord>& starts) {
  std::set<std::string> failing;
  const FailedWorker* first = nullptr;
  Change change;
  for (const FailedWorker* failed : fault) {
    const std::string& value = failed->*dimension.of_failure;
    if (value.empty()) continue;
    failing.insert(value);
    ++change.failures;
    if (first == nullptr || began(*failed) < began(*first)) first = failed;
  }
  if (change.failures < 2) return std::nullopt;
  change.since = began(*first);
  for (const StartRecord& start : starts) {
    const std::string& value = start.*dimension.of_start;
    if (value.empty() || !start.success) continue;
    if (failing.contains(value)) return std::nullopt;
    // A success of another script that came later shows what mended it, not what broke it.
    if (!dimension.place && start.at > change.since) continue;
    ++change.previous_successes;
    if (change.previous_success && *change.previous_success >= start.at) continue;
    change.previous_success = start.at;
    change.previous = value;
  }
  if (change.previous_successes == 0) return std::nullopt;
  change.what = dimension.what;
  change.option = dimension.option;
  if (dimension.place) {
    for (const std::string& value : failing) change.value += (change.value.empty() ? "" : ", ") + value;
  } else {
    change.value = first->*dimension.of_failure;
  }
  return change;
}

}  // namespace

std::vector<Burst> bursts_of(const std::vector<FailedWorker>& failures) {
  std::vector<const FailedWorker*> sorted;
  sorted.reserve(failures.size());
  for (const FailedWorker& failed : failures) sorted.push_back(&failed);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const FailedWorker* left, const FailedWorker* right) { return left->at < right->at; });
  std::vector<WallTime> times;
  times.reserve(sorted.size());
  for (const FailedWorker* failed : sorted) times.push_back(failed->at);
  const std::optional<Duration> gap = burst_gap(times);
  std::vector<Burst> bursts;
  for (const FailedWorker* failed : sorted) {
    if (bursts.empty() || (gap && std::max(kShortest, Duration(failed->at - bursts.back().last)) >= *gap))
      bursts.push_back({.first = failed->at, .last = failed->at, .pods = 0, .causes = {}});
    Burst& burst = bursts.back();
    burst.last = failed->at;
    ++burst.pods;
    tally(burst.causes, failed->cause);
  }
  for (Burst& burst : bursts) rank(burst.causes);
  return bursts;
}

std::optional<Duration> period_of(const std::vector<Burst>& bursts) {
  constexpr std::size_t kLeast = 4;
  if (bursts.size() < kLeast) return std::nullopt;
  std::vector<Duration> pauses;
  for (std::size_t i = 1; i < bursts.size(); ++i) pauses.push_back(bursts[i].first - bursts[i - 1].first);
  const Duration usual = median(pauses);
  const bool regular = std::all_of(pauses.begin(), pauses.end(), [&](Duration pause) {
    return pause >= usual - usual / 4 && pause <= usual + usual / 4;
  });
  return regular ? std::optional(usual) : std::nullopt;
}

std::vector<Change> changes_of(const std::vector<const FailedWorker*>& fault,
                               const std::vector<StartRecord>& starts) {
  std::vector<Change> changes;
  for (const Dimension& dimension : dimensions()) {
    if (auto change = change_in(dimension, fault, starts)) changes.push_back(std::move(*change));
  }
  return changes;
}

std::vector<RuledOut> unchanged(const std::vector<const FailedWorker*>& fault,
                                const std::vector<StartRecord>& starts) {
  std::vector<RuledOut> out;
  for (const Dimension& dimension : dimensions()) {
    std::set<std::string> failing;
    for (const FailedWorker* failed : fault) failing.insert(failed->*dimension.of_failure);
    if (failing.size() != 1 || failing.begin()->empty()) continue;
    const std::string& value = *failing.begin();
    int successes = 0;
    std::optional<WallTime> last;
    for (const StartRecord& start : starts) {
      if (!start.success || start.*dimension.of_start != value) continue;
      ++successes;
      last = std::max(last.value_or(start.at), start.at);
    }
    if (successes == 0) continue;
    out.push_back({fmt::format("The {} as such", dimension.what),
                   fmt::format("{} with {} succeeded, the last at {}", many(successes, "start"),
                               ellipsize(value, 80), format_time(*last))});
  }
  return out;
}

}  // namespace gpuwarden::diagnosis
