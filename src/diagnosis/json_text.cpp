#include "json_text.hpp"

#include <algorithm>
#include <charconv>

namespace gpuwarden::diagnosis {
namespace {

/// Four hex digits as UTF-8; what is no character of its own (half of a surrogate pair) becomes "?".
void append_code_point(std::string_view hex, std::string& out) {
  unsigned code = 0;
  const auto [end, error] = std::from_chars(hex.data(), hex.data() + hex.size(), code, 16);
  if (error != std::errc() || end != hex.data() + 4 || (code >= 0xD800 && code < 0xE000)) {
    out.push_back('?');
  } else if (code < 0x80) {
    out.push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out.push_back(static_cast<char>(0xC0U | (code >> 6U)));
    out.push_back(static_cast<char>(0x80U | (code & 0x3FU)));
  } else {
    out.push_back(static_cast<char>(0xE0U | (code >> 12U)));
    out.push_back(static_cast<char>(0x80U | ((code >> 6U) & 0x3FU)));
    out.push_back(static_cast<char>(0x80U | (code & 0x3FU)));
  }
}

}  // namespace

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
        append_code_point(text.substr(at + 1, 4), out);
        at += std::min<std::size_t>(4, text.size() - at - 1);
        break;
      default:
        out.push_back(code);
    }
  }
  ++at;
  return out;
}

std::size_t json_value_at(std::string_view text, std::string_view key) {
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

std::string json_string_of(std::string_view text, std::string_view key) {
  std::size_t at = json_value_at(text, key);
  if (at == std::string_view::npos || text[at] != '"') return {};
  return json_string(text, ++at);
}

}  // namespace gpuwarden::diagnosis
