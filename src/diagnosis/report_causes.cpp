#include <algorithm>
#include <map>
#include <tuple>

#include <fmt/format.h>

#include "report_parts.hpp"

namespace gpuwarden::diagnosis {
namespace {

/// Adds one failure; the list is newest first, so the first one of a fault speaks for it.
void add(ReportedCause& cause, const FailedWorker& failed) {
  if (cause.pods == 0) {
    cause.cause = failed.cause;
    cause.fingerprint = failed.fingerprint;
    cause.scope = failed.scope;
    cause.newest = failed.worker;
    cause.last = failed.at;
    cause.first = failed.at;
    cause.exit_code = failed.exit_code;
    cause.signal = failed.signal;
    cause.counts = failed.counts;
  }
  const auto take = [](auto& kept, const auto& given) {
    if (kept.empty()) kept = given;
  };
  take(cause.summary, failed.summary);
  take(cause.evidence_line, failed.evidence_line);
  take(cause.advice, failed.advice);
  take(cause.last_words, failed.last_words);
  if (cause.exit_code != failed.exit_code) cause.exit_code.reset();
  if (cause.signal != failed.signal) cause.signal.clear();
  ++cause.pods;
  cause.cost_usd += failed.cost_usd;
  cause.first = std::min(cause.first, failed.at);
  cause.last = std::max(cause.last, failed.at);
  tally(cause.channels, failed.channel);
  tally(cause.data_centers, failed.data_center);
  tally(cause.gpus, failed.gpu);
  tally(cause.phases, failed.phase);
  tally(cause.commits, failed.git_commit);
  tally(cause.images, failed.image);
  tally(cause.scripts, failed.script_hash);
  for (const std::string& missing : failed.missing) tally(cause.missing, missing);
}

}  // namespace

std::string many(long count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

void tally(Counts& counts, const std::string& value) {
  if (value.empty()) return;
  const auto found =
      std::find_if(counts.begin(), counts.end(), [&](const auto& entry) { return entry.first == value; });
  if (found != counts.end()) {
    ++found->second;
  } else {
    counts.emplace_back(value, 1);
  }
}

void rank(Counts& counts) {
  std::sort(counts.begin(), counts.end(), [](const auto& left, const auto& right) {
    return std::tie(right.second, left.first) < std::tie(left.second, right.first);
  });
}

std::string listed(const Counts& counts, std::size_t most) {
  std::string out;
  for (std::size_t i = 0; i < counts.size() && i < most; ++i)
    out += fmt::format("{}{} ({})", out.empty() ? "" : ", ", counts[i].first, counts[i].second);
  if (counts.size() > most) out += fmt::format(" and {} more", counts.size() - most);
  return out;
}

const std::string& fault_of(const FailedWorker& failed) {
  return failed.fingerprint.empty() ? failed.cause : failed.fingerprint;
}

std::vector<ReportedCause> causes_of(const Incident& incident) {
  std::map<std::string, ReportedCause> by_fault;
  for (const FailedWorker& failed : incident.failures) add(by_fault[fault_of(failed)], failed);
  std::vector<ReportedCause> causes;
  for (auto& [fault, cause] : by_fault) {
    for (Counts* counts : {&cause.channels, &cause.data_centers, &cause.gpus, &cause.phases, &cause.commits,
                           &cause.images, &cause.scripts, &cause.missing})
      rank(*counts);
    causes.push_back(std::move(cause));
  }
  // What is no fault of the fleet comes after what is.
  std::stable_sort(causes.begin(), causes.end(), [](const ReportedCause& left, const ReportedCause& right) {
    return std::tie(left.counts, left.pods, left.cost_usd, left.last) >
           std::tie(right.counts, right.pods, right.cost_usd, right.last);
  });
  return causes;
}

std::vector<const FailedWorker*> failures_of(const Incident& incident, const ReportedCause& cause) {
  std::vector<const FailedWorker*> fault;
  const std::string& wanted = cause.fingerprint.empty() ? cause.cause : cause.fingerprint;
  for (const FailedWorker& failed : incident.failures) {
    if (fault_of(failed) == wanted) fault.push_back(&failed);
  }
  return fault;
}

Reached reached(const FailedWorker& failed) {
  const std::string& phase = failed.phase;
  if (phase == "awaiting_heartbeat" || phase == "idle" || phase == "busy" || phase == "draining")
    return Reached::running;
  if (phase == "bootstrapping:start") return Reached::start;
  if (phase == "bootstrapping:setup") return Reached::setup;
  if (phase == "bootstrapping:fetch") return Reached::fetch;
  if (phase.starts_with("bootstrapping")) return Reached::preflight;
  return failed.pod.empty() ? Reached::nothing : Reached::pod;
}

}  // namespace gpuwarden::diagnosis
