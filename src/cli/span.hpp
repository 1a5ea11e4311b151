#pragma once

#include <optional>
#include <string_view>

#include "gpuwarden/base/time.hpp"

namespace gpuwarden::cli {

/// "90s", "2h", "1h30m", "1d"; a bare number is seconds. None for anything else, zero and more than ten years
/// included.
std::optional<Duration> parse_span(std::string_view text);

}  // namespace gpuwarden::cli
