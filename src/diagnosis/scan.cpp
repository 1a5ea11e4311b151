#include "scan.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/diagnosis/diagnose.hpp"

#include "log_prefix.hpp"
#include "matcher.hpp"
#include "preflight_words.hpp"
#include "signs.hpp"
#include "status_text.hpp"
#include "text.hpp"

namespace gpuwarden::diagnosis {
namespace {

constexpr std::size_t kMostBytesPerTail = std::size_t{96} * 1024;
constexpr std::size_t kLongestExcerpt = 1000;

/// How much a source may say at a stage.
enum class Weight { none, root_only, all };

bool has_lines(const Evidence& evidence, std::string_view source) {
  const auto found = evidence.tails.find(std::string(source));
  return found != evidence.tails.end() && !found->second.empty();
}

bool is_host(std::string_view source) {
  return source == "container" || source == "system";
}

/// Where the script's own output was not to be had, the container's log has its status lines.
bool speaks_for_script(std::string_view source, const Evidence& evidence) {
  if (source == "bootstrap") return true;
  if (source != "container" || has_lines(evidence, "bootstrap") || !has_lines(evidence, "container"))
    return false;
  const auto& lines = evidence.tails.at("container");
  return std::any_of(lines.begin(), lines.end(),
                     [](const std::string& line) { return line.find("@gpuwarden") != std::string::npos; });
}

/// The bootstrap log says nothing about a worker that has run for hours; a worker log found during setup is
/// an earlier pod's.
Weight weight_of(std::string_view source, Stage stage, const Evidence& evidence) {
  const bool host = is_host(source);
  switch (stage) {
    case Stage::provision:
    case Stage::connect:
      // The bootstrap's tail is what our own SSH session said.
      if (source == "bootstrap" && stage == Stage::connect) return Weight::all;
      return host || !(has_lines(evidence, "container") || has_lines(evidence, "system")) ? Weight::all
                                                                                          : Weight::none;
    case Stage::preflight:
    case Stage::fetch:
    case Stage::setup:
      if (speaks_for_script(source, evidence)) return Weight::all;
      return host || has_lines(evidence, "bootstrap") ? Weight::root_only : Weight::all;
    case Stage::start:
    case Stage::awaiting:
      return host && (has_lines(evidence, "worker") || has_lines(evidence, "bootstrap")) ? Weight::root_only
                                                                                         : Weight::all;
    case Stage::runtime:
      if (source == "worker") return Weight::all;
      if (source == "bootstrap") return Weight::none;
      return has_lines(evidence, "worker") ? Weight::root_only : Weight::all;
    case Stage::unknown:
      return Weight::all;
  }
  return Weight::all;
}

/// Complaints that are the host's to make, whatever else the worker or the script says.
bool is_for_host_to_say(Trouble trouble) {
  return trouble == Trouble::entrypoint || trouble == Trouble::container ||
         trouble == Trouble::container_gpu || trouble == Trouble::spot || trouble == Trouble::pod_gone ||
         trouble == Trouble::memory || trouble == Trouble::crash;
}

/// Python's own warnings that name what the program could not do without: the exception after them is only
/// the consequence.
bool names_what_is_missing(std::string_view low, const Find& find, Stage stage) {
  if (low.find("userwarning: ") == std::string_view::npos) return false;
  return (find.trouble == Trouble::disk && find.strength == Strength::root) ||
         (find.trouble == Trouble::package && find.strength == Strength::specific && stage == Stage::setup);
}

/// The part of a very long line that holds the match.
std::string excerpt(std::string_view line, std::size_t at) {
  if (line.size() <= kLongestExcerpt) return std::string(line);
  if (at < kLongestExcerpt / 2) return ellipsize(line, kLongestExcerpt);
  std::size_t from = at - kLongestExcerpt / 4;
  while (from > 0 && (static_cast<unsigned char>(line[from]) & 0xC0) == 0x80) --from;
  return "…" + ellipsize(line.substr(from), kLongestExcerpt);
}

class TailReader {
 public:
  TailReader(Scan& scan, Stage stage, Weight weight, bool host)
      : scan_(scan), stage_(stage), weight_(weight), host_(host), first_(scan.finds.size()) {}

  void read(std::string_view raw) {
    if (const auto status = read_status(raw)) return read(*status);
    if (const auto text = json_log_text(raw)) return read_lines(*text);
    read_lines(raw);
  }

  const std::string& last_line() const { return last_line_; }
  const std::string& telling_line() const { return telling_line_; }

 private:
  void read_lines(std::string_view raw) {
    std::size_t at = 0;
    while (at <= raw.size()) {  // a tail's entry may hold several lines
      const std::size_t end = std::min(raw.find_first_of("\r\n", at), raw.size());
      read_line(raw.substr(at, end - at));
      at = end + 1;
    }
  }

  void read(const StatusText& status) {
    traceback_ = false;
    if (status.event == "end" && status.exit_code.value_or(0) == 0) {
      forget_handled();  // the step came through: nothing said before was fatal
      return;
    }
    if (status.event != "fail") return;
    scan_.failed_step = FailedStep{status.check, status.exit_code};
    for (const std::string& line : status.tail) read(line);
    ended_ = scan_.finds.size() > first_;
  }

  void read_line(std::string_view raw) {
    const std::string line = cleaned(raw);
    if (line.empty()) return;
    const std::string low = lower(line);
    if (host_ && is_pull_progress(low)) forget(Trouble::registry);
    if (host_ && low.find("server listening on") != std::string::npos) forget(Trouble::sshd);
    if (is_progress(line)) return;
    const LogPrefix prefix = log_prefix(line);
    const std::size_t message = prefix.message;
    last_line_ = line;
    if (in_traceback(low, prefix)) return;
    const Recovery recovery = recovery_of(low, message);
    if (tells_something(low, message)) telling_line_ = recovery == Recovery::none ? line : std::string();
    judge(recovery);
    const auto match = best_match(low, message);
    const bool exception = exception_line_ || is_exception(std::string_view(line).substr(message));
    exception_line_ = false;
    const bool known = match && cause_of(match->rule->trouble, stage_);
    if (stage_ == Stage::preflight && weight_ == Weight::all && !known) {
      if (const auto topic = preflight_topic(low)) {
        const bool complaint = is_preflight_complaint(low);
        scan_.finds.push_back(
            {*topic, complaint ? Strength::error_line : Strength::warning, excerpt(line, 0), false});
        return;
      }
    }
    if (match || exception) keep(line, low, message, match, exception);
  }

  /// True inside a Python traceback: its source lines quote messages that were never printed.
  bool in_traceback(std::string_view low, const LogPrefix& prefix) {
    const std::size_t indent = prefix.message - prefix.content;
    if (low.find("traceback (most recent call last)") != std::string_view::npos) {
      traceback_ = true;
      indent_ = indent;
      return true;
    }
    if (!traceback_) {
      if (low.find("during handling of the above exception") != std::string_view::npos)
        chain_ = Chain::during_handling;
      else if (low.find("was the direct cause of the following exception") != std::string_view::npos)
        chain_ = Chain::direct_cause;
      else
        return false;
      return true;
    }
    if (indent > indent_) return true;
    traceback_ = false;
    exception_line_ = true;
    return false;
  }

  void keep(std::string_view line, std::string_view low, std::size_t message,
            const std::optional<Match>& match, bool exception) {
    Find find;
    if (match) {
      find.trouble = match->rule->trouble;
      find.strength = match->rule->strength;
    }
    // What C++ says about an exception comes before the line with its text.
    if (low.find("terminate called") != std::string_view::npos && find.strength > Strength::exception)
      find.strength = Strength::exception;
    if (exception && find.strength < Strength::exception && find.strength != Strength::consequence) {
      if (find.trouble == Trouble::generic || find.trouble == Trouble::crash) find.trouble = Trouble::code;
      find.strength = Strength::exception;
    }
    if (weight_ == Weight::root_only && find.strength < Strength::root &&
        !(host_ && find.strength >= Strength::shell && is_for_host_to_say(find.trouble)))
      return;
    if (says_nothing_is_wrong(low)) return;
    if (names_what_is_missing(low, find, stage_)) {
      if (find.strength < Strength::root) find.strength = Strength::exception;
    } else if (is_warning(low, message) && find.trouble != Trouble::gpu &&
               find.trouble != Trouble::ssh_host_key && find.trouble != Trouble::registry &&
               find.trouble != Trouble::spot) {
      find.doubtful = true;
      if (find.strength < Strength::root) find.strength = Strength::warning;
    }
    const bool wrapper =
        !is_exception(line.substr(message)) ||
        (line.substr(message).starts_with("RuntimeError: ") && find.trouble == Trouble::code);
    if (exception && chain_ != Chain::none) follow_chain(find, wrapper);
    if (is_handled_by_its_own_words(low)) return;
    if (will_be_retried(low)) find.doubtful = true;
    if (ended_) find.strength = std::min(find.strength, Strength::consequence);
    find.line = excerpt(line, match ? match->at : 0);
    find.from_host = host_;
    scan_.finds.push_back(std::move(find));
    last_exception_ = exception ? scan_.finds.size() : last_exception_;
  }

  /// "direct cause": the first exception decides. "during handling": the first one was being dealt with,
  /// unless the second only wraps it.
  void follow_chain(Find& find, bool wrapper) {
    const bool have_first = last_exception_ > first_ && last_exception_ <= scan_.finds.size();
    if (have_first) {
      Find& first = scan_.finds[last_exception_ - 1];
      const bool first_decides = chain_ == Chain::direct_cause || wrapper || first.strength > find.strength;
      Find& lesser = first_decides ? find : first;
      if (lesser.strength <= Strength::exception) lesser.strength = Strength::consequence;
    }
    chain_ = Chain::none;
  }

  /// Before SSH answers, other programs of the container may live as they like: its sshd does not.
  void doubt(Find& find) const {
    const bool of_ssh = find.trouble == Trouble::sshd || find.trouble == Trouble::ssh_auth;
    if (!(host_ && stage_ == Stage::connect && of_ssh)) find.doubtful = true;
  }

  void judge(Recovery recovery) {
    if (scan_.finds.size() == first_) return;
    switch (recovery) {
      case Recovery::none:
        return;
      case Recovery::life:
        for (std::size_t i = std::max(first_, doubted_); i < scan_.finds.size(); ++i) {
          if (scan_.finds[i].strength <= Strength::exception) doubt(scan_.finds[i]);
        }
        doubted_ = scan_.finds.size();
        return;
      case Recovery::success:
        for (std::size_t i = std::max(first_, set_aside_); i < scan_.finds.size(); ++i) doubt(scan_.finds[i]);
        set_aside_ = scan_.finds.size();
        return;
      case Recovery::explicit_recovery:
        forget_handled();
        return;
    }
  }

  void forget(Trouble trouble) {
    const auto from = scan_.finds.begin() + static_cast<std::ptrdiff_t>(first_);
    scan_.finds.erase(
        std::remove_if(from, scan_.finds.end(), [&](const Find& find) { return find.trouble == trouble; }),
        scan_.finds.end());
    doubted_ = set_aside_ = std::min(doubted_, scan_.finds.size());
  }

  void forget_handled() {
    const auto gone = [&](const Find& find) { return !is_final(find.trouble); };
    const auto from = scan_.finds.begin() + static_cast<std::ptrdiff_t>(first_);
    scan_.finds.erase(std::remove_if(from, scan_.finds.end(), gone), scan_.finds.end());
    last_exception_ = 0;
    doubted_ = set_aside_ = 0;
    if (stage_ != Stage::unknown) scan_.failed_step.reset();
  }

  static std::string cleaned(std::string_view raw);

  enum class Chain { none, during_handling, direct_cause };

  Scan& scan_;
  Stage stage_;
  Weight weight_;
  bool host_;
  std::size_t first_;         ///< finds of this tail begin here
  std::size_t doubted_{0};    ///< finds before it were judged by lines that show life
  std::size_t set_aside_{0};  ///< and these by lines that show success
  std::string last_line_;
  std::string telling_line_;  ///< the last one that is more than "exited with 1"
  bool ended_{false};         ///< the step has said that it failed, and why
  bool traceback_{false};
  std::size_t indent_{0};  ///< of the traceback's first line
  bool exception_line_{false};
  Chain chain_{Chain::none};
  std::size_t last_exception_{0};  ///< index + 1
};

std::string TailReader::cleaned(std::string_view raw) {
  constexpr std::size_t kLongest = 4000;
  if (raw.size() <= kLongest) return clean_line(raw);
  // A line of many kilobytes (one JSON object, say) is read in pieces that clean_line does not cut.
  std::string line;
  for (std::size_t at = 0; at < raw.size() && line.size() < kMostBytesPerTail; at += kLongest)
    line += clean_line(raw.substr(at, kLongest));
  return line;
}

/// Tails end with the newest line; of very long ones the end is read.
void read_tail(TailReader& reader, const std::vector<std::string>& lines) {
  std::size_t bytes = 0;
  std::size_t from = lines.size();
  while (from > 0 && bytes < kMostBytesPerTail) bytes += lines[--from].size();
  for (; from < lines.size(); ++from) {
    std::string_view line = lines[from];
    if (line.size() > kMostBytesPerTail) line.remove_prefix(line.size() - kMostBytesPerTail);
    reader.read(line);
  }
}

void read_probes(Scan& scan, const Evidence& evidence, Stage stage) {
  for (const auto& [name, text] : evidence.probe) {
    if (name == "df") {
      if (const std::string full = full_disk(text); !full.empty()) {
        scan.finds.push_back({Trouble::disk, Strength::error_line, full, true});
        scan.disk_is_full = true;
      }
    } else if (name == "nvidia_smi" || name == "dmesg") {
      TailReader reader(scan, stage, Weight::root_only, true);
      reader.read(std::string_view(text).substr(0, kMostBytesPerTail));
    }
  }
}

}  // namespace

Scan scan(const Evidence& evidence, Stage stage) {
  Scan result;
  // The source that a stage writes to is read first, so that of equal lines its line decides.
  constexpr std::array<std::string_view, 4> kEarly{"system", "container", "bootstrap", "worker"};
  constexpr std::array<std::string_view, 4> kLate{"worker", "bootstrap", "container", "system"};
  const bool early = stage == Stage::provision || stage == Stage::connect;
  for (const std::string_view source : early ? kEarly : kLate) {
    const auto tail = evidence.tails.find(std::string(source));
    const Weight weight = weight_of(source, stage, evidence);
    if (tail == evidence.tails.end() || weight == Weight::none) continue;
    TailReader reader(result, stage, weight, is_host(source));
    read_tail(reader, tail->second);
    if (weight == Weight::all && result.last_line.empty()) {
      result.last_line = reader.last_line();
      result.telling_line = reader.telling_line();
    }
  }
  read_probes(result, evidence, stage);
  return result;
}

}  // namespace gpuwarden::diagnosis
