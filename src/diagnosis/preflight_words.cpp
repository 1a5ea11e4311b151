#include "preflight_words.hpp"

#include <array>
#include <utility>

#include "text.hpp"

namespace gpuwarden::diagnosis {

std::optional<Trouble> preflight_topic(std::string_view low) {
  constexpr std::string_view kComplaint =
      "fail|error|only |below|need|want|requir|not |no |missing|less|insufficient|denied|100%|unable|cannot|"
      "too |min|expected|refused|timed out|timeout|exceed|bad |wrong|invalid|0 mb|0 bytes";
  if (!contains_any(low, kComplaint)) return std::nullopt;
  if (contains_any(low, " ok|passed|@gpuwarden")) return std::nullopt;
  // The first topic that fits: the narrower words come first.
  constexpr std::array<std::pair<std::string_view, Trouble>, 6> kTopics{{
      {"token|credential|unauthori|forbidden|api key|apikey|publishable|jwt|http 401|http 403",
       Trouble::credentials},
      {" gpu|nvidia|cuda|vram|nvml|driver", Trouble::gpu},
      {"disk|free on|storage|inode|bytes available| space", Trouble::disk},
      {"mount|volume|cannot create directory|cannot touch|writable|write to /", Trouble::mount},
      {"memory|memtotal|memavailable| ram|ram:|ram ", Trouble::memory},
      {"dns|network|resolv|connect|lookup|internet|tls|https://|reach|supabase", Trouble::network},
  }};
  const std::string padded = " " + std::string(low);
  for (const auto& [words, trouble] : kTopics) {
    if (contains_any(padded, words)) return trouble;
  }
  return std::nullopt;
}

}  // namespace gpuwarden::diagnosis
