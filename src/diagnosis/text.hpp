#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace gpuwarden::diagnosis {

inline bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
inline bool is_alpha(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
inline bool is_alnum(char c) {
  return is_digit(c) || is_alpha(c);
}
inline bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
inline char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// ASCII only; bytes of other characters stay.
std::string lower(std::string_view text);
/// Without blanks and tabs at both ends.
std::string_view trimmed(std::string_view text);
/// `text` with any of `|`-separated words in it, all lower case. For a few words or rare calls.
bool contains_any(std::string_view text, std::string_view words);

/// The same for many words, in one pass over the text. Words have at least two characters.
class WordSet {
 public:
  explicit WordSet(std::string_view words);
  bool in(std::string_view text) const;

 private:
  static std::size_t key(char first, char second) {
    return (static_cast<std::size_t>(static_cast<unsigned char>(first) & 0x7FU) << 7U) |
           (static_cast<unsigned char>(second) & 0x7FU);
  }
  std::bitset<std::size_t{1} << 14U> starts_;
  std::array<std::vector<std::string_view>, 256> by_first_;
};
/// "…%|███ | 3/7 [00:01<00:02, 2.1it/s]" and other bars that only show progress.
bool is_progress(std::string_view line);

}  // namespace gpuwarden::diagnosis
