#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include <fmt/format.h>

#include "gpuwarden/diagnosis/diagnose.hpp"

#include "log_prefix.hpp"
#include "text.hpp"
#include "word_kind.hpp"

// A fault's fingerprint survives another pod, another day and another temporary directory. The line is cut
// into words; words that vary (paths, ids, numbers) become their kind; the rest is hashed.

namespace gpuwarden::diagnosis {
namespace {

bool is_word_char(char c) {
  return is_alnum(c) || c == '_' || c == '-' || c == '.' || c == '/' || c == ':' || c == '@' || c == '~' ||
         c == '+' || c == '%' || static_cast<unsigned char>(c) >= 0x80;
}

bool is_one_of(std::string_view kind, std::string_view words) {
  while (!words.empty()) {
    const std::size_t bar = std::min(words.find('|'), words.size());
    if (kind == words.substr(0, bar)) return true;
    words.remove_prefix(std::min(bar + 1, words.size()));
  }
  return false;
}

/// Words whose number is a code, not an amount: how many words later it stands.
std::size_t code_follows(std::string_view kind) {
  if (kind == "xid") return 2;  // "Xid (PCI:…): 79"
  return is_one_of(kind,
                   "errno|code|status|http|error|curl|signal|exit|cuda|exitcode|answered|returned|response")
             ? 1
             : 0;
}

/// "404 Not Found", "502 Bad Gateway": the number is a code because of what follows it.
bool names_status(std::string_view next) {
  return is_one_of(lower(next),
                   "not|bad|client|server|unauthorized|forbidden|internal|service|gateway|too|payment|"
                   "conflict|unprocessable");
}

/// What follows is a name and keeps its digits: No module named 'sam2'.
bool name_follows(std::string_view kind) {
  return is_one_of(kind,
                   "named|module|package|requirement|import|attribute|extension|argument|arguments|option");
}

/// What follows is an id, if it has a digit.
bool id_follows(std::string_view kind) {
  return is_one_of(kind,
                   "pod|worker|container|task|job|request|id|pid|session|trace|thread|instance|request-id");
}

bool is_calendar_word(std::string_view kind) {
  return is_one_of(kind, "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun");
}

class Normalizer {
 public:
  explicit Normalizer(std::string_view line) : line_(line) {}

  std::string run() {
    std::string_view word = next();
    while (!word.empty()) {
      const std::size_t begin = begin_;
      const std::string_view ahead = next();
      add(word, begin, ahead);
      word = ahead;
    }
    return std::move(out_);
  }

 private:
  std::string_view next() {
    while (at_ < line_.size() && !is_word_char(line_[at_])) ++at_;
    begin_ = at_;
    while (at_ < line_.size() && is_word_char(line_[at_])) ++at_;
    return line_.substr(begin_, at_ - begin_);
  }

  /// torch==2.6.0, >=3.11: a version that was asked for.
  bool is_version(std::string_view word, std::size_t begin) const {
    if (begin == 0 || !is_digit(word.front())) return false;
    const char before = line_[begin - 1];
    const bool twice = begin >= 2 && before == '=' &&
                       std::string_view("=<>!~").find(line_[begin - 2]) != std::string_view::npos;
    return twice || ((before == '<' || before == '>') && word.find('.') != std::string_view::npos);
  }

  void add(std::string_view word, std::size_t begin, std::string_view ahead) {
    std::string kind = kind_of(word);
    if (kind.empty()) return;
    const std::string exact = lower(word.substr(0, word.find_last_not_of(":.") + 1));
    const bool digits = exact.find_first_of("0123456789") != std::string::npos;
    const bool is_code = code_in_ == 1 && kind == "#" && exact.size() <= 5;
    const bool is_status = kind == "#" && exact.size() == 3 && names_status(ahead);
    if (code_in_ > 0) --code_in_;
    if (const std::size_t later = code_follows(kind); later > 0) code_in_ = later;
    const bool calendar = is_calendar_word(kind) && !ahead.empty() &&
                          (is_digit(ahead.front()) || is_calendar_word(lower(ahead)));
    if (is_code || is_status || is_version(word, begin) ||
        (name_follows(last_word_) && digits && kind != "#"))
      kind = exact;
    else if (calendar || (id_follows(last_word_) && digits))
      kind = "#";
    else if (last_ == "#" && is_unit(kind))
      return;
    last_word_ = kind;
    if (kind == "#" && last_ == "#") return;
    out_.append(kind).push_back(' ');
    last_ = std::move(kind);
  }

  std::string_view line_;
  std::size_t at_{0};
  std::size_t begin_{0};
  std::string out_;
  std::string last_;       ///< what was written last
  std::string last_word_;  ///< the kind of the word before
  std::size_t code_in_{0};
};

std::string normalized(std::string_view line) {
  line.remove_prefix(log_prefix(line).message);
  return Normalizer(line).run();
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
