#include "signs.hpp"

#include <algorithm>
#include <array>

#include "text.hpp"

namespace gpuwarden::diagnosis {
namespace {

bool ends_with_any(std::string_view text, std::string_view words) {
  while (!words.empty()) {
    const std::size_t bar = std::min(words.find('|'), words.size());
    if (text.ends_with(words.substr(0, bar))) return true;
    words.remove_prefix(std::min(bar + 1, words.size()));
  }
  return false;
}

/// Words of failure: a line with one of them is no sign of life, whatever else it says.
const WordSet& ends_words() {
  static const WordSet words(
      "error|fail|shut|stop|exit|abort|terminat|kill|crash|fatal|exception|traceback|giv|"
      "clean|unable|cannot|could not|not |denied|refused|heartbeat|retry|report|collect|"
      "upload|lost|timed out|timeout|traceback|signal|dump|except");
  return words;
}

/// An error before such a line was dealt with.
const WordSet& dealt_with_words() {
  static const WordSet words(
      "retry succeeded|succeeded on|succeeded after|succeeded at|retry successful|recovered|"
      "reconnected|connection restored|connection re-established|resumed|back online|"
      "worked on the second|attempt succeeded|ok on attempt|retry ok|ok after|"
      "successfully after|successful after|falling back to|fell back to|using fallback|"
      "fallback succeeded|succeeded with fallback|works now|succeeded (attempt|"
      "succeeded with batch|completed with batch|reachable again|done on attempt");
  return words;
}

/// Work goes on; perhaps other work.
const WordSet& worked_words() {
  static const WordSet words(
      "successfully|succeeded|receiving objects: 100%|resolving deltas: 100%|pull complete|"
      "downloaded newer image|download complete|status: image is up to date|claimed task|"
      "claiming task|processing task|starting task|task claimed|got task|waiting for task|"
      "polling for|worker ready|model loaded|listening on|running on");
  return words;
}

/// "step 3/20"
bool counts_steps(std::string_view low) {
  const std::size_t step = low.find("step ");
  if (step == std::string_view::npos) return false;
  std::size_t at = step + 5;
  while (at < low.size() && is_digit(low[at])) ++at;
  return at > step + 5 && at < low.size() && low[at] == '/';
}

/// The line itself says that it does not matter.
const WordSet& harmless_words() {
  static const WordSet words(
      "ignoring|ignored|(non-fatal)|non-fatal:|nonfatal|not fatal|harmless|an expected "
      "error|(expected)|falling back|"
      "fallback to|using cpu instead|continuing without|continuing anyway|continue anyway|"
      "will be skipped|skipping|can be safely|handled:|caught and|"
      "pip's dependency resolver does not currently|new release of pip|"
      "running pip as the 'root' user|debconf:|policy-rc.d");
  return words;
}

}  // namespace

Recovery recovery_of(std::string_view low, std::size_t message) {
  if (dealt_with_words().in(low) &&
      !contains_any(low, "could not|cannot|not recovered|failed|never|not reconnected"))
    return Recovery::explicit_recovery;
  if (low.find("succeeded") != std::string_view::npos && contains_any(low, "attempt|retry|again|try ") &&
      !contains_any(low, "none|no "))
    return Recovery::explicit_recovery;
  if (contains_any(low, "task|job|prompt") && contains_any(low, "complete|finished|done in|succeeded") &&
      !contains_any(low, "incomplete|fail|error|not complete"))
    return Recovery::explicit_recovery;
  if (ends_words().in(low)) return Recovery::none;
  if (worked_words().in(low) || counts_steps(low)) return Recovery::success;
  const std::string_view head = low.substr(0, std::max<std::size_t>(message, 24));
  if (contains_any(head, "info ") || contains_any(head, "info:|[info]|info]")) return Recovery::life;
  return Recovery::none;
}

bool is_handled_by_its_own_words(std::string_view low) {
  return harmless_words().in(low);
}

bool will_be_retried(std::string_view low) {
  return contains_any(low,
                      "retrying|will retry|retry in|trying again|retry |waiting for cache lock|waiting for "
                      "lock|waiting for the lock|still waiting");
}

bool is_warning(std::string_view low, std::size_t message) {
  const std::string_view head = low.substr(0, message + 8);
  return contains_any(head, "warn") || low.find("warning:") != std::string_view::npos ||
         low.find("\"warning\"") != std::string_view::npos ||
         low.find("level=warn") != std::string_view::npos;
}

bool says_nothing_is_wrong(std::string_view low) {
  if (ends_with_any(low, "errors: 0|errors : 0|error: none|errors: none|errors : n/a|error: 0|error: null"))
    return true;
  for (const std::string_view words : {"0 errors", "0 failed", "no errors", "no error", "without error"}) {
    const std::size_t at = low.find(words);
    if (at != std::string_view::npos && (at == 0 || !(is_digit(low[at - 1]) || low[at - 1] == '.')))
      return true;
  }
  return low.find("\"error\":null") != std::string_view::npos ||
         low.find("error=none") != std::string_view::npos;
}

bool is_pull_progress(std::string_view low) {
  return contains_any(low,
                      " downloading [| extracting [| pull complete| download complete| verifying checksum");
}

bool tells_something(std::string_view low, std::size_t message) {
  static const WordSet empty_words(
      "exited with|exit code|exit status|exit=|closed by remote|connection to |connection closed|elapsed:|"
      "[end of output]|note: |hint: |see above|for more information|press any key|stack trace|"
      "core dumped|returned non-zero|shutting down|cleaning up|please report|return code");
  static const WordSet busy_words(
      "cloning into|collecting |downloading |installing |building |using cached|already satisfied|resolving |"
      "receiving objects|preparing |unpacking |setting up|fetching |loading |starting |created "
      "directory|get:");
  const std::string_view text = low.substr(std::min(message, low.size()));
  if (text.size() < 4 || text.find_first_of("abcdefghijklmnopqrstuvwxyz") == std::string_view::npos)
    return false;
  if (text.starts_with("at ") || text.starts_with("+ ") || text.starts_with("^") || text.starts_with("<"))
    return false;
  return !empty_words.in(text) && !busy_words.in(text);
}

bool is_final(Trouble trouble) {
  return trouble == Trouble::spot || trouble == Trouble::balance;
}

bool is_exception(std::string_view message) {
  std::size_t end = 0;
  while (end < message.size() && (is_alnum(message[end]) || message[end] == '_' || message[end] == '.'))
    ++end;
  if (end < 6 || end > 100 || !is_alpha(message.front())) return false;
  if (end < message.size() && message[end] != ':') return false;
  const std::string_view name = message.substr(0, end);
  return (name.ends_with("Error") && name.size() > 5) || (name.ends_with("Exception") && name.size() > 9) ||
         (name.ends_with("Failure") && name.find('.') != std::string_view::npos) ||
         (name.ends_with("Timeout") && name.find('.') != std::string_view::npos);
}

std::string full_disk(std::string_view df) {
  std::size_t at = 0;
  while (at < df.size()) {
    const std::size_t end = std::min(df.find('\n', at), df.size());
    const std::string_view line = df.substr(at, end - at);
    at = end + 1;
    const std::size_t full = line.find(" 100% ");
    if (full == std::string_view::npos) continue;
    const std::string_view mount = trimmed(line.substr(full + 6));
    const bool ours = mount == "/" || mount == "/tmp" || mount.starts_with("/workspace") ||
                      mount.starts_with("/root") || mount.starts_with("/runpod");
    if (ours) return std::string(trimmed(line));
  }
  return {};
}

}  // namespace gpuwarden::diagnosis
