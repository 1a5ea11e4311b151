#include "matcher.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "name_words.hpp"
#include "text.hpp"

namespace gpuwarden::diagnosis {
namespace {

constexpr std::size_t kGram = 4;
/// What `*` may stand for, and how often a line is searched for what follows one: a hostile line of words
/// that begin many patterns costs little more than its length.
constexpr std::size_t kLongestGap = 300;
constexpr std::size_t kFewestSearches = 64;
constexpr std::size_t kBytesPerSearch = 32;
constexpr std::size_t kBuckets = 8192;

std::size_t bucket_of(const char* text) {
  std::uint32_t gram = 0;
  std::memcpy(&gram, text, kGram);
  return (gram * 2654435761U) >> 19U;
}

std::string_view unanchored(std::string_view pattern) {
  if (pattern.front() == '^' || pattern.front() == '=') pattern.remove_prefix(1);
  return pattern;
}

/// Up to eight characters in one number.
std::uint64_t head_of(std::string_view text) {
  std::uint64_t head = 0;
  std::memcpy(&head, text.data(), std::min(text.size(), sizeof head));
  return head;
}

/// Rules by the first four characters of their patterns: most positions of a line fit none of them.
class Index {
 public:
  struct Entry {
    const Rule* rule;
    std::uint32_t rank;  ///< the higher one decides: by strength, then by place in the tables
    std::uint64_t head;  ///< what a line must begin with, as far as `mask` says
    std::uint64_t mask;
    bool one_word;  ///< the pattern may stand inside a name
  };

  Index() {
    std::vector<Entry> all;
    for (const auto rules : {provider_rules(), gpu_rules(), storage_rules(), ssh_git_rules(), package_rules(),
                             program_rules(), network_rules(), generic_rules()}) {
      for (const Rule& rule : rules) all.push_back(entry_of(rule, all.size()));
    }
    // Each bucket's entries lie together, the one that decides most first.
    std::sort(all.begin(), all.end(), [](const Entry& a, const Entry& b) {
      const std::size_t left = bucket_of(unanchored(a.rule->pattern).data());
      const std::size_t right = bucket_of(unanchored(b.rule->pattern).data());
      return left != right ? left < right : a.rank > b.rank;
    });
    entries_ = std::move(all);
    for (std::size_t at = 0; at < entries_.size(); ++at) {
      Range& range = ranges_.at(bucket_of(unanchored(entries_[at].rule->pattern).data()));
      if (range.end == 0) range.begin = static_cast<std::uint16_t>(at);
      range.end = static_cast<std::uint16_t>(at + 1);
    }
  }

  std::span<const Entry> at(const char* text) const {
    const Range range = ranges_[bucket_of(text)];
    return std::span(entries_).subspan(range.begin, range.end - range.begin);
  }

 private:
  struct Range {
    std::uint16_t begin{0};
    std::uint16_t end{0};
  };

  static Entry entry_of(const Rule& rule, std::size_t order) {
    constexpr std::uint32_t kMostRules = 0xFFFF;
    const std::string_view pattern = unanchored(rule.pattern);
    const std::string_view first = pattern.substr(0, pattern.find('*'));
    const std::uint64_t mask = head_of(std::string(std::min(first.size(), sizeof mask), '\xFF'));
    return {
        &rule,
        (static_cast<std::uint32_t>(rule.strength) << 16U) + kMostRules - static_cast<std::uint32_t>(order),
        head_of(first) & mask, mask, pattern.find_first_of(" */") == std::string_view::npos};
  }

  std::vector<Entry> entries_;
  std::array<Range, kBuckets> ranges_{};
};

/// The pieces between `*` one after the other; the first one exactly at `at`.
bool fits(std::string_view pattern, std::string_view low, std::size_t at, std::size_t& searches) {
  bool first = true;
  while (true) {
    const std::size_t star = pattern.find('*');
    const std::string_view piece = pattern.substr(0, star);
    if (first) {
      if (low.substr(at, piece.size()) != piece) return false;
      at += piece.size();
    } else {
      if (searches == 0) return false;
      --searches;
      // "spot * reclaimed" is also "spot reclaimed": one blank serves both pieces.
      const bool shared = at > 0 && low[at - 1] == ' ' && !piece.empty() && piece.front() == ' ';
      const std::size_t from = shared ? at - 1 : at;
      const std::size_t found = low.substr(from, kLongestGap + piece.size()).find(piece);
      if (found == std::string_view::npos) return false;
      at = from + found + piece.size();
    }
    if (star == std::string_view::npos) return true;
    pattern.remove_prefix(star + 1);
    first = false;
  }
}

bool anchored_right(const Rule& rule, std::string_view low, std::size_t at, std::size_t message) {
  // "error: …" of a tool is not the end of "ValueError: …".
  constexpr std::string_view kError = "error: ";
  if (rule.pattern.size() > kError.size() && rule.pattern.starts_with(kError) && at > 0 &&
      is_alnum(low[at - 1]))
    return false;
  if (rule.pattern.front() == '^')
    return at == message || at == 0 || (at > message && is_module_path(low.substr(message, at - message)));
  if (rule.pattern.front() == '=') return trimmed(low.substr(message)) == unanchored(rule.pattern);
  return true;
}

}  // namespace

std::optional<Match> best_match(std::string_view low, std::size_t message) {
  static const Index index;
  std::optional<Match> best;
  std::uint32_t best_rank = 0;
  std::size_t searches = kFewestSearches + low.size() / kBytesPerSearch;
  for (std::size_t at = 0; at + kGram <= low.size(); ++at) {
    const auto entries = index.at(low.data() + at);
    if (entries.empty()) continue;
    const std::uint64_t head = head_of(low.substr(at));
    for (const Index::Entry& entry : entries) {
      if (entry.rank <= best_rank) break;
      const Rule& rule = *entry.rule;
      if ((head & entry.mask) == entry.head && fits(unanchored(rule.pattern), low, at, searches) &&
          anchored_right(rule, low, at, message) &&
          !(entry.one_word && is_in_a_name(rule.trouble == Trouble::generic, low, at))) {
        best = Match{&rule, at};
        best_rank = entry.rank;
      }
    }
  }
  return best;
}

}  // namespace gpuwarden::diagnosis
