#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "gpuwarden/base/time.hpp"

namespace gpuwarden {

/// "0s", "850ms" (below 1 s), "42s", "5m 12s", "3h 4m", "2d 5h": the two largest units.
std::string format_duration(Duration duration);
/// "2026-11-24T01:48:40Z"
std::string format_time(WallTime time);
/// "2026-11-24T01:48:40.123Z"
std::string format_time_ms(WallTime time);
/// Accepts what PostgreSQL and Runpod print: `T` or blank, 0-9 fraction digits, `Z` or `+hh[:mm]`.
std::optional<WallTime> parse_time(std::string_view text);
/// "$0.44", "$12.30"; four digits below one cent.
std::string format_usd(double usd);
/// `text` cut to at most `max` bytes at a UTF-8 boundary, with "…" where something was cut.
std::string ellipsize(std::string_view text, std::size_t max);
/// Invalid UTF-8 becomes U+FFFD, other control characters than tab become blanks: safe for logs, JSON and
/// terminals.
std::string printable(std::string_view text);

}  // namespace gpuwarden
