#include "quote.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace gpuwarden::bootstrap {
namespace {

bool is_name_character(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

std::string percent_decoded(std::string_view text) {
  constexpr int kHex = 16;
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    unsigned value = 0;
    if (text[at] == '%' && at + 2 < text.size()) {
      const char* from = text.data() + at + 1;
      if (std::from_chars(from, from + 2, value, kHex).ptr == from + 2) {
        out.push_back(static_cast<char>(value));
        at += 2;
        continue;
      }
    }
    out.push_back(text[at]);
  }
  return out;
}

}  // namespace

std::string shell_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else if (c != '\0') {
      out.push_back(c);
    }
  }
  out.push_back('\'');
  return out;
}

std::string curl_quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '\n' || c == '\r' || c == '\0') continue;
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  out.push_back('"');
  return out;
}

bool is_exportable(std::string_view name) {
  constexpr std::array<std::string_view, 10> kOwned{
      "UID",      "EUID",   "PPID", "BASHOPTS",        "SHELLOPTS",
      "DIRSTACK", "GROUPS", "IFS",  "POSIXLY_CORRECT", "FUNCNAME"};
  if (name.empty() || (name.front() >= '0' && name.front() <= '9')) return false;
  if (!std::all_of(name.begin(), name.end(), is_name_character)) return false;
  if (name.starts_with("BASH_") || name.starts_with("gw_") || name == "run") return false;
  return std::find(kOwned.begin(), kOwned.end(), name) == kOwned.end();
}

SplitUrl split_credentials(std::string_view url) {
  SplitUrl split;
  split.url = url;
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos || !url.starts_with("http")) return split;
  const std::size_t host = scheme + 3;
  const std::string_view authority = url.substr(host, url.find_first_of("/?#", host) - host);
  const std::size_t at = authority.rfind('@');
  if (at == std::string_view::npos) return split;
  const std::string_view credentials = authority.substr(0, at);
  const std::size_t colon = credentials.find(':');
  split.user = percent_decoded(credentials.substr(0, colon));
  if (colon != std::string_view::npos) split.password = percent_decoded(credentials.substr(colon + 1));
  split.url = std::string(url.substr(0, host)).append(url.substr(host + at + 1));
  return split;
}

}  // namespace gpuwarden::bootstrap
