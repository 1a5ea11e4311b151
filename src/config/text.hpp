#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gpuwarden::config {

/// Without blanks, tabs and line ends on both sides.
std::string_view trimmed(std::string_view text);
/// Parts between commas, trimmed, empty ones dropped.
std::vector<std::string> comma_list(std::string_view text);
std::string lower(std::string_view text);
/// How a value is quoted in a message: printable, shapes of credentials hidden, at most 60 bytes.
std::string quoted(std::string_view text);
/// Standard or URL alphabet, padding optional; none when it is not base64.
std::optional<std::string> base64_decode(std::string_view text);
std::string base64_encode(std::string_view bytes);

}  // namespace gpuwarden::config
