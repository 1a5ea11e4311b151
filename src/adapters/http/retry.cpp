#include "gpuwarden/http/retry.hpp"

#include <algorithm>

namespace gpuwarden::http {

std::optional<Duration> pause_before_retry(const RetryPolicy& policy, const Error& error, int attempts_made,
                                           std::uint64_t random) {
  if (!is_transient(error) || attempts_made >= policy.max_attempts) return std::nullopt;
  const Duration::rep cap = std::max<Duration::rep>(0, policy.cap.count());
  Duration::rep longest = std::clamp<Duration::rep>(policy.base.count(), 0, cap);
  // Doubling by hand stops at the cap, where a shift would overflow.
  for (int doubled = 1; doubled < attempts_made && longest < cap; ++doubled) {
    longest = longest > cap / 2 ? cap : longest * 2;
    if (longest == 0) break;
  }
  const Duration jittered(static_cast<Duration::rep>(random % (static_cast<std::uint64_t>(longest) + 1)));
  return std::max(jittered, error.retry_after.value_or(Duration{0}));
}

}  // namespace gpuwarden::http
