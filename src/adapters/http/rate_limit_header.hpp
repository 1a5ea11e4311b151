#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gpuwarden::http {

/// One member of a RateLimit or RateLimit-Policy header: `"minute";q=60;w=60` or `"minute";r=12;t=7`.
struct RateLimitItem {
  std::string name;
  std::optional<long> quota, window_s, remaining, resets_in_s;
};

/// Structured fields (RFC 9651) as far as these headers use them. Members and parameters that make no sense
/// are left out.
std::vector<RateLimitItem> parse_rate_limit(std::string_view header);

}  // namespace gpuwarden::http
