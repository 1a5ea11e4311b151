#include "span.hpp"

#include <charconv>

namespace gpuwarden::cli {

std::optional<Duration> parse_span(std::string_view text) {
  using std::chrono::hours;
  using std::chrono::minutes;
  using std::chrono::seconds;
  constexpr long kMost = 315'360'000;
  Duration total{0};
  bool bare = false;
  while (!text.empty()) {
    long value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || value < 0 || value > kMost || bare) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const char unit = text.empty() ? '\0' : text.front();
    if (unit != '\0') text.remove_prefix(1);
    switch (unit) {
      case '\0':
        bare = true;
        if (total != Duration{0}) return std::nullopt;  // "1h30": minutes or seconds?
        total += seconds(value);
        break;
      case 's':
        total += seconds(value);
        break;
      case 'm':
        total += minutes(value);
        break;
      case 'h':
        total += hours(value);
        break;
      case 'd':
        total += hours(24 * value);
        break;
      default:
        return std::nullopt;
    }
  }
  if (total <= Duration{0} || total > seconds(kMost)) return std::nullopt;
  return total;
}

}  // namespace gpuwarden::cli
