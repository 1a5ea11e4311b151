#include "facts_of.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/diagnosis/diagnose.hpp"

#include "log_prefix.hpp"
#include "matcher.hpp"
#include "signs.hpp"
#include "text.hpp"

namespace gpuwarden::diagnosis {
namespace {

using enum FailureCause;

constexpr int kSignalBase = 128;

std::string signal_name(int number) {
  constexpr std::array<std::pair<int, std::string_view>, 11> kNames{{{1, "SIGHUP"},
                                                                     {2, "SIGINT"},
                                                                     {3, "SIGQUIT"},
                                                                     {4, "SIGILL"},
                                                                     {6, "SIGABRT"},
                                                                     {7, "SIGBUS"},
                                                                     {8, "SIGFPE"},
                                                                     {9, "SIGKILL"},
                                                                     {11, "SIGSEGV"},
                                                                     {13, "SIGPIPE"},
                                                                     {15, "SIGTERM"}}};
  for (const auto& [known, name] : kNames) {
    if (known == number) return std::string(name);
  }
  return fmt::format("signal {}", number);
}

std::string pod_status(const Evidence& evidence) {
  return evidence.pod ? lower(evidence.pod->status) : std::string();
}

/// The line of an API's answer that says most, with what it speaks of.
struct Answer {
  std::string line;
  std::string low;
  std::optional<Trouble> trouble;
};

Answer telling_line(std::string_view detail) {
  constexpr std::size_t kMost = std::size_t{16} * 1024;
  detail = detail.substr(0, kMost);
  Answer best;
  auto strength = Strength::warning;
  for (std::size_t at = 0; at < detail.size();) {
    const std::size_t end = std::min(detail.find_first_of("\r\n", at), detail.size());
    std::string line = clean_line(detail.substr(at, end - at));
    at = end + 1;
    const std::string low = lower(line);
    const std::size_t message = log_prefix(low).message;
    const auto match = best_match(low, message);
    const bool notice =
        is_warning(low, message) && !(match && (match->rule->strength == Strength::root ||
                                                match->rule->trouble == Trouble::ssh_host_key));
    const bool known = match && match->rule->strength > Strength::error_line && !notice;
    if (known ? match->rule->strength > strength
              : strength == Strength::warning && tells_something(low, message)) {
      best = {std::move(line), low, known ? std::optional(match->rule->trouble) : std::nullopt};
      if (known) strength = match->rule->strength;
    }
  }
  if (best.line.empty()) {
    best.line = clean_line(detail);
    best.low = lower(best.line);
  }
  return best;
}

bool speaks_of_money(std::string_view low) {
  return contains_any(low, "balance|funds|credits|billing|payment|spend limit|spending limit|spend cap");
}

bool speaks_of_key(std::string_view low) {
  return contains_any(low,
                      "api key|apikey|bearer|unauthori|forbidden|not authori|authenticat|access denied|"
                      "permission|credential|access token|insufficient scope");
}

bool speaks_of_capacity(std::string_view low) {
  return contains_any(
      low,
      "instances available|no instances|out of stock|sold out|no stock|in stock|no resources|capacity|"
      "no machine|no host|currently unavailable|gpus available|gpu available|no available|"
      "not have the resources|insufficient resources|no longer available|no suitable|"
      "not available in|with required specifications|requested specifications");
}

bool speaks_of_request(std::string_view low) {
  return contains_any(
      low,
      "invalid|validation|is required|must be|must have|not allowed|unknown field|bad request|malformed|"
      "does not exist|not found|unsupported|unexpected|cannot be|too long|out of range");
}

/// What an answer of `status` to the question for a new pod means when its words say no more.
std::optional<FailureCause> cause_of_create(int status, std::string_view low) {
  if (status >= 500 || status == 408 || status == 425 || status == 429) return provision_timeout;
  if (status >= 400) return invalid_request;
  if (status != 0) return std::nullopt;
  if (speaks_of_key(low)) return unauthorized;
  if (speaks_of_request(low)) return invalid_request;
  return std::nullopt;
}

std::optional<FailureCause> cause_by_runpod(const Evidence::ApiAnswer& api, Stage stage,
                                            const Answer& answer) {
  const int status = api.status.value_or(0);
  const std::string low = lower(std::string_view(api.detail).substr(0, 4096));
  const bool creating = stage == Stage::provision || stage == Stage::unknown;
  const auto trouble = answer.trouble;
  if (status == 402) return insufficient_balance;
  if (trouble == Trouble::balance || (creating && speaks_of_money(low))) return insufficient_balance;
  if (status == 401 || status == 403) return unauthorized;
  if (trouble == Trouble::spot) return spot_reclaimed;
  const bool capacity = trouble == Trouble::capacity || (creating && speaks_of_capacity(low));
  if (capacity && status != 422) return no_capacity;
  if (trouble == Trouble::api_key || (creating && trouble == Trouble::credentials)) return unauthorized;
  if (trouble == Trouble::pod_gone && !creating) return pod_vanished;
  if (status == 404) {
    const bool asked_for = contains_any(low, "template|volume|registry|gpu|data center|datacenter");
    return creating && (asked_for || low.find("pod") == std::string::npos) ? invalid_request : pod_vanished;
  }
  if (status == 410) return pod_vanished;
  if (trouble == Trouble::registry && (status == 0 || status >= 500)) return cause_of(*trouble, stage);
  if (trouble == Trouble::pod_gone) return pod_vanished;
  return creating ? cause_of_create(status, low) : std::nullopt;
}

/// Our own session; what git over SSH says is in the tails.
std::optional<FailureCause> cause_by_ssh(const Evidence& evidence, Stage stage, const Answer& answer) {
  const bool connecting = stage == Stage::connect || stage == Stage::unknown || stage == Stage::provision;
  // Later only what the other end says of keys: a step goes on without our session.
  if (!connecting && (evidence.exit_code || !evidence.signal.empty())) return std::nullopt;
  if (answer.trouble == Trouble::ssh_host_key) return ssh_host_key_mismatch;
  if (answer.trouble == Trouble::ssh_auth) return ssh_auth_failed;
  if (!connecting) return std::nullopt;
  if (answer.trouble == Trouble::sshd) return ssh_unreachable;
  if (contains_any(answer.low,
                   "host key|hostkey|fingerprint|known hosts|known_hosts|knownhost|pinned|"
                   "the host shows the key"))
    return ssh_host_key_mismatch;
  if (contains_any(
          answer.low,
          "authenticat|publickey|public key|permission denied|private key|pubkey|userauth|signature"))
    return ssh_auth_failed;
  return ssh_unreachable;
}

std::optional<FailureCause> cause_by_supabase(const Evidence::ApiAnswer& api, Stage stage,
                                              const Answer& answer) {
  const int status = api.status.value_or(0);
  const auto trouble = answer.trouble;
  const bool refused = status == 401 || status == 403 || (status != 0 && trouble == Trouble::credentials);
  // Before there is a pod to ask, the key that is refused is our own.
  if (refused && (stage == Stage::provision || stage == Stage::connect)) return unauthorized;
  const bool missing = status == 404 || status == 400 || status == 406;
  if (refused || missing || trouble == Trouble::credentials) return cause_of(Trouble::credentials, stage);
  return stage == Stage::unknown ? std::nullopt : cause_of(Trouble::network, stage);
}

}  // namespace

Structured structured_of(const Evidence& evidence, const Scan& scan) {
  Structured facts;
  facts.exit_code = evidence.exit_code;
  if (!facts.exit_code && scan.failed_step) facts.exit_code = scan.failed_step->exit_code;
  facts.signal = clean_line(std::string_view(evidence.signal).substr(0, 40));
  if (!facts.signal.empty() && facts.signal.find_first_not_of("0123456789") == std::string::npos &&
      facts.signal.size() < 4)
    facts.signal = signal_name(std::stoi(facts.signal));
  if (!facts.signal.empty() && !facts.signal.starts_with("SIG") && is_alpha(facts.signal.front()) &&
      !facts.signal.starts_with("signal"))
    facts.signal = "SIG" + facts.signal;
  const int code = facts.exit_code.value_or(0);
  if (facts.signal.empty() && code > kSignalBase && code < kSignalBase + 32)
    facts.signal = signal_name(code - kSignalBase);
  if (facts.signal.empty() && code < 0 && code > -32) facts.signal = signal_name(-code);  // Python's way
  facts.killed = facts.signal == "SIGKILL";
  facts.ended = facts.exit_code.has_value() || !facts.signal.empty() || scan.failed_step.has_value();
  return facts;
}

std::optional<FactCause> cause_by_api(const Evidence& evidence, Stage stage) {
  if (!evidence.api) return std::nullopt;
  const std::string service = lower(evidence.api->service);
  // An answer that was right is no trouble; ssh ends with 255.
  const int status = evidence.api->status.value_or(0);
  if (service != "ssh" && status >= 200 && status < 300) return std::nullopt;
  std::optional<FailureCause> cause;
  Answer answer = telling_line(evidence.api->detail);
  if (service == "runpod") cause = cause_by_runpod(*evidence.api, stage, answer);
  if (service == "ssh") cause = cause_by_ssh(evidence, stage, answer);
  if (service == "supabase") cause = cause_by_supabase(*evidence.api, stage, answer);
  if (!cause) return std::nullopt;
  std::string words = std::move(answer.line);
  if (words.empty() && evidence.api->status)
    words = fmt::format("{} answered {}", service, *evidence.api->status);
  return FactCause{*cause, std::move(words)};
}

std::optional<FailureCause> cause_by_check(const Scan& scan, Stage stage) {
  if (!scan.failed_step || stage != Stage::preflight) return std::nullopt;
  constexpr std::array<std::pair<std::string_view, FailureCause>, 6> kChecks{
      {{"gpu", preflight_gpu},
       {"memory", preflight_memory},
       {"disk", preflight_disk},
       {"mount", preflight_mount},
       {"network", preflight_network},
       {"credentials", preflight_credentials}}};
  for (const auto& [check, cause] : kChecks) {
    if (scan.failed_step->check == check) return cause;
  }
  return std::nullopt;
}

FactCause cause_by_state(const Evidence& evidence, Stage stage, const Structured& facts) {
  const std::string status = pod_status(evidence);
  const std::string shown = evidence.pod ? clean_line(evidence.pod->status) : std::string();
  if (status == "exited" && stage <= Stage::connect) return {pod_exited, "pod status " + shown};
  if (status == "error" && (stage <= Stage::connect || !facts.ended))
    return {pod_error, "pod status " + shown};
  if (status == "terminated" || status == "absent" || status == "gone" || status == "not_found")
    return {pod_vanished, "pod status " + shown};
  if (status == "exited" && !facts.ended) return {pod_exited, "pod status " + shown};
  if (facts.ended) {
    const std::string words = facts.exit_code && !facts.signal.empty()
                                  ? fmt::format("exit code {} ({})", *facts.exit_code, facts.signal)
                              : facts.exit_code       ? fmt::format("exit code {}", *facts.exit_code)
                              : !facts.signal.empty() ? "ended by " + facts.signal
                                                      : std::string("step failed");
    if (facts.killed && stage >= Stage::fetch) return {out_of_memory, words};
    if (stage == Stage::provision) return {pod_exited, words};
    if (stage == Stage::connect) return {ssh_unreachable, words};
    if (stage == Stage::preflight) return {unclassified, words};
    return {cause_of(Trouble::generic, stage).value_or(worker_crashed), words};
  }
  switch (stage) {
    case Stage::provision:
      return {provision_timeout, status.empty() ? "the pod never ran" : "pod status " + shown};
    case Stage::connect:
      return {ssh_unreachable, "SSH did not answer"};
    case Stage::preflight:
    case Stage::fetch:
    case Stage::setup:
    case Stage::start:
      return {bootstrap_timeout, fmt::format("no end {}", stage_text(stage))};
    case Stage::awaiting:
      return {first_heartbeat_timeout, "no heartbeat since the worker was started"};
    case Stage::runtime: {
      constexpr double kFresh = 60;
      const bool silent = !evidence.heartbeat_age_s || *evidence.heartbeat_age_s >= kFresh;
      if (evidence.task && !silent) return {task_stuck, "heartbeats arrive, the task does not end"};
      if (evidence.heartbeat_age_s)
        return {heartbeat_lost, fmt::format("no heartbeat for {:.0f} s", *evidence.heartbeat_age_s)};
      return {heartbeat_lost, "no heartbeat"};
    }
    case Stage::unknown:
      return {unclassified, {}};
  }
  return {unclassified, {}};
}

}  // namespace gpuwarden::diagnosis
