#include "paging.hpp"

#include <charconv>

#include <fmt/format.h>

namespace gpuwarden::sandbox {
namespace {

constexpr long kMaxLimit = 1000;
constexpr std::string_view kCursorPrefix = "c1-";

}  // namespace

std::string encode_cursor(std::uint64_t serial) {
  // The check digit makes an edited cursor invalid instead of quietly a different page.
  return fmt::format("{}{:x}-{:x}", kCursorPrefix, serial, serial * 31 % 251);
}

std::optional<std::uint64_t> decode_cursor(std::string_view cursor) {
  if (!cursor.starts_with(kCursorPrefix)) return std::nullopt;
  std::uint64_t serial = 0;
  const auto digits = cursor.substr(kCursorPrefix.size());
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), serial, 16);
  if (error != std::errc() || encode_cursor(serial) != cursor) return std::nullopt;
  return serial;
}

tl::expected<PageQuery, std::vector<std::string>> parse_page(
    const std::multimap<std::string, std::string>& query) {
  PageQuery page;
  std::vector<std::string> errors;
  if (const auto limit = query.find("limit"); limit != query.end()) {
    long value = 0;
    const auto& text = limit->second;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < 1 || value > kMaxLimit)
      errors.push_back(fmt::format("limit: got '{}', want 1..{}", text, kMaxLimit));
    page.limit = static_cast<std::size_t>(value);
  }
  if (const auto cursor = query.find("cursor"); cursor != query.end()) {
    page.before = decode_cursor(cursor->second);
    if (!page.before) errors.emplace_back("cursor: not a valid cursor");
  }
  if (!errors.empty()) return tl::unexpected(std::move(errors));
  return page;
}

}  // namespace gpuwarden::sandbox
