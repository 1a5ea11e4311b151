#include "matcher.hpp"

#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "text.hpp"

namespace gpuwarden::diagnosis {
namespace {

constexpr std::size_t kGram = 4;
/// What `*` may stand for, and how often a line is searched for what follows one: a hostile line of words
/// that begin many patterns costs little more than its length.
constexpr std::size_t kLongestGap = 300;
constexpr std::size_t kMostSearches = 5000;
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

/// Rules by the first four characters of their patterns: most positions of a line fit none of them.
class Index {
 public:
  Index() {
    heads_.fill(kNone);
    for (const auto rules : {provider_rules(), gpu_rules(), storage_rules(), ssh_git_rules(), package_rules(),
                             program_rules(), network_rules(), generic_rules()})
      add(rules);
  }

  struct Entry {
    const Rule* rule;
    std::uint16_t order;
    std::uint16_t next;
  };
  static constexpr std::uint16_t kNone = 0xFFFF;
  std::uint16_t head(const char* text) const { return heads_[bucket_of(text)]; }
  const Entry& entry(std::uint16_t at) const { return entries_[at]; }

 private:
  void add(std::span<const Rule> rules) {
    for (const Rule& rule : rules) {
      const std::size_t bucket = bucket_of(unanchored(rule.pattern).data());
      const auto at = static_cast<std::uint16_t>(entries_.size());
      entries_.push_back({&rule, at, heads_.at(bucket)});
      heads_.at(bucket) = at;
    }
  }

  std::vector<Entry> entries_;
  std::array<std::uint16_t, kBuckets> heads_{};
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
  if (rule.pattern.front() == '^') return at == message || at == 0;
  if (rule.pattern.front() == '=') return trimmed(low.substr(message)) == unanchored(rule.pattern);
  return true;
}

}  // namespace

std::optional<Match> best_match(std::string_view low, std::size_t message) {
  static const Index index;
  std::optional<Match> best;
  std::uint16_t best_order = 0;
  std::size_t searches = kMostSearches;
  for (std::size_t at = 0; at + kGram <= low.size(); ++at) {
    for (std::uint16_t e = index.head(low.data() + at); e != Index::kNone; e = index.entry(e).next) {
      const Index::Entry& entry = index.entry(e);
      const Rule& rule = *entry.rule;
      const bool better = !best || rule.strength > best->rule->strength ||
                          (rule.strength == best->rule->strength && entry.order < best_order);
      if (better && fits(unanchored(rule.pattern), low, at, searches) &&
          anchored_right(rule, low, at, message)) {
        best = Match{&rule, at};
        best_order = entry.order;
      }
    }
  }
  return best;
}

}  // namespace gpuwarden::diagnosis
