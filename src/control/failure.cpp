#include "failure.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/diagnosis/diagnose.hpp"

#include "crash_bundle.hpp"
#include "redaction.hpp"

namespace gpuwarden::control {
namespace {

using boost::asio::awaitable;

ports::FailureRecord record_of(const Context& context, const Failure& failure) {
  ports::FailureRecord record;
  record.worker = failure.worker;
  record.pod = failure.pod;
  record.evidence = redacted(context.env, failure.evidence);
  record.verdict = diagnosis::diagnose(record.evidence, failure.suspected);
  record.task_max_attempts = context.settings.policy.task_max_attempts;
  const auto worker = context.workers.find(failure.worker);
  if (worker != context.workers.end()) {
    if (record.pod.empty()) record.pod = worker->second.pod;
    record.phase = worker->second.phase;
    record.step = worker->second.step;
    record.placement = worker->second.placement;
    record.generation = worker->second.generation;
    record.cost_usd =
        worker->second.cost_per_hr * std::chrono::duration<double>(worker->second.age).count() / 3600.0;
  }
  // How long a drain took says nothing about starts.
  record.counts_as_start = failure.counts_as_start && (worker == context.workers.end() ||
                                                       worker->second.status != WorkerStatus::terminating);
  record.expected = failure.expected;
  if (failure.phase) {
    record.phase = *failure.phase;
    record.step = failure.step;
  }
  return record;
}

/// Since registration, as of the newest snapshot.
Duration age_of(const Context& context, const WorkerId& worker) {
  const auto row = context.workers.find(worker);
  return row == context.workers.end() ? Duration{0} : row->second.age;
}

}  // namespace

Evidence known_evidence(const Context& context, const WorkerId& worker, const PodId& pod) {
  Evidence evidence;
  evidence.worker = worker.str();
  if (const auto row = context.workers.find(worker); row != context.workers.end()) {
    const Worker& known = row->second;
    evidence.phase = phase_text(known.phase, known.step);
    if (known.step) evidence.step = to_string(*known.step);
    if (known.heartbeat_age)
      evidence.heartbeat_age_s = std::chrono::duration<double>(*known.heartbeat_age).count();
    if (!known.tasks.empty()) evidence.task = Evidence::Task{known.tasks.front().str(), std::nullopt};
    for (const RunningTask& task : context.running) {
      if (task.worker != worker) continue;
      if (evidence.task && evidence.task->id == task.id.str()) evidence.task->attempts = task.attempts;
      evidence.probe["tasks"] += fmt::format("{} {}, attempt {}, running for {}\n", task.id.str(), task.type,
                                             task.attempts + 1, format_duration(task.running_for));
    }
    if (known.crash) {
      evidence.exit_code = known.crash->exit_code;
      evidence.signal = known.crash->signal;
      if (known.crash->step) evidence.step = to_string(*known.crash->step);
      evidence.tails[known.crash->step && *known.crash->step != BootStep::start ? "bootstrap" : "worker"] =
          known.crash->tail;
    }
  }
  if (const auto listed = context.pods.find(pod); listed != context.pods.end())
    evidence.pod = facts_of(listed->second);
  return evidence;
}

Failure failure_by_line(const Context& context, const WorkerId& worker, const PodId& pod,
                        const bootstrap::StatusLine& line, std::string_view channel) {
  Failure failure;
  failure.worker = worker;
  failure.pod = pod;
  failure.suspected = bootstrap::cause_of(line);
  Evidence& evidence = failure.evidence = known_evidence(context, worker, pod);
  const auto row = context.workers.find(worker);
  const bool proven =
      row != context.workers.end() && (row->second.proven || row->second.heartbeat_age.has_value());
  if (proven && line.step == BootStep::start) failure.suspected = FailureCause::worker_crashed;
  evidence.channel = channel;
  evidence.step = to_string(line.step);
  evidence.exit_code = line.exit_code;
  evidence.signal = line.signal;
  evidence.tails["bootstrap"] = {bootstrap::format_status_line(line)};
  if (line.step == BootStep::start) evidence.tails["worker"] = line.tail;
  return failure;
}

std::string_view channel_of(const Context& context, const FailWorker& action) {
  const auto row = context.workers.find(action.worker);
  if (row != context.workers.end() && row->second.crash) return channel::report;
  const auto memory = context.memory.workers.find(action.worker);
  const bool remembered = memory != context.memory.workers.end();
  switch (action.suspected) {
    case FailureCause::pod_exited:
      // The container's restart is seen in the uptime that its agent reports, or in that of the pod.
      return remembered && memory->second.agent_restarted ? channel::report : channel::runpod_api;
    case FailureCause::pod_error:
    case FailureCause::pod_vanished:
      return channel::runpod_api;
    case FailureCause::heartbeat_lost:
      return remembered && memory->second.probed_alive == std::optional(false) ? channel::ssh
                                                                               : channel::deadline;
    default:
      return channel::deadline;
  }
}

awaitable<Result<std::string>> delete_pod(Context& context, PodId pod) {
  const DeleteOutcome outcome = co_await context.env.provider.remove(pod);
  if (outcome == DeleteOutcome::accepted)
    context.note({policy::Note::Kind::deleted, {}, {}, context.env.clock.now(), {}, pod});
  switch (outcome) {
    case DeleteOutcome::accepted:
    case DeleteOutcome::not_found:
    case DeleteOutcome::ambiguous:
      co_return fmt::format("delete of pod {}: {}", pod.str(), to_string(outcome));
    case DeleteOutcome::refused:
      co_return fail(ErrorKind::refused, fmt::format("Runpod refused to delete pod {}", pod.str()));
    case DeleteOutcome::not_sent:
      co_return fail(ErrorKind::unavailable, fmt::format("delete of pod {} could not be sent", pod.str()));
  }
  co_return fail(ErrorKind::internal, "no such delete outcome");
}

awaitable<Result<std::string>> fail_worker(Context& context, Failure failure) {
  context.call_off_bring_up(failure.worker);
  const MonoTime began = context.env.clock.now();
  co_await context.turns.next();
  ports::FailureRecord record = record_of(context, failure);
  const auto marked = co_await context.env.store.fail_worker(context.fence(), record);
  if (!marked) co_return fail(marked.error().within("marking the worker as failed"));
  if (!marked->done)
    co_return fail(ErrorKind::conflict,
                   fmt::format("not failed as {}: the row is in another state now, or another daemon leads",
                               to_string(record.verdict.cause)));
  context.verdicts[failure.worker] = record.verdict.cause;
  context.env.log.error("worker_failed", record.verdict.summary,
                        {{"worker", failure.worker.str()},
                         {"pod", failure.pod.str()},
                         {"phase", phase_text(record.phase, record.step)},
                         {"cause", std::string(to_string(record.verdict.cause))},
                         {"channel", record.evidence.channel},
                         {"evidence", record.verdict.evidence_line},
                         {"advice", record.verdict.advice},
                         {"fingerprint", record.verdict.fingerprint},
                         {"duration", format_duration(age_of(context, failure.worker))},
                         {"tasks_requeued", std::to_string(marked->requeued.size())},
                         {"tasks_failed", std::to_string(marked->failed.size())}});
  if (failure.pod.empty() && !record.pod.empty())
    co_return fmt::format("failed as {}; pod {} bears another name and is left alone",
                          to_string(record.verdict.cause), record.pod.str());
  if (!failure.pod.empty()) {
    co_await collect_bundle(context, failure.worker, failure.pod, failure.evidence);
    co_await context.turns.next();
    ports::FailureRecord fuller = record_of(context, failure);
    const auto kept = co_await context.env.store.add_evidence(context.fence(), fuller);
    if (!kept)
      context.env.log.warning("evidence_lost", kept.error().message, {{"worker", failure.worker.str()}});
    context.verdicts[failure.worker] = fuller.verdict.cause;
    if (kept && fuller.verdict.cause != record.verdict.cause) {
      context.env.log.warning("cause_sharpened", fuller.verdict.summary,
                              {{"worker", failure.worker.str()},
                               {"cause", std::string(to_string(fuller.verdict.cause))},
                               {"evidence", fuller.verdict.evidence_line},
                               {"advice", fuller.verdict.advice},
                               {"fingerprint", fuller.verdict.fingerprint}});
    }
  }
  ports::WorkerChange change;
  change.worker = failure.worker;
  change.expected = {WorkerStatus::error};
  if (failure.pod.empty()) {
    change.status = WorkerStatus::terminated;
    change.phase = Phase::gone;
    change.end_reason = std::string(to_string(record.verdict.cause));
  } else {
    change.phase = Phase::deleting;
  }
  const auto moved = co_await context.env.store.update_worker(context.fence(), std::move(change));
  if (!moved) co_return fail(moved.error().within("moving the failed worker on"));
  if (*moved == ports::CasOutcome::lost)
    co_return fail(ErrorKind::conflict,
                   "the failed worker's row has changed meanwhile, or another daemon leads");
  if (!failure.pod.empty()) {
    const auto deleted = co_await delete_pod(context, failure.pod);
    if (!deleted) co_return fail(deleted.error());
  }
  co_return fmt::format("failed as {} in {}", to_string(record.verdict.cause),
                        format_duration(context.env.clock.now() - began));
}

}  // namespace gpuwarden::control
