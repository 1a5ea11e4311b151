#include "facts_of.hpp"

#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/diagnosis/diagnose.hpp"

#include "matcher.hpp"
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

/// Trouble that the words of an API answer name.
std::optional<Trouble> trouble_in(std::string_view detail) {
  const std::string low = lower(clean_line(detail));
  const auto match = best_match(low, message_start(low));
  if (!match || match->rule->strength <= Strength::error_line) return std::nullopt;
  return match->rule->trouble;
}

std::optional<FailureCause> cause_by_runpod(const Evidence::ApiAnswer& api, Stage stage) {
  const int status = api.status.value_or(0);
  const std::string low = lower(api.detail);
  const bool creating = stage == Stage::provision || stage == Stage::unknown;
  if (status == 402) return insufficient_balance;
  if (status == 401 || status == 403) return unauthorized;
  const auto trouble = trouble_in(api.detail);
  if (trouble == Trouble::capacity && status != 422) return no_capacity;
  if (trouble == Trouble::balance) return insufficient_balance;
  if (trouble == Trouble::api_key) return unauthorized;
  if (trouble == Trouble::spot) return spot_reclaimed;
  if (status == 400 || status == 422 || status == 409)
    return creating ? std::optional(invalid_request) : std::nullopt;
  if (status == 404) {
    const bool asked_for = contains_any(low, "template|volume|registry|gpu|data center|datacenter");
    return creating && (asked_for || low.find("pod") == std::string::npos) ? invalid_request : pod_vanished;
  }
  if (trouble == Trouble::registry) return cause_of(*trouble, stage);
  if (status >= 500 && creating) return provision_timeout;
  return std::nullopt;
}

std::optional<FailureCause> cause_by_ssh(const Evidence::ApiAnswer& api, Stage stage) {
  // What git over SSH says is in the tails; this is our own session.
  if (stage != Stage::connect && stage != Stage::unknown && stage != Stage::provision) return std::nullopt;
  const auto trouble = trouble_in(api.detail);
  const std::string low = lower(api.detail);
  if (trouble == Trouble::ssh_host_key ||
      contains_any(low, "host key|hostkey|fingerprint|known hosts|the host shows the key"))
    return ssh_host_key_mismatch;
  if (trouble == Trouble::ssh_auth || contains_any(low, "authenticat|publickey|public key|permission denied"))
    return ssh_auth_failed;
  return ssh_unreachable;
}

std::optional<FailureCause> cause_by_supabase(const Evidence::ApiAnswer& api, Stage stage) {
  const int status = api.status.value_or(0);
  const auto trouble = trouble_in(api.detail);
  const bool refused = status == 401 || status == 403 || (status != 0 && trouble == Trouble::credentials);
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
  std::optional<FailureCause> cause;
  if (service == "runpod") cause = cause_by_runpod(*evidence.api, stage);
  if (service == "ssh") cause = cause_by_ssh(*evidence.api, stage);
  if (service == "supabase") cause = cause_by_supabase(*evidence.api, stage);
  if (!cause) return std::nullopt;
  std::string words = clean_line(evidence.api->detail);
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
    if (stage == Stage::preflight || stage <= Stage::connect) return {unclassified, words};
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
