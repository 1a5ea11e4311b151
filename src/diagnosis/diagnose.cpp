#include "gpuwarden/diagnosis/diagnose.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "facts_of.hpp"
#include "scan.hpp"
#include "stage.hpp"
#include "text.hpp"
#include "words.hpp"

namespace gpuwarden::diagnosis {
namespace {

using enum FailureCause;

/// A find with the cause it stands for at this stage.
struct Candidate {
  const Find* find;
  FailureCause cause;
  int weight;
};

constexpr int kRoot = static_cast<int>(Strength::root) * 10;
constexpr int kHint = static_cast<int>(Strength::warning) * 10;

/// Doubtful lines come behind every complaint that nothing took back, before mere words of failure.
int weight_of(const Find& find, const Structured& facts) {
  int weight = static_cast<int>(find.strength) * 10;
  if (find.doubtful) weight = std::min(weight, static_cast<int>(Strength::error_line) * 10 + 5);
  // A process that a signal ended did not end by an exception it logged before.
  const bool faulted = facts.signal == "SIGSEGV" || facts.signal == "SIGBUS" || facts.signal == "SIGILL" ||
                       facts.signal == "SIGFPE";
  if ((facts.killed || faulted) && find.strength == Strength::exception && find.trouble == Trouble::code)
    weight = static_cast<int>(Strength::error_line) * 10;
  return weight;
}

std::vector<Candidate> candidates(const Scan& scan, Stage stage, const Structured& facts,
                                  const Evidence& evidence) {
  const std::string status = evidence.pod ? lower(evidence.pod->status) : std::string();
  std::vector<Candidate> result;
  for (const Find& find : scan.finds) {
    const bool on_full_disk = find.trouble == Trouble::write && scan.disk_is_full;
    auto cause = cause_of(on_full_disk ? Trouble::disk : find.trouble, stage);
    // The container's own end is the cause only where the pod is not known to run.
    if (find.trouble == Trouble::entrypoint && status == "exited") cause = pod_exited;
    if (cause == pod_exited && status == "error") cause = pod_error;
    // A command that a running container misses may be its sshd.
    if (cause == pod_exited && status == "running")
      cause = stage == Stage::connect ? std::optional(ssh_unreachable) : std::nullopt;
    // The worker still lives as far as anybody knows: its network trouble is why it is silent.
    if (find.trouble == Trouble::network && !facts.ended && cause == worker_crashed) cause = heartbeat_lost;
    if (find.trouble == Trouble::credentials && !facts.ended && cause == worker_crashed)
      cause = heartbeat_lost;
    if (facts.ended && cause == first_heartbeat_timeout) cause = start_failed;
    if (cause) result.push_back({&find, *cause, on_full_disk ? kRoot : weight_of(find, facts)});
  }
  // Of equals the earlier decides; of mere hints the one closer to the end.
  std::stable_sort(result.begin(), result.end(), [](const Candidate& a, const Candidate& b) {
    if (a.weight == b.weight && a.weight <= kHint) return a.find > b.find;
    return a.weight > b.weight;
  });
  return result;
}

/// How strong a line must be to speak against what the machinery believes.
int threshold(Stage stage, const Structured& facts, FailureCause believed) {
  constexpr int kUnit = 10;
  if (believed == pod_vanished || believed == spot_reclaimed) return static_cast<int>(Strength::root) * kUnit;
  if (facts.ended || stage <= Stage::connect || stage == Stage::unknown)
    return static_cast<int>(Strength::consequence) * kUnit;
  return static_cast<int>(Strength::exception) * kUnit;
}

bool is_about_pod(FailureCause cause) {
  return cause == pod_exited || cause == pod_error || cause == pod_vanished;
}

struct Decision {
  FailureCause cause{unclassified};
  std::string line;
};

const Candidate* best_for(const std::vector<Candidate>& found, FailureCause cause) {
  const auto best =
      std::find_if(found.begin(), found.end(), [&](const Candidate& c) { return c.cause == cause; });
  return best == found.end() ? nullptr : &*best;
}

/// What the container itself says about a login that failed tells more than what our end saw of it.
std::string line_of_container(FailureCause cause, const std::vector<Candidate>& found, std::string ours) {
  const auto own = std::find_if(found.begin(), found.end(), [&](const Candidate& c) {
    return c.cause == cause && c.find->from_host && c.weight >= static_cast<int>(Strength::specific) * 10;
  });
  if (own == found.end()) return ours;
  return own->find->line;
}

/// A line that goes with a cause which other facts have named.
std::string line_for(FailureCause cause, const std::vector<Candidate>& found, const Scan& scan,
                     const Structured& facts, std::string_view words) {
  constexpr int kSignalBase = 128;
  if (const Candidate* best = best_for(found, cause)) return best->find->line;
  if (cause == pod_exited || cause == pod_error) {
    if (!found.empty()) return found.front().find->line;
    // What the container complained of, though at this stage it decides nothing.
    const auto loudest =
        std::max_element(scan.finds.begin(), scan.finds.end(),
                         [](const Find& a, const Find& b) { return a.strength < b.strength; });
    if (loudest != scan.finds.end() && loudest->strength >= Strength::shell) return loudest->line;
    if (cause == pod_error && !scan.telling_line.empty()) return scan.telling_line;
  }
  const bool timeout = cause == bootstrap_timeout || cause == provision_timeout || cause == task_stuck ||
                       cause == first_heartbeat_timeout;
  if (timeout && !scan.last_line.empty()) return scan.last_line;
  const bool by_signal =
      facts.killed || (!facts.signal.empty() && facts.exit_code.value_or(kSignalBase) >= kSignalBase);
  if (facts.ended && !by_signal && !scan.telling_line.empty()) return scan.telling_line;
  if (!words.empty()) return std::string(words);
  return scan.last_line.empty() ? std::string(words_for(cause)) : scan.last_line;
}

Decision decide(const Evidence& evidence, std::optional<FailureCause> suspected, Stage stage,
                const Scan& scan, const Structured& facts) {
  const std::vector<Candidate> found = candidates(scan, stage, facts, evidence);
  const Candidate* best = found.empty() ? nullptr : &found.front();
  // Structured facts first: what an API answered, what the script says it checked.
  if (auto api = cause_by_api(evidence, stage)) {
    const bool early = stage <= Stage::preflight || stage == Stage::unknown;
    // Nobody answers on a container that the host could not make or that ended.
    const bool by_ssh = api->cause == ssh_unreachable || api->cause == ssh_auth_failed;
    const FactCause state = cause_by_state(evidence, stage, facts);
    if (by_ssh && is_about_pod(state.cause) && (best == nullptr || best->weight < kRoot))
      return {state.cause, line_for(state.cause, found, scan, facts, state.words)};
    const bool overruled =
        best != nullptr && best->weight >= kRoot && best->cause != api->cause && (!early || by_ssh);
    const bool by_login = api->cause == ssh_auth_failed || api->cause == ssh_host_key_mismatch;
    const bool weak = api->cause == provision_timeout || (!early && api->cause != pod_vanished && !by_login);
    if (!overruled && !(weak && best != nullptr))
      return {api->cause,
              by_ssh ? line_of_container(api->cause, found, std::move(api->words)) : std::move(api->words)};
  }
  if (const auto checked = cause_by_check(scan, stage)) {
    const FactCause state = cause_by_state(evidence, stage, facts);
    return {*checked,
            line_for(*checked, found, scan, facts, scan.last_line.empty() ? state.words : scan.last_line)};
  }
  // Then the strongest line, against what phase, exit code and pod status say by themselves.
  FactCause state = cause_by_state(evidence, stage, facts);
  if (suspected && *suspected != unclassified && *suspected != state.cause) {
    const bool vague = state.cause == unclassified || !facts.ended;
    if (vague) state = {*suspected, std::string()};
  }
  // A failed preflight names what it checked, if nothing else.
  const bool topic_only = stage == Stage::preflight && facts.ended && state.cause == unclassified;
  if (topic_only && best != nullptr) return {best->cause, best->find->line};
  if (best != nullptr && best->weight >= threshold(stage, facts, state.cause)) {
    const bool killed_by_state = state.cause == out_of_memory && best->cause != out_of_memory &&
                                 best->weight < static_cast<int>(Strength::exception) * 10;
    // "exited with 1" names nothing: the last line before it may.
    const bool mere_end =
        best->find->trouble == Trouble::generic && best->find->strength == Strength::consequence;
    const bool quotes = mere_end && facts.ended && !scan.telling_line.empty();
    if (!killed_by_state) return {best->cause, quotes ? scan.telling_line : best->find->line};
  }
  return {state.cause, line_for(state.cause, found, scan, facts, state.words)};
}

std::string figures(const Evidence& evidence, const Structured& facts, FailureCause cause) {
  std::string out;
  const auto add = [&](std::string text) { out += (out.empty() ? "" : ", ") + std::move(text); };
  if (facts.exit_code) add(fmt::format("exit code {}", *facts.exit_code));
  if (!facts.signal.empty()) add(facts.signal);
  if (evidence.api && evidence.api->status)
    add(fmt::format("{} {}", evidence.api->service, *evidence.api->status));
  if (cause == heartbeat_lost && evidence.heartbeat_age_s)
    add(fmt::format("last heartbeat {:.0f} s ago", *evidence.heartbeat_age_s));
  if (cause == task_stuck && evidence.task) add("task " + evidence.task->id);
  if (evidence.pod && !evidence.pod->status.empty() &&
      (cause == pod_exited || cause == pod_error || cause == pod_vanished || cause == provision_timeout))
    add("pod " + evidence.pod->status);
  return out;
}

std::string summary_of(const Evidence& evidence, Stage stage, const Structured& facts,
                       const Decision& decision) {
  std::string text(words_for(decision.cause));
  const std::string_view where = stage_text(stage);
  // The causes of the steps say the step themselves.
  if (!where.empty() && stage >= Stage::preflight && gpuwarden::facts(decision.cause).life != "bootstrap")
    text += fmt::format(" {}", where);
  if (const std::string numbers = figures(evidence, facts, decision.cause); !numbers.empty())
    text += fmt::format(" ({})", numbers);
  if (!decision.line.empty()) text += ": " + decision.line;
  constexpr std::size_t kLongest = 300;
  return ellipsize(printable(text), kLongest);
}

}  // namespace

Verdict diagnose(const Evidence& evidence, std::optional<FailureCause> suspected) {
  const Stage stage = stage_of(evidence);
  const Scan scanned = scan(evidence, stage);
  const Structured structured = structured_of(evidence, scanned);
  const Decision decision = decide(evidence, suspected, stage, scanned, structured);
  const CauseFacts& about = facts(decision.cause);
  Verdict verdict;
  verdict.cause = decision.cause;
  verdict.evidence_line = decision.line;
  verdict.summary = summary_of(evidence, stage, structured, decision);
  verdict.advice = about.advice;
  verdict.scope = about.scope;
  verdict.counts_for_breaker = about.counts_for_breaker;
  verdict.fingerprint = fingerprint(decision.cause, decision.line);
  return verdict;
}

}  // namespace gpuwarden::diagnosis
