#pragma once

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "gpuwarden/diagnosis/report.hpp"

namespace gpuwarden::diagnosis::testing {

using namespace std::chrono_literals;

inline constexpr WallTime kNow{std::chrono::sys_days{std::chrono::year{2025} / 10 / 15} + 19h};

/// A failure `age` ago in the way of the worker-crash incident.
inline FailedWorker failed(int number, Duration age, const std::string& fingerprint = "f1") {
  FailedWorker failure;
  failure.worker = WorkerId(fmt::format("gpu-default-20251015180000-{:08x}", number));
  failure.cause = "start_failed";
  failure.summary = "the worker did not start (exit code 2)";
  failure.evidence_line = "worker.py: error: unrecognized arguments: --wgp-profile";
  failure.advice = "Check WORKER_START_CMD";
  failure.fingerprint = fingerprint;
  failure.phase = "bootstrapping:start";
  failure.scope = "image_and_script";
  failure.pod = PodId(fmt::format("pod{}", number));
  failure.gpu = "NVIDIA L4";
  failure.data_center = "EU-RO-1";
  failure.image = "worker:1";
  failure.script_hash = "aaaa";
  failure.git_commit = "new";
  failure.cost_usd = 0.01;
  failure.at = kNow - age;
  failure.registered_at = failure.at - 60s;
  failure.exit_code = 2;
  failure.reported = true;
  failure.channel = "report";
  return failure;
}

/// The start that ended with this failure.
inline StartRecord start_of(const FailedWorker& failure) {
  StartRecord start;
  start.worker = failure.worker;
  start.at = failure.at;
  start.registered_at = *failure.registered_at;
  start.gpu = failure.gpu;
  start.data_center = failure.data_center;
  start.image = failure.image;
  start.script_hash = failure.script_hash;
  start.git_commit = failure.git_commit;
  return start;
}

inline StartRecord success(int number, Duration age) {
  FailedWorker like = failed(number, age);
  StartRecord start = start_of(like);
  start.success = true;
  start.git_commit = "old";
  return start;
}

/// A leader, an open breaker and these failures, newest first, each with its start.
inline Incident incident_of(std::vector<FailedWorker> failures, std::vector<StartRecord> more = {}) {
  std::sort(failures.begin(), failures.end(),
            [](const FailedWorker& left, const FailedWorker& right) { return left.at > right.at; });
  Incident incident;
  incident.db_now = kNow;
  incident.leader = "host:1";
  incident.leader_expires_in = 20s;
  incident.breaker.state = BreakerState::open;
  incident.breaker.state_age = 30s;
  incident.breaker.pause = 120s;
  incident.breaker.reason = "4 starts in a row failed";
  incident.queue.queued = 3;
  for (const FailedWorker& failure : failures) {
    incident.starts.push_back(start_of(failure));
    incident.failed_usd += failure.cost_usd;
  }
  incident.starts.insert(incident.starts.end(), more.begin(), more.end());
  incident.failed = static_cast<long>(failures.size());
  incident.failures = std::move(failures);
  return incident;
}

inline std::vector<FailedWorker> failed_at(const std::vector<Duration>& ages) {
  std::vector<FailedWorker> failures;
  for (const Duration age : ages) failures.push_back(failed(static_cast<int>(failures.size()), age));
  return failures;
}

inline bool rules_out(const IncidentReport& report, const std::string& what) {
  return std::any_of(report.ruled_out.begin(), report.ruled_out.end(),
                     [&](const RuledOut& entry) { return entry.what.find(what) != std::string::npos; });
}
/// Texts and commands of all steps, one a line.
inline std::string words(const std::vector<Step>& steps) {
  std::string out;
  for (const Step& step : steps) {
    out += step.text + "\n";
    for (const std::string& command : step.commands) out += "$ " + command + "\n";
  }
  return out;
}

}  // namespace gpuwarden::diagnosis::testing
