#include "gpuwarden/http/request_budget.hpp"

#include <algorithm>

#include "rate_limit_header.hpp"

namespace gpuwarden::http {
namespace {

using Window = RequestBudget::Window;
using std::chrono::seconds;

constexpr long kAssumedPerMinute = 60;
constexpr Duration kLogged = seconds(60);  // spends are remembered for so long
constexpr Duration kSlack = seconds(1);    // headers count whole seconds
constexpr Duration kSameWindow = seconds(2);
constexpr Duration kLatency = seconds(10);         // an answer may be so old when it is read
constexpr MonoTime kLongAgo{Duration::min() / 2};  // no reset is known

/// Requests of a window that a priority leaves to those above it.
long kept(Priority priority, long limit) {
  switch (priority) {
    case Priority::remove:
      return 0;
    case Priority::create:
      return limit * 5 / 100;
    case Priority::list:
      return limit * 10 / 100;
    case Priority::read:
      return limit * 30 / 100;
  }
  return limit;
}

/// Until then a header's figure holds.
MonoTime known_until(const Window& window) {
  return window.resets_at + kSlack;
}

bool is_short(const Window& window) {
  return window.length <= kLogged;
}

Duration length_by_name(const std::string& name) {
  if (name == "second") return seconds(1);
  if (name == "hour") return seconds(3600);
  if (name == "day") return seconds(86400);
  return seconds(60);
}

Window& named(std::vector<Window>& windows, const std::string& name) {
  const auto found =
      std::find_if(windows.begin(), windows.end(), [&](const Window& window) { return window.name == name; });
  if (found != windows.end()) return *found;
  return windows.emplace_back(Window{name, 0, 0, kLongAgo, length_by_name(name)});
}

}  // namespace

// A window whose reset lies ahead is known from a header: `remaining` counts down. After the reset the server
// may have begun its next window at once or begin it with our next request. Whichever it is, it has seen no
// more than what was sent since the reset, nor more than what was sent within one length of the window. The
// reset itself is known only as exactly as the answer that told it was fresh.
MonoTime RequestBudget::counted_since(const Window& window, MonoTime now) const {
  return std::max(window.resets_at - kLatency, now - window.length);
}

long RequestBudget::spent_since(MonoTime since) const {
  return static_cast<long>(sent_.end() - std::upper_bound(sent_.begin(), sent_.end(), since));
}

long RequestBudget::left(const Window& window, MonoTime now) const {
  if (now < known_until(window)) return window.remaining;
  if (!is_short(window)) return window.limit;
  return std::max(0L, window.limit - spent_since(counted_since(window, now)));
}

Duration RequestBudget::wait_for(const Window& window, Priority priority, MonoTime now) const {
  const long usable = window.limit - kept(priority, window.limit);
  const long missing = kept(priority, window.limit) + 1 - left(window, now);
  if (missing <= 0) return Duration{0};
  if (now < known_until(window)) return known_until(window) - now;
  if (usable <= 0 || !is_short(window)) return window.length;
  // The oldest spends that count have to fall out of the window.
  const auto first = std::upper_bound(sent_.begin(), sent_.end(), counted_since(window, now));
  const auto last = first + std::min<std::ptrdiff_t>(missing, sent_.end() - first) - 1;
  return std::max(*last + window.length - now, Duration{1});
}

Duration RequestBudget::try_spend(Priority priority, MonoTime now) {
  if (blocked_until_ && now < *blocked_until_) return *blocked_until_ - now;
  blocked_until_.reset();
  if (windows_.empty()) assume();
  Duration wait{0};
  for (const Window& window : windows_) wait = std::max(wait, wait_for(window, priority, now));
  if (wait > Duration{0}) return wait;
  for (Window& window : windows_) {
    if (now >= known_until(window) && !is_short(window)) {
      window.remaining = window.limit;
      window.resets_at = now + window.length;
    }
    if (now < known_until(window)) --window.remaining;
  }
  while (!sent_.empty() && sent_.front() <= now - kLogged) sent_.pop_front();
  sent_.push_back(now);
  return Duration{0};
}

void RequestBudget::assume() {
  windows_.push_back({"minute", kAssumedPerMinute, kAssumedPerMinute, kLongAgo, seconds(60)});
}

void RequestBudget::learn(std::string_view rate_limit, std::string_view rate_limit_policy, MonoTime now) {
  const auto standing = parse_rate_limit(rate_limit);
  const auto policies = parse_rate_limit(rate_limit_policy);
  const bool tells = std::any_of(standing.begin(), standing.end(),
                                 [](const RateLimitItem& item) { return item.remaining.has_value(); });
  if (!tells) return;
  if (!learned_) windows_.clear();  // what was assumed; the spends stay known
  learned_ = true;
  for (const RateLimitItem& item : standing) {
    if (!item.remaining) continue;
    const auto policy = std::find_if(policies.begin(), policies.end(),
                                     [&](const RateLimitItem& other) { return other.name == item.name; });
    Window& window = named(windows_, item.name);
    if (policy != policies.end() && policy->quota) window.limit = *policy->quota;
    if (policy != policies.end() && policy->window_s) window.length = seconds(*policy->window_s);
    window.limit = std::max(window.limit, *item.remaining);
    const Duration ahead = item.resets_in_s ? seconds(*item.resets_in_s) : window.length;
    const MonoTime end = now + ahead;
    const bool known = now < known_until(window);
    if (known && end <= window.resets_at + kSameWindow) {
      // Answers come out of order and do not count what is under way: the smaller figure is the newer one.
      window.remaining = std::min(window.remaining, *item.remaining);
      window.resets_at = std::max(window.resets_at, end);
      continue;
    }
    // No server resets a window twice within its length: this answer is a late one of the window before.
    if (!known && end < window.resets_at + window.length - kSameWindow) continue;
    // A new window. What is under way counts although the server has not seen it yet.
    long most = left(window, now);
    if (known) {
      const MonoTime began = std::min(now + ahead - window.length, window.resets_at) - kSlack - kLatency;
      most = std::max(0L, window.limit - (is_short(window) ? spent_since(began) : 0));
    }
    window.remaining = std::min(most, *item.remaining);
    window.resets_at = end;
  }
}

void RequestBudget::blocked(Duration wait, MonoTime now) {
  const MonoTime until = now + wait;
  blocked_until_ = blocked_until_ ? std::max(*blocked_until_, until) : until;
}

std::vector<RequestBudget::Window> RequestBudget::windows(MonoTime now) const {
  std::vector<Window> seen = windows_;
  for (Window& window : seen) {
    window.remaining = left(window, now);
    if (now >= known_until(window)) window.resets_at = now + window.length;
  }
  return seen;
}

}  // namespace gpuwarden::http
