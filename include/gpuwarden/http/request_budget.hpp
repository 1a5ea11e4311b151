#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gpuwarden/base/time.hpp"

namespace gpuwarden::http {

/// Who may use the last requests of a window.
enum class Priority { remove, create, list, read };

/// Spends a server's request quota as its `RateLimit` and `RateLimit-Policy` headers tell it. Pure: time is
/// an argument. Lower priorities stop earlier, so that deletes always find something left. Before the first
/// header a window of 60 per minute is assumed, wherever it may begin: then no 60 seconds ever see more
/// than 60. Reads stop at 30 % of a window, lists at 10 %, creates at 5 %; deletes use the last request.
class RequestBudget {
 public:
  struct Window {
    std::string name;
    long limit{0}, remaining{0};
    MonoTime resets_at{};
    Duration length{0};
  };
  /// Zero = may be sent now (and is counted); otherwise how long to wait.
  Duration try_spend(Priority priority, MonoTime now);
  /// Feeds the headers of an answer; nonsense is ignored.
  void learn(std::string_view rate_limit, std::string_view rate_limit_policy, MonoTime now);
  /// 429: nothing is sent before now + wait.
  void blocked(Duration wait, MonoTime now);
  std::vector<Window> windows(MonoTime now) const;

 private:
  void assume();
  long left(const Window& window, MonoTime now) const;
  Duration wait_for(const Window& window, Priority priority, MonoTime now) const;
  MonoTime counted_since(const Window& window, MonoTime now) const;
  long spent_since(MonoTime since) const;

  std::vector<Window> windows_;
  std::deque<MonoTime> sent_;  // of the last minute, oldest first
  bool learned_{false};
  std::optional<MonoTime> blocked_until_;
};

}  // namespace gpuwarden::http
