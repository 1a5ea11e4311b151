#include "simulation/sql_values.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

#include <fmt/format.h>
#include <openssl/evp.h>

#include "gpuwarden/base/format.hpp"

namespace gpuwarden::simulation::sql {
namespace {

std::string_view trimmed(std::string_view value) {
  constexpr std::string_view kBlank = " \t\n\r\v\f";
  const auto first = value.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return value.substr(first, value.find_last_not_of(kBlank) - first + 1);
}

[[noreturn]] void unreadable(std::string_view type, std::string_view value) {
  throw SqlError("22P02", fmt::format("invalid input syntax for type {}: \"{}\"", type, value));
}

bool continues(char byte) {
  return (static_cast<unsigned char>(byte) & 0xc0U) == 0x80U;
}

std::size_t next_character(std::string_view value, std::size_t at) {
  do {
    ++at;
  } while (at < value.size() && continues(value[at]));
  return at;
}

bool fits(std::string_view value, std::string_view pattern) {
  std::size_t at = 0, wanted = 0, star = std::string_view::npos, resume = 0;
  while (at < value.size()) {
    if (wanted < pattern.size() && pattern[wanted] == '*') {
      star = wanted++;
      resume = at;
    } else if (wanted < pattern.size() && pattern[wanted] == '?') {
      ++wanted;
      at = next_character(value, at);
    } else if (wanted < pattern.size() && pattern[wanted] == value[at]) {
      ++wanted;
      ++at;
    } else if (star != std::string_view::npos) {
      wanted = star + 1;
      at = resume = next_character(value, resume);
    } else {
      return false;
    }
  }
  while (wanted < pattern.size() && pattern[wanted] == '*') ++wanted;
  return wanted == pattern.size();
}

std::int64_t whole(std::string_view type, const std::string& value, std::int64_t least, std::int64_t most) {
  auto digits = trimmed(value);
  if (digits.starts_with('+')) digits.remove_prefix(1);
  std::int64_t out = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
  if (error == std::errc::invalid_argument || end != digits.data() + digits.size()) unreadable(type, value);
  if (error != std::errc{} || out < least || out > most)
    throw SqlError("22003", fmt::format("value \"{}\" is out of range for type {}", value, type));
  return out;
}

void write(const Json& value, std::string& out) {
  if (value.is_object()) {
    out += '{';
    for (auto entry = value.begin(); entry != value.end(); ++entry) {
      if (entry != value.begin()) out += ", ";
      out += Json(entry.key()).dump() + ": ";
      write(*entry, out);
    }
    out += '}';
  } else if (value.is_array()) {
    out += '[';
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (i > 0) out += ", ";
      write(value[i], out);
    }
    out += ']';
  } else {
    out += value.dump();
  }
}

}  // namespace

const Json* member(const Json& value, const char* key) {
  if (!value.is_object()) return nullptr;
  const auto found = value.find(key);
  return found == value.end() ? nullptr : &*found;
}

std::optional<std::string> text(const Json& value, const char* key) {
  const Json* found = member(value, key);
  if (found == nullptr || found->is_null()) return std::nullopt;
  return found->is_string() ? found->get<std::string>() : as_text(*found);
}

std::optional<double> number(const Json& value, const char* key) {
  const Json* found = member(value, key);
  if (found != nullptr && found->is_number()) return found->get<double>();
  const auto written = text(value, key);
  if (!written) return std::nullopt;
  const std::string word(trimmed(*written));
  char* end = nullptr;
  errno = 0;
  const double out = std::strtod(word.c_str(), &end);
  if (word.empty() || *end != '\0') unreadable("double precision", *written);
  if (errno == ERANGE)
    throw SqlError("22003", fmt::format("\"{}\" is out of range for type double precision", *written));
  return out;
}

std::optional<std::int64_t> bigint(const Json& value, const char* key) {
  const auto written = text(value, key);
  if (!written) return std::nullopt;
  using Limits = std::numeric_limits<std::int64_t>;
  return whole("bigint", *written, Limits::min(), Limits::max());
}

std::optional<int> integer(const Json& value, const char* key) {
  const auto written = text(value, key);
  if (!written) return std::nullopt;
  using Limits = std::numeric_limits<std::int32_t>;
  return static_cast<int>(whole("integer", *written, Limits::min(), Limits::max()));
}

std::optional<bool> boolean(const Json& value, const char* key) {
  const Json* found = member(value, key);
  if (found != nullptr && found->is_boolean()) return found->get<bool>();
  const auto written = text(value, key);
  if (!written) return std::nullopt;
  std::string word(trimmed(*written));
  std::transform(word.begin(), word.end(), word.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  const auto begins = [&](std::string_view whole_word, std::size_t least) {
    return word.size() >= least && whole_word.starts_with(word);
  };
  if (begins("true", 1) || begins("yes", 1) || word == "on" || word == "1") return true;
  if (begins("false", 1) || begins("no", 1) || begins("off", 2) || word == "0") return false;
  unreadable("boolean", *written);
}

std::optional<WallTime> timestamp(const Json& value, const char* key) {
  const auto written = text(value, key);
  if (!written) return std::nullopt;
  const auto parsed = parse_time(*written);
  if (!parsed)
    throw SqlError("22007",
                   fmt::format("invalid input syntax for type timestamp with time zone: \"{}\"", *written));
  return *parsed;
}

std::optional<std::string> uuid(const Json& value, const char* key) {
  auto written = text(value, key);
  if (!written) return std::nullopt;
  bool good = written->size() == 36;
  for (std::size_t i = 0; good && i < written->size(); ++i) {
    char& c = (*written)[i];
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    good = dash ? c == '-' : (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  }
  if (!good) unreadable("uuid", *written);
  return written;
}

const Json& document(const Json& arguments, const char* key) {
  static const Json null;
  const Json* found = member(arguments, key);
  return found == nullptr ? null : *found;
}

std::string as_text(const Json& value) {
  std::string out;
  write(value, out);
  return out;
}

std::string left(std::string_view value, std::size_t count) {
  std::size_t at = 0;
  while (count-- > 0 && at < value.size()) at = next_character(value, at);
  return std::string(value.substr(0, at));
}

bool matches(std::string_view value, const Json* patterns) {
  if (patterns == nullptr) return false;
  if (!patterns->is_array()) throw SqlError("22023", "cannot extract elements from a scalar");
  return std::any_of(patterns->begin(), patterns->end(), [&](const Json& pattern) {
    return !pattern.is_null() &&
           fits(value, pattern.is_string() ? pattern.get<std::string>() : as_text(pattern));
  });
}

Json concatenated(Json left, const Json& right) {
  if (left.is_object() && right.is_object()) {
    left.update(right);
    return left;
  }
  Json out = left.is_array() ? std::move(left) : Json::array({std::move(left)});
  if (right.is_array()) {
    out.insert(out.end(), right.begin(), right.end());
  } else {
    out.push_back(right);
  }
  return out;
}

std::string sha256_hex(std::string_view value) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  EVP_Digest(value.data(), value.size(), digest.data(), &length, EVP_sha256(), nullptr);
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (unsigned i = 0; i < length; ++i) {
    out += kDigits[digest[i] >> 4U];
    out += kDigits[digest[i] & 0xfU];
  }
  return out;
}

std::string decoded_hex(std::string_view value) {
  std::string out;
  for (char c : value) {
    if (c == ' ' || c == '\n' || c == '\t' || c == '\r') continue;
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
    if ((c < '0' || c > '9') && (c < 'a' || c > 'f'))
      throw SqlError("22023", fmt::format("invalid hexadecimal digit: \"{}\"", c));
    out += c;
  }
  if (out.size() % 2 != 0) throw SqlError("22023", "invalid hexadecimal data: odd number of digits");
  return out;
}

Duration duration_of(double seconds) {
  return Duration(static_cast<Duration::rep>(std::llround(seconds * 1000.0)));
}

std::string utc(WallTime time) {
  std::string out = format_time_ms(time);
  if (const auto dot = out.find('.'); dot != std::string::npos) {
    out.pop_back();
    while (out.back() == '0') out.pop_back();
    if (out.back() == '.') out.pop_back();
    out += 'Z';
  }
  return out;
}

std::string timestamptz(WallTime time) {
  std::string out = utc(time);
  out.pop_back();
  return out + "+00:00";
}

}  // namespace gpuwarden::simulation::sql
