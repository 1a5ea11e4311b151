#include "preflight_words.hpp"

#include <array>
#include <utility>

#include "text.hpp"

namespace gpuwarden::diagnosis {
namespace {

/// "0 MB free", but not "81920 MiB".
bool speaks_of_nothing_left(std::string_view low) {
  for (const std::string_view words : {"0 mb", "0 bytes", "0 b ", "0 mib", "0 gb", "0 gib", "0b "}) {
    for (std::size_t at = low.find(words); at != std::string_view::npos; at = low.find(words, at + 1)) {
      if (at == 0 || !(is_digit(low[at - 1]) || low[at - 1] == '.' || low[at - 1] == ',')) return true;
    }
  }
  return false;
}

}  // namespace

bool is_preflight_complaint(std::string_view low) {
  static const WordSet words(
      "fail|error|only |below|need|want|requir|not |no "
      "|non-|missing|less|insufficient|denied|100%|unable|cannot|"
      "can't|couldn't|too |minimum|min |expected|unexpected|refused|reject|timed out|timeout|exceed|bad "
      "|wrong|"
      "invalid|empty|unset|expired|revoked|disabled|unknown|unregistered|malformed|"
      "mismatch|without|stale|is down|zero|lost|broken|unsupported|unavailable|must "
      "|lower|smaller|fewer|blocked|"
      "read-only|readonly| full|none|never|corrupt|unauthori|forbidden| old");
  return words.in(low) || speaks_of_nothing_left(low);
}

std::optional<Trouble> preflight_topic(std::string_view low) {
  if (contains_any(low, " ok|passed|@gpuwarden")) return std::nullopt;
  using Topics = std::array<std::pair<std::string_view, Trouble>, 6>;
  // The script's own heading before any word of the message.
  constexpr Topics kHeadings{{
      {" credentials: | credentials check| token: | auth: | key: ", Trouble::credentials},
      {" gpu: | gpu check| driver: | cuda: | vram: | nvidia-smi: ", Trouble::gpu},
      {" disk: | disk check| space: | storage: ", Trouble::disk},
      {" mount: | mount check| volume: ", Trouble::mount},
      {" memory: | memory check| ram: ", Trouble::memory},
      {" network: | network check| dns: | dns check| connectivity: ", Trouble::network},
  }};
  // The first topic that fits: the narrower words come first.
  constexpr Topics kTopics{{
      {"token|credential|unauthori|forbidden|api key|apikey|publishable|anon key|jwt|http 401|http "
       "403|supabase 401|"
       "supabase 403|status 401|status 403|row-level|permission denied for",
       Trouble::credentials},
      {" gpu|nvidia|cuda|vram|nvml|driver", Trouble::gpu},
      {"disk|/ has |free on|storage|inode|% used|% full|bytes available| space| free of | free at | free in |"
       "mb free|gb free|gib free|mib free",
       Trouble::disk},
      {"mount|volume|cannot create directory|cannot touch|writable|write to /|cannot write|/workspace",
       Trouble::mount},
      {"memory|memtotal|memavailable| ram|ram:|ram ", Trouble::memory},
      {"dns|network|resolv|connect|lookup|internet|tls|ssl|https://"
       "|reach|supabase|route|proxy|gateway|latency|ping",
       Trouble::network},
  }};
  const std::string padded = " " + std::string(low);
  for (const Topics& topics : {kHeadings, kTopics}) {
    for (const auto& [words, trouble] : topics) {
      if (contains_any(padded, words)) return trouble;
    }
  }
  return std::nullopt;
}

}  // namespace gpuwarden::diagnosis
