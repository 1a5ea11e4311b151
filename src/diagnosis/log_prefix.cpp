#include "log_prefix.hpp"

#include <algorithm>
#include <array>

#include "json_text.hpp"
#include "text.hpp"

namespace gpuwarden::diagnosis {
namespace {

constexpr std::size_t kLongestPrefix = 200;

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

bool is_number(std::string_view word) {
  return !word.empty() && std::all_of(word.begin(), word.end(), is_digit);
}

bool is_upper(std::string_view word) {
  return std::none_of(word.begin(), word.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

bool is_level(std::string_view word) {
  constexpr std::array<std::string_view, 16> kLevels{
      "error",  "info",  "warning", "critical", "fatal",   "debug",   "err",    "warn",
      "notice", "trace", "stderr",  "stdout",   "stderr:", "stdout:", "error]", "stderr|"};
  if (word.empty() || word.size() > 10) return false;
  const std::string small = lower(word);
  return std::find(kLevels.begin(), kLevels.end(), small) != kLevels.end();
}

bool is_separator(std::string_view word) {
  return word == "-" || word == "|" || word == ">" || word == "--" || word == "::";
}

bool is_stamp(std::string_view word) {
  return word.size() >= 5 && is_digit(word.front()) &&
         word.find_first_not_of("0123456789-:.,TZ+/") == std::string_view::npos &&
         word.find_first_of(":-/.") != std::string_view::npos;
}

/// worker, worker.main, __main__:run:12
bool is_logger_name(std::string_view word) {
  return !word.empty() && (is_alpha(word.front()) || word.front() == '_') &&
         std::all_of(word.begin(), word.end(),
                     [](char c) { return is_alnum(c) || c == '_' || c == '.' || c == ':' || c == '-'; });
}

bool is_month(std::string_view word) {
  constexpr std::string_view kMonths = "jan feb mar apr may jun jul aug sep oct nov dec";
  return word.size() == 3 && is_alpha(word[0]) && kMonths.find(lower(word)) != std::string_view::npos;
}

bool is_weekday(std::string_view word) {
  constexpr std::string_view kDays = "mon tue wed thu fri sat sun";
  return word.size() == 3 && is_alpha(word[0]) && kDays.find(lower(word)) != std::string_view::npos;
}

/// The words of a line, one after the other.
struct Words {
  std::string_view line;
  std::size_t begin{0};
  std::size_t end{0};

  bool next() {
    begin = end;
    while (begin < line.size() && is_blank(line[begin])) ++begin;
    end = std::min(line.find_first_of(" \t", begin), line.size());
    return begin < line.size();
  }
  std::string_view word() const { return line.substr(begin, end - begin); }
  std::string_view peek() const {
    Words ahead = *this;
    return ahead.next() ? ahead.word() : std::string_view();
  }
};

/// "Nov 26 10:11:01 host program[88]:"; the end of it, 0 = none.
std::size_t syslog_end(Words words) {
  if (is_weekday(words.word()) && !words.next()) return 0;
  if (!is_month(words.word()) || !words.next() || !is_number(words.word()) || !words.next() ||
      !is_stamp(words.word()))
    return 0;
  const std::size_t behind_time = words.end;
  if (is_number(words.peek()) && words.next()) return words.end;  // a year, as ctime writes it
  if (words.next() && words.next() && words.word().back() == ':' && is_alpha(words.word().front()) &&
      words.word().size() < 50 && !lower(words.word()).ends_with("error:"))
    return words.end;
  return behind_time;
}

/// "E1126 10:00:00.000000 1234 file.cc:12]"; the end of it, 0 = none.
std::size_t glog_end(Words words) {
  const std::string_view first = words.word();
  if (first.size() < 5 || first.size() > 9 ||
      std::string_view("IWEF").find(first[0]) == std::string_view::npos || !is_number(first.substr(1)))
    return 0;
  for (int i = 0; i < 4 && words.next(); ++i) {
    if (words.word().back() == ']') return words.end;
  }
  return 0;
}

/// "ERROR:root:message" as Python's basicConfig writes it; the end of the prefix, 0 = none.
std::size_t basic_config_end(std::string_view line, std::size_t begin) {
  const std::string_view rest = line.substr(begin, 80);
  const std::size_t first = rest.find(':');
  if (first == std::string_view::npos || !is_level(rest.substr(0, first)) ||
      !(rest[0] >= 'A' && rest[0] <= 'Z'))
    return 0;
  const std::size_t second = rest.find(':', first + 1);
  if (second == std::string_view::npos || !is_logger_name(rest.substr(first + 1, second - first - 1)))
    return 0;
  return begin + second + 1;
}

/// Drawings, bullets and the like: everything outside ASCII up to a blank, and the blank.
std::size_t drawing_end(std::string_view line, std::size_t begin) {
  std::size_t at = begin;
  while (at < line.size() && (static_cast<unsigned char>(line[at]) >= 0x80 || line[at] == '>')) ++at;
  return at > begin && (at == line.size() || is_blank(line[at])) ? at : 0;
}

}  // namespace

LogPrefix log_prefix(std::string_view line) {
  std::size_t end = 0;  // of the prefix
  bool stamped = false;
  bool separated = false;
  Words words{line};
  while (end < kLongestPrefix && words.next()) {
    const std::string_view word = words.word();
    std::size_t behind = 0;
    if (line[words.begin] == '[' || line[words.begin] == '(') {
      const std::size_t close = line.find(line[words.begin] == '[' ? ']' : ')', words.begin);
      if (close == std::string_view::npos || close - words.begin > 60) break;
      behind = close + 1;
      if (behind < line.size() && line[behind] == ':') ++behind;
      stamped = true;
    } else if (static_cast<unsigned char>(line[words.begin]) >= 0x80) {
      behind = drawing_end(line, words.begin);
    } else if (is_separator(word)) {
      behind = words.end;
      separated = true;
    } else if (is_stamp(word) ||
               (is_level(word) &&
                (is_upper(word) || word.starts_with("std") || is_separator(words.peek()))) ||
               (stamped && (word == "F" || word == "P"))) {
      behind = words.end;
      stamped = true;
    } else if (const std::size_t basic = basic_config_end(line, words.begin); basic > 0) {
      behind = basic;
    } else if (const std::size_t glog = glog_end(words); glog > 0) {
      behind = glog;
    } else if (const std::size_t syslog = syslog_end(words); syslog > 0) {
      behind = syslog;
    } else if (is_logger_name(word)) {
      const std::string_view ahead = words.peek();
      const bool named = (separated && is_separator(ahead)) || ahead == "|" ||
                         (stamped && is_level(ahead) && is_upper(ahead));
      if (named) behind = words.end;
    }
    if (behind == 0) break;
    end = words.end = behind;
  }
  LogPrefix prefix;
  prefix.content = end > 0 && end < line.size() && is_blank(line[end]) ? end + 1 : end;
  prefix.message = std::min(line.find_first_not_of(" \t", prefix.content), line.size());
  return prefix;
}

std::optional<std::string> json_log_text(std::string_view line) {
  const std::size_t brace = line.find('{');
  if (brace == std::string_view::npos || log_prefix(line).message < brace) return std::nullopt;
  const std::string_view text = line.substr(brace);
  for (const std::string_view key : {"error", "err"}) {
    if (json_string_of(text, key).size() >= 4) return std::nullopt;  // more than the message alone
  }
  constexpr std::array<std::string_view, 9> kLoggers{"level", "severity", "levelname", "stream", "logger",
                                                     "lvl",   "ts",       "timestamp", "asctime"};
  const bool logger = std::any_of(kLoggers.begin(), kLoggers.end(), [&](std::string_view key) {
    return json_value_at(text, key) != std::string_view::npos;
  });
  if (!logger) return std::nullopt;
  for (const std::string_view key :
       {"exc_info", "exception", "traceback", "stack_trace", "message", "msg", "log", "event"}) {
    std::string value = json_string_of(text, key);
    if (value.size() >= 4) return value;
  }
  return std::nullopt;
}

}  // namespace gpuwarden::diagnosis
