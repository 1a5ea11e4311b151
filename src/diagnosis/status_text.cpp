#include "status_text.hpp"

#include <algorithm>
#include <charconv>

namespace gpuwarden::diagnosis {
namespace {

constexpr std::size_t kMostTailLines = 200;

/// Text of a JSON string whose first character is at `at`; moves behind the closing quote.
std::string json_string(std::string_view text, std::size_t& at) {
  std::string out;
  for (; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] != '\\' || at + 1 >= text.size()) {
      out.push_back(text[at]);
      continue;
    }
    const char code = text[++at];
    switch (code) {
      case 'n':
      case 'r':
        out.push_back('\n');
        break;
      case 't':
        out.push_back(' ');
        break;
      case 'u':
        out.push_back('?');
        at += std::min<std::size_t>(4, text.size() - at - 1);
        break;
      default:
        out.push_back(code);
    }
  }
  ++at;
  return out;
}

/// Behind `"key":` and blanks; npos when there is none.
std::size_t value_at(std::string_view text, std::string_view key) {
  for (std::size_t at = text.find(key); at != std::string_view::npos; at = text.find(key, at + 1)) {
    if (at == 0 || text[at - 1] != '"') continue;
    std::size_t behind = at + key.size();
    if (behind >= text.size() || text[behind] != '"') continue;
    behind = text.find_first_not_of(" \t", behind + 1);
    if (behind == std::string_view::npos || text[behind] != ':') continue;
    return text.find_first_not_of(" \t", behind + 1);
  }
  return std::string_view::npos;
}

std::string string_of(std::string_view text, std::string_view key) {
  std::size_t at = value_at(text, key);
  if (at == std::string_view::npos || text[at] != '"') return {};
  return json_string(text, ++at);
}

}  // namespace

std::optional<StatusText> read_status(std::string_view line) {
  const std::size_t mark = line.find("@gpuwarden {");
  if (mark == std::string_view::npos) return std::nullopt;
  const std::string_view text = line.substr(mark);
  StatusText status;
  const std::string_view head = text.substr(0, text.find("\"tail\""));
  status.step = string_of(head, "step");
  status.event = string_of(head, "event");
  status.check = string_of(text, "check");
  if (const std::size_t at = value_at(head, "exit"); at != std::string_view::npos) {
    int value = 0;
    if (std::from_chars(text.data() + at, text.data() + text.size(), value).ec == std::errc())
      status.exit_code = value;
  }
  std::size_t at = value_at(text, "tail");
  if (at == std::string_view::npos || text[at] != '[') return status;
  for (++at; at < text.size() && text[at] != ']' && status.tail.size() < kMostTailLines;) {
    if (text[at] == '"')
      status.tail.push_back(json_string(text, ++at));
    else
      ++at;
  }
  return status;
}

}  // namespace gpuwarden::diagnosis
