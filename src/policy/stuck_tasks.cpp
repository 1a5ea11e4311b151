#include "stuck_tasks.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

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

void judge_tasks(Tick& tick, const ObserverView& observer) {
  if (!tick.pods_known()) return;
  const Settings& settings = tick.settings;
  int held = 0;
  for (const RunningTask& task : tick.snapshot.running) {
    if (task.running_for <= settings.task_stuck_timeout) continue;
    const auto exempt = [&](const std::string& pattern) { return matches_glob(task.type, pattern); };
    if (std::any_of(settings.stuck_exempt.begin(), settings.stuck_exempt.end(), exempt)) continue;
    Member* member = tick.find(task.worker);
    if (member == nullptr || !member->free() || !is_watched(*member->worker)) continue;
    if (!observer.settled || tick.memory.complete_snapshots < 3) {
      ++held;
      continue;
    }
    const std::string reason =
        fmt::format("task {} ({}) has run for {} ({} at most)", task.id.str(), task.type,
                    format_duration(task.running_for), format_duration(settings.task_stuck_timeout));
    tick.act(*member, FailWorker{task.worker, own_pod(tick, *member), FailureCause::task_stuck, reason},
             reason);
  }
  if (held > 0)
    tick.gate("observer",
              fmt::format("{} long tasks are left alone: the database was out a moment ago", held));
}

}  // namespace gpuwarden::policy
