#include "types.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "text.hpp"
#include "url.hpp"

namespace gpuwarden::config {
namespace {

constexpr double kLongestSeconds = 31'536'000;  // a year

/// "must be <words>, not '<text>'"
std::string unlike(std::string_view words, std::string_view text) {
  return fmt::format("must be {}, not {}", words, quoted(text));
}

Duration from_seconds(double value) {
  return Duration{std::llround(value * 1000)};
}

Type seconds_from(int least, const std::function<void(Draft&, Duration)>& store) {
  const std::string words = fmt::format("seconds, {} or more", least);
  return {words, [=](std::string_view text, Draft& draft) -> std::string {
            const auto value = parse_decimal(text);
            if (!value || *value < least || *value > kLongestSeconds) return unlike(words, text);
            store(draft, from_seconds(*value));
            return {};
          }};
}

}  // namespace

std::optional<double> parse_decimal(std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789.") != std::string_view::npos) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<long> parse_whole(std::string_view text) {
  long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Type seconds(const Place<Duration>& place) {
  return seconds_from(1, [=](Draft& draft, Duration value) { place(draft) = value; });
}

Type seconds_from_zero(const Place<Duration>& place) {
  return seconds_from(0, [=](Draft& draft, Duration value) { place(draft) = value; });
}

Type optional_seconds(const Place<std::optional<Duration>>& place) {
  return seconds_from(1, [=](Draft& draft, Duration value) { place(draft) = value; });
}

Type minutes(const Place<Duration>& place) {
  const std::string words = "minutes, such as 30 or 0.5";
  return {words, [=](std::string_view text, Draft& draft) -> std::string {
            const auto value = parse_decimal(text);
            if (!value || *value * 60 < 1 || *value * 60 > kLongestSeconds) return unlike(words, text);
            place(draft) = from_seconds(*value * 60);
            return {};
          }};
}

Type days(const Place<Duration>& place, long least, long most) {
  const std::string words = fmt::format("days, a whole number from {} to {}", least, most);
  return {words, [=](std::string_view text, Draft& draft) -> std::string {
            const auto value = parse_whole(text);
            if (!value || *value < least || *value > most) return unlike(words, text);
            place(draft) = std::chrono::days(*value);
            return {};
          }};
}

Type whole_number(const Place<int>& place, long least, long most) {
  const std::string words = most == kMany ? fmt::format("a whole number, {} or more", least)
                                          : fmt::format("a whole number from {} to {}", least, most);
  return {words, [=](std::string_view text, Draft& draft) -> std::string {
            const auto value = parse_whole(text);
            if (!value || *value < least || *value > most) return unlike(words, text);
            place(draft) = static_cast<int>(*value);
            return {};
          }};
}

Type optional_whole_number(const Place<std::optional<int>>& place, long least, long most) {
  const std::string words = most == kMany ? fmt::format("a whole number, {} or more", least)
                                          : fmt::format("a whole number from {} to {}", least, most);
  return {words, [=](std::string_view text, Draft& draft) -> std::string {
            const auto value = parse_whole(text);
            if (!value || *value < least || *value > most) return unlike(words, text);
            place(draft) = static_cast<int>(*value);
            return {};
          }};
}

Type number(const Place<double>& place, double least, double most) {
  const std::string words = fmt::format("a number from {} to {}", least, most);
  return {words, [=](std::string_view text, Draft& draft) -> std::string {
            const auto value = parse_decimal(text);
            if (!value || *value < least || *value > most) return unlike(words, text);
            place(draft) = *value;
            return {};
          }};
}

Type optional_usd(const Place<std::optional<double>>& place) {
  const std::string words = "US dollars, more than 0";
  return {words, [=](std::string_view text, Draft& draft) -> std::string {
            const auto value = parse_decimal(text.starts_with('$') ? text.substr(1) : text);
            if (!value || *value <= 0) return unlike(words, text);
            place(draft) = *value;
            return {};
          }};
}

Type yes_no(const Place<bool>& place) {
  const std::string words = "true or false";
  return {words, [=](std::string_view text, Draft& draft) -> std::string {
            const std::string word = lower(text);
            const auto is = [&](auto... names) { return ((word == names) || ...); };
            const bool yes = is("true", "1", "yes", "on");
            if (!yes && !is("false", "0", "no", "off")) return unlike(words, text);
            place(draft) = yes;
            return {};
          }};
}

Type either(const Place<bool>& place, std::string no, std::string yes) {
  const std::string words = fmt::format("{} or {}", no, yes);
  return {words, [=](std::string_view text, Draft& draft) -> std::string {
            const std::string word = lower(text);
            if (word != lower(no) && word != lower(yes)) return unlike(words, text);
            place(draft) = word == lower(yes);
            return {};
          }};
}

Type one_of(const Place<std::string>& place, std::vector<std::string> choices) {
  const std::string words = fmt::format("one of {}", fmt::join(choices, ", "));
  return {words, [=](std::string_view text, Draft& draft) -> std::string {
            const std::string word = lower(text);
            const auto at = std::find(choices.begin(), choices.end(), word);
            if (at == choices.end()) return unlike(words, text);
            place(draft) = *at;
            return {};
          }};
}

Type text(const Place<std::string>& place) {
  return {"text", [=](std::string_view value, Draft& draft) -> std::string {
            place(draft) = value;
            return {};
          }};
}

Type secret_text(const Place<Secret>& place) {
  return {"text", [=](std::string_view value, Draft& draft) -> std::string {
            const auto odd = [](unsigned char c) { return c <= 0x20 || c >= 0x7F; };
            if (std::any_of(value.begin(), value.end(), odd))
              return "must be one word without blanks or line breaks: copy it again";
            place(draft) = Secret(std::string(value));
            return {};
          }};
}

Type list(const Place<std::vector<std::string>>& place, std::string words) {
  return {std::move(words), [=](std::string_view value, Draft& draft) -> std::string {
            place(draft) = comma_list(value);
            return {};
          }};
}

Type task_limits(const Place<std::vector<policy::StuckLimit>>& place) {
  return {"pattern=seconds, separated by commas; the first match counts",
          [=](std::string_view value, Draft& draft) -> std::string {
            std::vector<policy::StuckLimit> limits;
            std::string wrong;
            for (const std::string& entry : comma_list(value)) {
              const std::size_t equals = entry.rfind('=');
              const bool split = equals != std::string::npos;
              const std::string pattern(trimmed(std::string_view(entry).substr(0, split ? equals : 0)));
              const auto seconds = split ? parse_decimal(trimmed(std::string_view(entry).substr(equals + 1)))
                                         : std::optional<double>();
              std::string trouble;
              if (pattern.empty() || !split) {
                trouble = "is not pattern=seconds";
              } else if (!seconds || *seconds < 1 || *seconds > kLongestSeconds) {
                trouble = "needs seconds, 1 or more, behind the =";
              } else if (std::any_of(limits.begin(), limits.end(), [&](const policy::StuckLimit& earlier) {
                           return earlier.pattern == pattern;
                         })) {
                trouble = "repeats a pattern";
              }
              if (trouble.empty()) {
                limits.push_back({pattern, from_seconds(*seconds)});
              } else {
                wrong += fmt::format("{}{} {}", wrong.empty() ? "" : "; ", quoted(entry), trouble);
              }
            }
            if (!wrong.empty()) return "must be pairs such as video_*=3600,quick_*=120: " + wrong;
            place(draft) = std::move(limits);
            return {};
          }};
}

Type url(const Place<std::string>& place, bool path_allowed) {
  return {"https URL", [=](std::string_view value, Draft& draft) -> std::string {
            auto checked = checked_url(value, {path_allowed, false});
            if (!checked) return checked.error().message;
            place(draft) = std::move(*checked);
            return {};
          }};
}

Type absolute_path(const Place<std::string>& place) {
  const std::string words = "an absolute path";
  return {words, [=](std::string_view value, Draft& draft) -> std::string {
            if (!value.starts_with('/')) return unlike(words, value);
            while (value.size() > 1 && value.ends_with('/')) value.remove_suffix(1);
            place(draft) = value;
            return {};
          }};
}

}  // namespace gpuwarden::config
