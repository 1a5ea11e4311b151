#include "stuck_tasks.hpp"

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "words.hpp"

namespace gpuwarden::policy {

bool matches_glob(std::string_view text, std::string_view pattern) {
  std::size_t t = 0, p = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::optional<Duration> stuck_limit(std::string_view type, const Settings& settings) {
  for (const std::string& pattern : settings.stuck_exempt) {
    if (matches_glob(type, pattern)) return std::nullopt;
  }
  for (const StuckLimit& one : settings.stuck_types) {
    if (matches_glob(type, one.pattern)) return one.limit;
  }
  return settings.task_stuck_timeout;
}

void judge_tasks(Tick& tick, const ObserverView& observer) {
  if (!tick.pods_known()) return;
  int held = 0;
  for (const RunningTask& task : tick.snapshot.running) {
    const auto limit = stuck_limit(task.type, tick.settings);
    if (!limit || task.running_for <= *limit) continue;
    Member* member = tick.find(task.worker);
    if (member == nullptr || !member->free() || !is_watched(*member->worker)) continue;
    if (!observer.settled || tick.memory.complete_snapshots < 3) {
      ++held;
      continue;
    }
    const std::string reason =
        fmt::format("task {} ({}) has run for {} ({} at most)", task.id.str(), task.type,
                    format_duration(task.running_for), format_duration(*limit));
    tick.act(*member, FailWorker{task.worker, own_pod(tick, *member), FailureCause::task_stuck, reason},
             reason);
  }
  if (held > 0)
    tick.gate("observer", fmt::format("{} left alone: the database was out a moment ago",
                                      counted_are(held, "long task")));
}

}  // namespace gpuwarden::policy
