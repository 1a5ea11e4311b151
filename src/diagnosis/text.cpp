#include "text.hpp"

#include <algorithm>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/diagnosis/diagnose.hpp"

namespace gpuwarden::diagnosis {
namespace {

constexpr std::size_t kLongestLine = 4096;
constexpr char kEscape = '\x1B';

/// End of the terminal control sequence at `at`.
std::size_t escape_end(std::string_view text, std::size_t at) {
  ++at;
  if (at >= text.size()) return at;
  const char kind = text[at++];
  if (kind == '[') {  // CSI: parameters, then one final byte
    while (at < text.size() && (text[at] < '@' || text[at] > '~')) ++at;
    return std::min(at + 1, text.size());
  }
  if (kind == ']') {  // OSC: up to BEL or ESC backslash
    while (at < text.size() && text[at] != '\a' && text[at] != kEscape) ++at;
    if (at < text.size() && text[at] == kEscape) ++at;
    return std::min(at + 1, text.size());
  }
  if (kind == '(' || kind == ')') return std::min(at + 1, text.size());  // character set
  return at;
}

std::string without_escapes(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == kEscape) {
      at = escape_end(text, at);
    } else if (text[at] == '\b') {
      if (!out.empty()) out.pop_back();
      ++at;
    } else {
      out.push_back(text[at++]);
    }
  }
  return out;
}

/// Needs no cleaning: what almost every line is.
bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= ' ' && c <= '~') || c == '\t'; });
}

/// What a bar leaves behind when a message was printed on the same line: "45%|## | 4/9 [..]Traceback".
std::string_view behind_bar(std::string_view line) {
  const std::size_t bar = line.find("%|");
  if (bar == std::string_view::npos) return line;
  const std::size_t close = line.find(']', bar);
  if (close == std::string_view::npos) return line;
  return trimmed(line.substr(close + 1));
}

/// A terminal shows what was written last; bars only when there is nothing else.
std::string_view last_written(std::string_view text) {
  std::string_view shown;
  std::string_view bar;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find_first_of("\r\n", at), text.size());
    const std::string_view part = trimmed(text.substr(at, end - at));
    if (!part.empty()) (is_progress(part) ? bar : shown) = text.substr(at, end - at);
    at = end + 1;
  }
  if (shown.empty()) shown = bar;
  const std::string_view rest = behind_bar(shown);
  return rest.empty() ? shown : rest;
}

}  // namespace

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = lower(c);
  return out;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n\v\f";
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

bool contains_any(std::string_view text, std::string_view words) {
  while (!words.empty()) {
    const std::size_t bar = std::min(words.find('|'), words.size());
    if (text.find(words.substr(0, bar)) != std::string_view::npos) return true;
    words.remove_prefix(std::min(bar + 1, words.size()));
  }
  return false;
}

WordSet::WordSet(std::string_view words) {
  while (!words.empty()) {
    const std::size_t bar = std::min(words.find('|'), words.size());
    const std::string_view word = words.substr(0, bar);
    if (word.size() >= 2) {
      starts_.set(key(word[0], word[1]));
      by_first_.at(static_cast<unsigned char>(word[0])).push_back(word);
    }
    words.remove_prefix(std::min(bar + 1, words.size()));
  }
}

bool WordSet::in(std::string_view text) const {
  for (std::size_t at = 0; at + 1 < text.size(); ++at) {
    if (!starts_[key(text[at], text[at + 1])]) continue;
    for (const std::string_view word : by_first_[static_cast<unsigned char>(text[at])]) {
      if (text.substr(at).starts_with(word)) return true;
    }
  }
  return false;
}

bool is_progress(std::string_view line) {
  if (line.find("%|") != std::string_view::npos && behind_bar(line).empty()) return true;
  if (line.find("it/s]") != std::string_view::npos || line.find("s/it]") != std::string_view::npos)
    return behind_bar(line).empty();
  return line.find("━━") != std::string_view::npos || line.find("██") != std::string_view::npos ||
         line.find("[====") != std::string_view::npos || line.find("[####") != std::string_view::npos;
}

std::string clean_line(std::string_view line) {
  if (line.size() <= kLongestLine && is_plain(line) && line.find("%|") == std::string_view::npos)
    return std::string(line.substr(0, line.find_last_not_of(" \t") + 1));
  // Nothing useful hides behind 64 KB of one line; the work stays bounded.
  const std::string plain = without_escapes(line.substr(0, std::size_t{64} * 1024));
  const std::string shown = printable(last_written(plain));
  std::string_view end = shown;
  while (!end.empty() && (end.back() == ' ' || end.back() == '\t')) end.remove_suffix(1);
  return ellipsize(end, kLongestLine);
}

}  // namespace gpuwarden::diagnosis
