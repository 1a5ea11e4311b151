#include "perform.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/bootstrap/script.hpp"

#include "bring_up_runner.hpp"
#include "failure.hpp"
#include "spawn.hpp"

namespace gpuwarden::control {
namespace {

using boost::asio::awaitable;
using Outcome = Result<std::string>;

awaitable<Outcome> change_worker(Context& context, ports::WorkerChange change, std::string done) {
  const auto swapped = co_await context.env.store.update_worker(context.fence(), std::move(change));
  if (!swapped) co_return fail(swapped.error());
  if (*swapped == ports::CasOutcome::lost)
    co_return fail(ErrorKind::conflict, "the row has changed meanwhile");
  co_return done;
}

/// Deletes the pod of a worker: the row says so first, so that a crash in between is finished by the next
/// ticks.
awaitable<Outcome> end_worker(Context& context, WorkerId worker, PodId pod, std::string reason) {
  context.call_off_bring_up(worker);
  const auto row = context.workers.find(worker);
  if (row == context.workers.end() || row->second.phase != Phase::deleting) {
    ports::WorkerChange change;
    change.worker = worker;
    change.expected = {WorkerStatus::terminating};
    const bool failed = row != context.workers.end() && row->second.status == WorkerStatus::error;
    if (failed) change.expected = {WorkerStatus::error};
    change.phase = Phase::deleting;
    if (!failed) change.drain_reason = reason;
    const auto marked = co_await change_worker(context, std::move(change), "deleting");
    if (!marked) co_return fail(marked.error());
  }
  co_return co_await delete_pod(context, pod);
}

/// What a look at a silent worker may bring besides its answer: the line that tells of its end.
struct Look {
  Outcome outcome;
  std::optional<bootstrap::StatusLine> end{};
};

std::optional<bootstrap::StatusLine> end_in(std::vector<bootstrap::StatusLine> lines) {
  const auto is_end = [](const auto& line) { return line.event == bootstrap::StatusLine::Event::fail; };
  const auto last = std::find_if(lines.rbegin(), lines.rend(), is_end);
  if (last == lines.rend()) return std::nullopt;
  return std::move(*last);
}

/// When the container wrote its newest line, and whether it tells of the end; what cannot be read says
/// nothing.
awaitable<std::optional<bootstrap::StatusLine>> look_at_log(Context& context, WorkerId worker, PodId pod) {
  ports::LogQuery query;
  query.pod = pod;
  query.source = "container";
  query.tail = 20;
  const auto log = co_await context.env.provider.logs(std::move(query));
  if (!log) co_return std::nullopt;
  std::optional<WallTime> newest;
  for (const PodLogLine& line : *log) newest = std::max(newest, line.time);
  if (newest) context.log_lines[worker] = *newest;
  co_return end_in(status_lines_in(*log, worker));
}

/// One exec that says whether the worker process lives. Only the probe's own two answers are answers: a shell
/// that could not run it (no bash, a hung disk, a signal) proves nothing.
awaitable<Look> ask_over_ssh(Context& context, WorkerId worker, PodId pod) {
  const auto listed = context.pods.find(pod);
  if (listed == context.pods.end() || !listed->second.ssh)
    co_return Look{fail(ErrorKind::not_found, "no SSH endpoint")};
  ports::ShellTarget target;
  target.endpoint = *listed->second.ssh;
  target.pin = context.pins[pod];
  auto session = co_await context.env.shell.connect(std::move(target));
  if (!session) co_return Look{fail(session.error())};
  bootstrap::StatusStream stream;
  std::vector<bootstrap::StatusLine> lines;
  ports::ShellCommand command;
  command.command = bootstrap::probe_command(worker);
  command.timeout = std::chrono::seconds(15);
  command.on_stdout = [&](std::string_view chunk) {
    for (const std::string& line : stream.feed(chunk)) {
      auto status = bootstrap::parse_status_line(line);
      if (status && status->worker == worker.str()) lines.push_back(std::move(*status));
    }
  };
  const auto ran = co_await (*session)->run(std::move(command));
  if (!ran) co_return Look{fail(ran.error())};
  constexpr int kAlive = 0, kGone = 1;
  if (!ran->exit_signal.empty() || (ran->exit_status != kAlive && ran->exit_status != kGone))
    co_return Look{fail(ErrorKind::unavailable,
                        fmt::format("the probe could not be run on the pod: {}",
                                    ran->exit_signal.empty() ? fmt::format("exit status {}", ran->exit_status)
                                                             : "signal " + ran->exit_signal))};
  const bool alive = ran->exit_status == kAlive;
  context.shell_probe[worker] = alive;
  if (alive) co_return Look{"the worker process lives"};
  co_return Look{"the worker process is gone", end_in(std::move(lines))};
}

/// A pod that cannot reach the database tells of its end on other ways: who hears it does not wait.
awaitable<Outcome> probe_worker(Context& context, ProbeWorker probe) {
  Look look = co_await ask_over_ssh(context, probe.worker, probe.pod);
  std::string_view channel = channel::ssh;
  if (!look.outcome && probe.read_log) {
    channel = channel::container_log;
    look.end = co_await look_at_log(context, probe.worker, probe.pod);
  }
  if (!look.end) co_return look.outcome;
  co_return co_await fail_worker(context,
                                 failure_by_line(context, probe.worker, probe.pod, *look.end, channel));
}

/// Performs each kind of action; `reason` is the plan's.
struct Performer {
  Context& context;
  std::string reason;

  awaitable<Outcome> operator()(SpawnWorker action) {
    return spawn_worker(context, std::move(action), reason);
  }

  awaitable<Outcome> operator()(const AdoptPod& action) {
    ports::WorkerChange change;
    change.worker = action.worker;
    change.expected = {WorkerStatus::spawning, WorkerStatus::terminating, WorkerStatus::error};
    change.pod = action.pod;
    const auto row = context.workers.find(action.worker);
    if (row != context.workers.end() && row->second.status == WorkerStatus::spawning)
      change.phase = Phase::provisioning;
    if (const auto pod = context.pods.find(action.pod); pod != context.pods.end()) {
      change.cost_per_hr = pod->second.cost_per_hr;
    }
    return change_worker(context, std::move(change), "adopted pod " + action.pod.str());
  }

  awaitable<Outcome> operator()(const AbandonIntent& action) {
    ports::WorkerChange change;
    change.worker = action.worker;
    change.expected = {WorkerStatus::spawning, WorkerStatus::terminating, WorkerStatus::error};
    change.status = WorkerStatus::terminated;
    change.phase = Phase::gone;
    change.end_reason = reason;
    return change_worker(context, std::move(change), "abandoned: no pod came of it");
  }

  awaitable<Outcome> operator()(BringUpWorker) {
    co_return fail(ErrorKind::internal, "bring-ups run by themselves");
  }

  awaitable<Outcome> operator()(const ActivateWorker& action) {
    context.call_off_bring_up(action.worker);  // the first heartbeat is what it was for
    ports::WorkerChange change;
    change.worker = action.worker;
    change.expected = {WorkerStatus::spawning};
    change.status = WorkerStatus::active;
    change.phase = Phase::idle;
    change.success = true;
    const auto row = context.workers.find(action.worker);
    const std::string after =
        row == context.workers.end() ? "" : " after " + format_duration(row->second.age);
    return change_worker(context, std::move(change), "active" + after);
  }

  awaitable<Outcome> operator()(const FailWorker& action) {
    Failure failure;
    failure.worker = action.worker;
    failure.pod = action.pod;
    failure.suspected = action.suspected;
    failure.evidence = known_evidence(context, action.worker, action.pod);
    failure.evidence.channel = channel_of(context, action);
    if (!action.detail.empty()) failure.evidence.tails["daemon"] = {action.detail};
    return fail_worker(context, std::move(failure));
  }

  awaitable<Outcome> operator()(const DrainWorker& action) {
    context.call_off_bring_up(action.worker);
    ports::WorkerChange change;
    change.worker = action.worker;
    change.expected = {WorkerStatus::spawning, WorkerStatus::active};
    change.status = WorkerStatus::terminating;
    change.phase = Phase::draining;
    change.drain_reason = reason;
    return change_worker(context, std::move(change), "draining");
  }

  awaitable<Outcome> operator()(const DeletePod& action) {
    return end_worker(context, action.worker, action.pod, reason);
  }

  awaitable<Outcome> operator()(const ConfirmGone& action) {
    ports::WorkerChange change;
    change.worker = action.worker;
    change.expected = {WorkerStatus::terminating, WorkerStatus::error};
    change.status = WorkerStatus::terminated;
    change.phase = Phase::gone;
    change.end_reason = reason;
    return change_worker(context, std::move(change), "terminated");
  }

  awaitable<Outcome> operator()(const DeleteOrphan& action) { return delete_pod(context, action.pod); }

  awaitable<Outcome> operator()(RescueTasks) {
    ports::RescueRequest request;
    request.task_max_attempts = context.settings.policy.task_max_attempts;
    request.exempt = context.settings.policy.stuck_exempt;
    const auto freed = co_await context.env.store.rescue_tasks(context.fence(), std::move(request));
    if (!freed) co_return fail(freed.error());
    co_return fmt::format("{} tasks requeued, {} failed for good", freed->requeued.size(),
                          freed->failed.size());
  }

  awaitable<Outcome> operator()(SaveBreaker action) {
    const auto saved = co_await context.env.store.save_breaker(context.fence(), action.memory);
    if (!saved) co_return fail(saved.error());
    if (*saved == ports::CasOutcome::lost)
      co_return fail(ErrorKind::conflict, "another daemon leads, or an operator has reset the breaker");
    if (action.script_only)
      co_return fmt::format("script {} is proven", action.memory.good_script.substr(0, 8));
    if (action.places_only) {
      const auto& scopes = action.memory.scopes;
      const auto shut = std::count_if(scopes.begin(), scopes.end(), [](const ScopeBreaker& scope) {
        return scope.state != BreakerState::closed;
      });
      co_return fmt::format("places held back: {}", shut);
    }
    co_return fmt::format("breaker {}", to_string(action.memory.state));
  }

  awaitable<Outcome> operator()(const ProbeWorker& action) { return probe_worker(context, action); }

  awaitable<Outcome> operator()(NotePhase action) {
    ports::WorkerChange change;
    change.worker = action.worker;
    change.expected = {WorkerStatus::spawning};
    change.phase = action.phase;
    return change_worker(context, std::move(change), std::string(to_string(action.phase)));
  }
};

}  // namespace

awaitable<Outcome> perform(Context& context, PlannedAction planned) {
  Performer performer{context, std::move(planned.reason)};
  co_return co_await std::visit([&](auto action) { return performer(std::move(action)); },
                                std::move(planned.action));
}

}  // namespace gpuwarden::control
