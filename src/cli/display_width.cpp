#include <algorithm>
#include <array>
#include <cstdint>

#include "table.hpp"

namespace gpuwarden::cli {
namespace {

struct Range {
  std::uint32_t first, last;
};
constexpr std::array kWide{Range{0x1100, 0x115F},   Range{0x2E80, 0x303E},   Range{0x3041, 0xA4CF},
                           Range{0xAC00, 0xD7A3},   Range{0xF900, 0xFAFF},   Range{0xFE30, 0xFE6F},
                           Range{0xFF00, 0xFF60},   Range{0xFFE0, 0xFFE6},   Range{0x1F300, 0x1F64F},
                           Range{0x1F680, 0x1F6FF}, Range{0x1F900, 0x1F9FF}, Range{0x20000, 0x3FFFD}};
constexpr std::array kMarks{Range{0x0300, 0x036F}, Range{0x1AB0, 0x1AFF}, Range{0x200B, 0x200F},
                            Range{0x20D0, 0x20FF}, Range{0xFE00, 0xFE0F}, Range{0xFE20, 0xFE2F}};

template <class Ranges>
bool within(const Ranges& ranges, std::uint32_t code) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const Range& range) { return code >= range.first && code <= range.last; });
}

/// Reads the character at `at` of valid UTF-8 and moves behind it.
std::uint32_t next_code(std::string_view text, std::size_t& at) {
  const auto lead = static_cast<unsigned char>(text[at++]);
  std::uint32_t code = lead;
  if (lead >= 0xF0)
    code = lead & 0x07U;
  else if (lead >= 0xE0)
    code = lead & 0x0FU;
  else if (lead >= 0xC0)
    code = lead & 0x1FU;
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U)
    code = (code << 6U) | (static_cast<unsigned char>(text[at++]) & 0x3FU);
  return code;
}

std::size_t columns_of(std::uint32_t code) {
  if (within(kMarks, code)) return 0;
  return within(kWide, code) ? 2 : 1;
}

}  // namespace

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < text.size();) width += columns_of(next_code(text, at));
  return width;
}

std::string fit(std::string_view text, std::size_t width) {
  if (display_width(text) <= width) return std::string(text);
  if (width == 0) return {};
  std::size_t used = 0, end = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t columns = columns_of(next_code(text, at));
    if (used + columns > width - 1) break;
    used += columns;
    end = at;
  }
  return std::string(text.substr(0, end)) + "…";
}

}  // namespace gpuwarden::cli
