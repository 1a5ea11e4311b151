#include "rate_limit_header.hpp"

#include <algorithm>
#include <charconv>

namespace gpuwarden::http {
namespace {

constexpr long kMostSeconds = 366L * 24 * 3600;
constexpr long kMostRequests = 1'000'000'000;
constexpr std::size_t kMostItems = 16;

std::string_view trim(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

/// Cuts off and returns what comes before `separator`; one inside quotes separates nothing.
std::string_view cut(std::string_view& text, char separator) {
  bool quoted = false;
  std::size_t end = 0;
  for (; end < text.size() && (quoted || text[end] != separator); ++end) {
    if (text[end] == '"') quoted = !quoted;
  }
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return trim(part);
}

std::optional<long> number(std::string_view text, long lowest, long highest) {
  long value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size() || value < lowest || value > highest) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

std::vector<RateLimitItem> parse_rate_limit(std::string_view header) {
  std::vector<RateLimitItem> items;
  while (!header.empty() && items.size() < kMostItems) {
    std::string_view member = cut(header, ',');
    RateLimitItem item;
    item.name = std::string(cut(member, ';'));
    std::erase(item.name, '"');
    while (!member.empty()) {
      std::string_view value = cut(member, ';');
      const std::string_view key = cut(value, '=');
      if (key == "q") item.quota = number(value, 1, kMostRequests);
      if (key == "w") item.window_s = number(value, 1, kMostSeconds);
      if (key == "r") item.remaining = number(value, 0, kMostRequests);
      if (key == "t") item.resets_in_s = number(value, 0, kMostSeconds);
    }
    if (!item.name.empty()) items.push_back(std::move(item));
  }
  return items;
}

}  // namespace gpuwarden::http
