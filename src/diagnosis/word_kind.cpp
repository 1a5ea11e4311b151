#include "word_kind.hpp"

#include <algorithm>
#include <array>

#include "text.hpp"

namespace gpuwarden::diagnosis {
namespace {

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

/// 7f8a2c-like pieces of an identifier joined by dashes: a uuid, a worker's name.
bool is_dashed_id(std::string_view word) {
  if (std::count(word.begin(), word.end(), '-') < 2 || !has_digit(word)) return false;
  const std::string_view last = word.substr(word.rfind('-') + 1);
  return last.size() >= 6 && all_hex(last);
}

/// Last component of a path; the directories before it name machines, versions and temporary places.
std::string_view file_name(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

/// A file whose name another pod would have made up otherwise.
bool varies(std::string_view name) {
  const std::string_view stem = name.substr(0, name.find('.'));
  return is_random_name(stem) || is_dashed_id(stem) || name.starts_with("tmp") ||
         (stem.size() >= 4 && all_hex(stem) && has_digit(stem));
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
    out += is_random_name(part) || is_dashed_id(part) ? std::string("#") : without_numbers(part);
    if (dot == word.size()) return out;
    out.push_back('.');
    word.remove_prefix(dot + 1);
  }
}

/// 0000:c1:00, PCI:0000:0a:00.0, 02:42:ac:11:00:02, 2001:db8::1
bool is_bus_address(std::string_view word) {
  const std::size_t colon = word.find(':');
  if (std::count(word.begin(), word.end(), ':') < 2 || !has_digit(word)) return false;
  return word.substr(colon).find_first_not_of("0123456789abcdefABCDEF:.") == std::string_view::npos;
}

std::string kind_of_url(std::string_view word) {
  std::size_t host = word.find("://") + 3;
  const std::size_t end = std::min(word.find_first_of("/?#", host), word.size());
  const std::size_t at = word.substr(0, end).rfind('@');  // who, and with what key
  if (at != std::string_view::npos && at >= host) host = at + 1;
  const std::string_view name_and_port = word.substr(host, end - host);
  const std::string_view server = name_and_port.substr(0, name_and_port.find(':'));
  const std::string_view path = word.substr(end, word.find_first_of("?#", end) - end);
  const std::string_view name = file_name(path);
  // The service and what was asked of it; the rest of the path has ids.
  const bool named = name.size() > 1 && !has_digit(name) && !varies(name);
  return "url " + without_random_parts(server) + (named ? " " + lower(name) : std::string());
}

/// Name and number of a library or a build that does not go with another: libcudnn.so.9, GLIBC_2.38, sm_90,
/// cu126, and the codes of PostgREST and rustc.
bool is_version_name(std::string_view low) {
  constexpr std::array<std::string_view, 8> kHeads{"glibc_",   "glibcxx_", "cxxabi_", "sm_",
                                                   "compute_", "pgrst",    "cu1",     "python3."};
  if (low.find(".so.") != std::string_view::npos) return true;
  if (low.size() == 5 && low.front() == 'e' &&
      low.find_first_not_of("0123456789", 1) == std::string_view::npos)
    return true;
  return std::any_of(kHeads.begin(), kHeads.end(), [&](std::string_view head) {
    return low.starts_with(head) && low.size() > head.size();
  });
}

/// 12s, 1m30s, 330ms, 4GiB, 1.5e-3, 2.1it/s
bool is_amount(std::string_view low) {
  if (low.empty() ||
      !(is_digit(low.front()) || low.front() == '-' || low.front() == '+' || low.front() == '~'))
    return false;
  bool number = false;
  for (std::size_t at = 0; at < low.size();) {
    const std::size_t begin = at;
    while (at < low.size() &&
           std::string_view("0123456789.:,-+%_~").find(low[at]) != std::string_view::npos) {
      number = number || is_digit(low[at]);
      ++at;
    }
    const std::size_t letters = at;
    while (at < low.size() && (is_alpha(low[at]) || low[at] == '/')) ++at;
    const std::string_view unit = low.substr(letters, at - letters);
    if (at == begin) return false;
    if (!unit.empty() && unit != "e" && unit != "t" && unit != "z" && unit != "x" && !is_unit(unit))
      return false;
  }
  return number;
}

}  // namespace

bool is_unit(std::string_view low) {
  constexpr std::array<std::string_view, 50> kUnits{
      "b",     "kb",   "mb",   "gb",    "tb",     "kib",     "mib",  "gib",    "tib",         "k",
      "m",     "g",    "byte", "bytes", "s",      "sec",     "secs", "second", "seconds",     "ms",
      "us",    "ns",   "min",  "mins",  "minute", "minutes", "h",    "hr",     "hrs",         "hour",
      "hours", "d",    "day",  "days",  "%",      "percent", "it/s", "s/it",   "mb/s",        "mib/s",
      "kb/s",  "gb/s", "am",   "pm",    "utc",    "w",       "c",    "mhz",    "millisecond", "milliseconds"};
  return std::find(kUnits.begin(), kUnits.end(), low) != kUnits.end();
}

std::string kind_of(std::string_view word) {
  // Punctuation around a word is no part of it.
  while (!word.empty() && (word.back() == ':' || word.back() == '.' || word.back() == '-'))
    word.remove_suffix(1);
  while (!word.empty() && word.front() == ':') word.remove_prefix(1);
  if (word.empty()) return {};
  if (word.find("://") != std::string_view::npos) return kind_of_url(word);
  std::string low = lower(word);
  if (low.starts_with("http/")) return "http";
  if (low.size() > 2 && low.starts_with("0x") && all_hex(std::string_view(low).substr(2))) return "#";
  if (is_dashed_id(word) || is_bus_address(word)) return "#";
  if (is_version_name(low) && low.find('/') == std::string::npos) return low;
  if (has_digit(word) && is_amount(low)) return "#";
  if (word.find('/') != std::string_view::npos) {
    if (word.find_first_not_of("0123456789/.:-") == std::string_view::npos) return "#";  // 3/7, dates
    const std::string_view name = file_name(word.substr(0, word.find(':')));
    return varies(name) ? "path" : "path " + without_random_parts(name);
  }
  if (word.starts_with("tmp") && word.size() >= 8) return "path";
  if (is_random_name(word)) return "#";
  return without_random_parts(word);
}

}  // namespace gpuwarden::diagnosis
