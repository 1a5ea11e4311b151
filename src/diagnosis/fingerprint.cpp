#include <algorithm>
#include <array>
#include <cstdint>

#include <fmt/format.h>

#include "gpuwarden/diagnosis/diagnose.hpp"

#include "log_prefix.hpp"
#include "text.hpp"

// A fault's fingerprint survives another pod, another day and another temporary directory. The line is cut
// into words; words that vary (paths, ids, numbers) become their kind; the rest is hashed.

namespace gpuwarden::diagnosis {
namespace {

bool is_word_char(char c) {
  return is_alnum(c) || c == '_' || c == '-' || c == '.' || c == '/' || c == ':' || c == '@' || c == '~' ||
         c == '+' || c == '%' || static_cast<unsigned char>(c) >= 0x80;
}

bool has_digit(std::string_view word) {
  return std::any_of(word.begin(), word.end(), is_digit);
}

bool all_hex(std::string_view word) {
  return !word.empty() && std::all_of(word.begin(), word.end(), is_hex);
}

/// Letters and digits in one piece of some length: pod ids, request ids, temporary names.
bool is_random_name(std::string_view word) {
  constexpr std::size_t kShortest = 8;
  if (word.size() < kShortest || !has_digit(word)) return false;
  std::size_t changes = 0;  // between letter and digit
  for (std::size_t i = 1; i < word.size(); ++i) {
    if (!is_alnum(word[i]) && word[i] != '_' && word[i] != '-') return false;
    if (is_digit(word[i]) != is_digit(word[i - 1])) ++changes;
  }
  return changes >= 3 || (all_hex(word) && changes >= 1);
}

/// Last component of a path without what varies in it; the directories before it are dropped, because they
/// name machines, versions and temporary places.
std::string_view file_name(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

/// Digits become "#"; a piece of digits with its separators only one.
std::string without_numbers(std::string_view word) {
  std::string out;
  for (std::size_t i = 0; i < word.size();) {
    if (!is_digit(word[i])) {
      out.push_back(lower(word[i++]));
      continue;
    }
    if (out.empty() || out.back() != '#') out.push_back('#');
    while (i < word.size() && (is_digit(word[i]) || ((word[i] == '.' || word[i] == ',' || word[i] == ':') &&
                                                     i + 1 < word.size() && is_digit(word[i + 1]))))
      ++i;
  }
  return out;
}

/// Names with dots (hosts, files): each part by itself, so that a pod's id in a host name does not matter.
std::string without_random_parts(std::string_view word) {
  std::string out;
  while (true) {
    const std::size_t dot = std::min(word.find('.'), word.size());
    const std::string_view part = word.substr(0, dot);
    out += is_random_name(part) ? std::string("#") : without_numbers(part);
    if (dot == word.size()) return out;
    out.push_back('.');
    word.remove_prefix(dot + 1);
  }
}

/// 0000:c1:00, PCI:0000:0a:00.0, 02:42:ac:11:00:02
bool is_bus_address(std::string_view word) {
  const std::size_t colon = word.find(':');
  if (std::count(word.begin(), word.end(), ':') < 2 || !has_digit(word)) return false;
  return word.substr(colon).find_first_not_of("0123456789abcdefABCDEF:.") == std::string_view::npos;
}

std::string kind_of_url(std::string_view word) {
  const std::size_t host = word.find("://") + 3;
  const std::size_t end = std::min(word.find_first_of("/:?", host), word.size());
  // The service matters, the path with its ids does not.
  return "url " + without_random_parts(word.substr(host, end - host));
}

/// 7f8a2c-like pieces of an identifier joined by dashes: a uuid, a worker's name.
bool is_dashed_id(std::string_view word) {
  if (std::count(word.begin(), word.end(), '-') < 2 || !has_digit(word)) return false;
  const std::string_view last = word.substr(word.rfind('-') + 1);
  return last.size() >= 6 && all_hex(last);
}

std::string kind_of(std::string_view word) {
  // Punctuation around a word is no part of it.
  while (!word.empty() && (word.back() == ':' || word.back() == '.' || word.back() == '-'))
    word.remove_suffix(1);
  while (!word.empty() && word.front() == ':') word.remove_prefix(1);
  if (word.empty()) return {};
  if (word.find("://") != std::string_view::npos) return kind_of_url(word);
  if (word.size() > 2 && word[0] == '0' && (word[1] == 'x' || word[1] == 'X') && all_hex(word.substr(2)))
    return "#";
  if (is_dashed_id(word) || is_bus_address(word)) return "#";
  if (word.find('/') != std::string_view::npos) {
    if (word.find_first_not_of("0123456789/.:-") == std::string_view::npos) return "#";  // 3/7, dates
    const std::string_view name = file_name(word.substr(0, word.find(':')));
    const std::string_view stem = name.substr(0, name.find('.'));
    const bool varies = is_random_name(stem) || is_dashed_id(stem) || name.starts_with("tmp") ||
                        (stem.size() >= 4 && all_hex(stem) && has_digit(stem));
    return varies ? "path" : "path " + without_random_parts(name);
  }
  if (word.starts_with("tmp") && word.size() >= 8) return "path";
  if (is_random_name(word)) return "#";
  if (has_digit(word) && word.find_first_not_of("0123456789.:,-+%TZ_") == std::string_view::npos) return "#";
  // 4GiB, 12s, 330ms, gpu0
  return without_random_parts(word);
}

/// Words whose number is a code, not an amount: how many words later it stands.
std::size_t code_follows(std::string_view kind) {
  constexpr std::array<std::string_view, 10> kBefore{"errno", "code",   "status", "http", "error",
                                                     "curl",  "signal", "exit",   "cuda", "exitcode"};
  if (kind == "xid") return 2;  // "Xid (PCI:…): 79"
  return std::find(kBefore.begin(), kBefore.end(), kind) != kBefore.end() ? 1 : 0;
}

std::string normalized(std::string_view line) {
  line.remove_prefix(log_prefix(line).message);
  std::string out;
  std::string last;
  std::size_t code_in = 0;
  for (std::size_t at = 0; at < line.size();) {
    if (!is_word_char(line[at])) {
      ++at;
      continue;
    }
    const std::size_t from = at;
    while (at < line.size() && is_word_char(line[at])) ++at;
    const std::string_view word = line.substr(from, at - from);
    std::string kind = kind_of(word);
    if (kind.empty()) continue;
    const bool is_code = code_in == 1 && kind == "#" && word.size() <= 4;
    if (code_in > 0) --code_in;
    if (const std::size_t next = code_follows(kind); next > 0) code_in = next;
    if (is_code) {
      out.append(word.substr(0, word.find_last_not_of(":.") + 1)).push_back(' ');
      last.clear();
      continue;
    }
    if (kind == "#" && last == "#") continue;
    out.append(kind).push_back(' ');
    last = std::move(kind);
  }
  return out;
}

std::uint64_t fnv1a(std::string_view text, std::uint64_t hash) {
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001B3ULL;
  }
  return hash;
}

}  // namespace

std::string fingerprint(FailureCause cause, std::string_view evidence_line) {
  constexpr std::uint64_t kSeed = 0xCBF29CE484222325ULL;
  const std::string text = normalized(clean_line(evidence_line));
  return fmt::format("{:016x}", fnv1a(text, fnv1a(to_string(cause), kSeed)));
}

}  // namespace gpuwarden::diagnosis
