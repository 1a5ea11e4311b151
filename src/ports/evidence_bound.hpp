#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gpuwarden::ports {

/// A line longer than this loses its middle: nobody reads a 2 KB line, and one must not displace all others.
inline constexpr std::size_t kMaxLineBytes = 2048;

/// A log line and what it costs in the JSON document, escapes included.
struct SizedLine {
  std::string text;
  std::size_t bytes{0};
};

/// `text` with its middle replaced by "…" when longer than `max` bytes; cuts at UTF-8 boundaries.
std::string cut_middle(std::string_view text, std::size_t max);

/// Shares `total` among claims: small ones are met in full, what they leave goes to the large ones in equal
/// parts.
std::vector<std::size_t> share_out(const std::vector<std::size_t>& claims, std::size_t total);

/// True for lines that look like the statement of a fault.
bool looks_like_error(std::string_view line);

std::vector<std::string> texts_of(const std::vector<SizedLine>& lines);

/// At most `max_bytes` of the lines: the first and the last error-like line, then the ends inwards, the last
/// lines before the first ones. Each gap is one line saying how many were left out.
std::vector<std::string> keep_ends(const std::vector<SizedLine>& lines, std::size_t max_bytes);

}  // namespace gpuwarden::ports
