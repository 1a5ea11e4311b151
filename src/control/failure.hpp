#pragma once

#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "gpuwarden/bootstrap/status_line.hpp"
#include "gpuwarden/domain/action.hpp"
#include "gpuwarden/domain/evidence.hpp"

#include "context.hpp"

namespace gpuwarden::control {

/// What is known of a failing worker before anything is collected.
struct Failure {
  WorkerId worker;
  PodId pod;
  FailureCause suspected{FailureCause::unclassified};
  Evidence evidence;
  std::optional<Phase> phase;  ///< where it happened, when known better than by the newest snapshot
  std::optional<BootStep> step;
  std::vector<WorkerStatus>
      expected;                ///< only a row in one of these fails; empty = any that has not failed yet
  bool counts_as_start{true};  ///< false: no failed start (the service refused one placement, say)
};

/// Facts that the snapshot and the pod list hold about a worker, as evidence.
Evidence known_evidence(const Context& context, const WorkerId& worker, const PodId& pod);

/// The same, when a line of the event `fail` has told of the end: of the script, or of the worker process. A
/// pod that cannot report says it in its status file and in its container's log all the same.
Failure failure_by_line(const Context& context, const WorkerId& worker, const PodId& pod,
                        const bootstrap::StatusLine& line, std::string_view channel);

/// Who told first of what the plan fails a worker for: its own report, the status that Runpod gives its pod,
/// a probe over SSH, or nobody in time.
std::string_view channel_of(const Context& context, const FailWorker& action);

/// Marks the worker as failed and frees its tasks, collects the crash bundle (bounded by collect_timeout),
/// stores it, and asks for the pod's deletion. Every step is safe to lose: `decide` finishes what a crash
/// leaves. A pod that bears another name stays, and so does the failed row, to show it. Returns what happened
/// in one line; an error (conflict) when the row was not ours to fail any more: then nothing else is done.
boost::asio::awaitable<Result<std::string>> fail_worker(Context& context, Failure failure);

/// DELETE of a worker's pod; one line on how it ended.
boost::asio::awaitable<Result<std::string>> delete_pod(Context& context, PodId pod);

}  // namespace gpuwarden::control
