#include "gpuwarden/base/format.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>

#include <fmt/format.h>

namespace gpuwarden {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

struct Civil {
  int year;
  unsigned month, day;
  int hour, minute, second, milli;
};

Civil civil(WallTime time) {
  const auto day = std::chrono::floor<days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  return {static_cast<int>(date.year()),
          static_cast<unsigned>(date.month()),
          static_cast<unsigned>(date.day()),
          static_cast<int>(clock.hours().count()),
          static_cast<int>(clock.minutes().count()),
          static_cast<int>(clock.seconds().count()),
          static_cast<int>(clock.subseconds().count())};
}

/// Reads exactly `digits` decimal digits at `at` and moves behind them.
std::optional<int> number(std::string_view text, std::size_t& at, std::size_t digits) {
  if (at + digits > text.size()) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    const char c = text[at + i];
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  at += digits;
  return value;
}

bool skip(std::string_view text, std::size_t& at, char c) {
  if (at >= text.size() || text[at] != c) return false;
  ++at;
  return true;
}

/// Offset behind the time: "Z", "+hh", "+hhmm", "+hh:mm" or nothing (UTC).
std::optional<Duration> zone(std::string_view text, std::size_t& at) {
  if (at == text.size() || skip(text, at, 'Z') || skip(text, at, 'z')) return Duration{0};
  const bool minus = text[at] == '-';
  if (!minus && text[at] != '+') return std::nullopt;
  ++at;
  const auto hour = number(text, at, 2);
  if (!hour) return std::nullopt;
  const bool colon = skip(text, at, ':');
  int minute = 0;
  if (colon || at < text.size()) {
    const auto read = number(text, at, 2);
    if (!read) return std::nullopt;
    minute = *read;
  }
  if (*hour > 15 || minute > 59) return std::nullopt;  // the widest that PostgreSQL knows
  const Duration offset = hours(*hour) + minutes(minute);
  return minus ? -offset : offset;
}

/// Length of the valid UTF-8 sequence at `at`; 0 when there is none.
std::size_t utf8_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(at);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;
  if (length == 0 || lead > 0xF4 || at + length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) return 0;
  }
  const unsigned char second = byte(at + 1);
  if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) || (lead == 0xF0 && second < 0x90) ||
      (lead == 0xF4 && second > 0x8F)) {
    return 0;  // overlong, surrogate or beyond U+10FFFF
  }
  return length;
}

}  // namespace

std::string format_duration(Duration duration) {
  if (duration < Duration{0}) return "-" + format_duration(-duration);
  if (duration == Duration{0}) return "0s";
  if (duration < seconds(1)) return fmt::format("{}ms", duration.count());
  const std::int64_t total = std::chrono::floor<seconds>(duration).count();
  if (total < 60) return fmt::format("{}s", total);
  if (total < 3600) return fmt::format("{}m {}s", total / 60, total % 60);
  if (total < 86400) return fmt::format("{}h {}m", total / 3600, total % 3600 / 60);
  return fmt::format("{}d {}h", total / 86400, total % 86400 / 3600);
}

std::string format_time(WallTime time) {
  const Civil c = civil(time);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", c.year, c.month, c.day, c.hour, c.minute,
                     c.second);
}

std::string format_time_ms(WallTime time) {
  const Civil c = civil(time);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", c.year, c.month, c.day, c.hour, c.minute,
                     c.second, c.milli);
}

std::optional<WallTime> parse_time(std::string_view text) {
  std::size_t at = 0;
  const auto year = number(text, at, 4);
  if (!year || !skip(text, at, '-')) return std::nullopt;
  const auto month = number(text, at, 2);
  if (!month || !skip(text, at, '-')) return std::nullopt;
  const auto day = number(text, at, 2);
  if (!day || !(skip(text, at, 'T') || skip(text, at, ' ') || skip(text, at, 't'))) return std::nullopt;
  const auto hour = number(text, at, 2);
  if (!hour || !skip(text, at, ':')) return std::nullopt;
  const auto minute = number(text, at, 2);
  if (!minute || !skip(text, at, ':')) return std::nullopt;
  const auto second = number(text, at, 2);
  if (!second || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  int milli = 0;
  if (skip(text, at, '.')) {
    int scale = 100;
    std::size_t digits = 0;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, ++digits, scale /= 10) {
      milli += (text[at] - '0') * scale;
    }
    if (digits == 0 || digits > 9) return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year{*year},
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  const auto offset = zone(text, at);
  if (!offset || at != text.size()) return std::nullopt;
  return WallTime{std::chrono::sys_days{date}} + hours(*hour) + minutes(*minute) + seconds(*second) +
         Duration{milli} - *offset;
}

std::string format_usd(double usd) {
  if (usd != 0 && std::fabs(usd) < 0.01) return fmt::format("{}${:.4f}", usd < 0 ? "-" : "", std::fabs(usd));
  return fmt::format("{}${:.2f}", usd < 0 ? "-" : "", std::fabs(usd));
}

std::string ellipsize(std::string_view text, std::size_t max) {
  if (text.size() <= max) return std::string(text);
  constexpr std::string_view kDots = "…";
  if (max < kDots.size()) return std::string(max, '.');
  std::size_t end = max - kDots.size();
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)).append(kDots);
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = utf8_length(text, at);
    const auto c = static_cast<unsigned char>(text[at]);
    if (length == 0) {
      out.append("\xEF\xBF\xBD");
      ++at;
    } else if (length == 1) {
      out.push_back((c < 0x20 && c != '\t') || c == 0x7F ? ' ' : text[at]);
      ++at;
    } else {
      out.append(text.substr(at, length));
      at += length;
    }
  }
  return out;
}

}  // namespace gpuwarden
