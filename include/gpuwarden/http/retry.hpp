#pragma once

#include <cstdint>
#include <optional>

#include "gpuwarden/base/error.hpp"
#include "gpuwarden/base/time.hpp"

namespace gpuwarden::http {

/// Full-jitter exponential backoff: pause n is uniform in [0, min(cap, base * 2^n)], never below what the
/// server asked.
struct RetryPolicy {
  int max_attempts{3};
  Duration base{std::chrono::milliseconds(500)};
  Duration cap{std::chrono::seconds(8)};
};

/// Pause before attempt `attempt` + 1 (1-based count of attempts made), or nullopt: give up. `random` is any
/// uniform 64-bit value.
std::optional<Duration> pause_before_retry(const RetryPolicy& policy, const Error& error, int attempts_made,
                                           std::uint64_t random);

}  // namespace gpuwarden::http
