#include "bring_up_runner.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/bootstrap/bring_up.hpp"
#include "gpuwarden/bootstrap/script.hpp"
#include "gpuwarden/diagnosis/diagnose.hpp"

#include "failure.hpp"
#include "scripts.hpp"

namespace gpuwarden::control {
namespace {

using boost::asio::awaitable;
namespace boot = bootstrap;

std::string script_of(const Context& context, const WorkerId& worker) {
  const auto row = context.workers.find(worker);
  return row == context.workers.end() ? std::string() : row->second.script_hash;
}

/// The shell around the state machine: one connection, one script stream.
class Runner {
 public:
  Runner(Context& context, WorkerId worker, PodId pod)
      : context_(context),
        worker_(std::move(worker)),
        pod_(std::move(pod)),
        script_(script_of(context, worker_)),
        began_(context.env.clock.now()),
        machine_(settings_of(context, script_).value_or(context.settings).bootstrap, began_) {}

  bool gave_up() const { return gave_up_; }

  boot::BringUpStep next(const boot::BringUpEvent& event) {
    return machine_.next(event, context_.env.clock.now());
  }

  awaitable<boot::BringUpEvent> perform(boot::ReadHostKeys step) {
    ports::LogQuery query;
    query.pod = pod_;
    query.source = "container";
    query.tail = 200;
    query.listen = step.timeout;
    const auto log = co_await context_.env.provider.logs(std::move(query));
    boot::HostKeysRead keys;
    if (log) {
      keys.sha256 = host_keys_in(*log);
    } else {
      this->log("host_keys_unread", "the container's log cannot be read for its host keys",
                {{"error", log.error().message}}, ports::LogLevel::warning);
    }
    if (!keys.sha256.empty()) context_.pins[pod_].sha256 = keys.sha256;
    co_return keys;
  }

  awaitable<boot::BringUpEvent> perform(boot::ConnectShell step) {
    session_.reset();
    const auto listed = context_.pods.find(pod_);
    if (listed == context_.pods.end() || !listed->second.ssh) {
      co_return boot::ConnectFailed{boot::ConnectFailed::Why::unreachable, "the pod has no SSH endpoint"};
    }
    ports::ShellTarget target;
    target.endpoint = *listed->second.ssh;
    target.pin = context_.pins[pod_];
    target.timeout = step.timeout;
    auto session = co_await context_.env.shell.connect(std::move(target));
    if (!session) {
      auto why = boot::ConnectFailed::Why::unreachable;
      // A key of ours that cannot be used is no fault of the pod's network either.
      const ErrorKind kind = session.error().kind;
      if (kind == ErrorKind::unauthorized || kind == ErrorKind::invalid_input)
        why = boot::ConnectFailed::Why::refused_key;
      if (session.error().kind == ErrorKind::conflict) why = boot::ConnectFailed::Why::host_key_mismatch;
      co_return boot::ConnectFailed{why, session.error().message};
    }
    session_ = std::move(*session);
    const std::string key = session_->host_key();
    if (context_.pins[pod_].sha256.empty()) {
      context_.pins[pod_].sha256 = {key};
      log("host_key_first_use", "the container's log names no host key: the one that was shown is taken",
          {{"host_key", key}});
    }
    log("ssh_connected", "SSH answers", {{"host_key", key}});
    co_return boot::Connected{};
  }

  awaitable<boot::BringUpEvent> perform(boot::FollowScript step) {
    stream_ = {};
    stream_start_ = step.offset;
    ports::ShellCommand command;
    command.command = boot::follow_command(worker_, step.offset);
    command.timeout = step.timeout;
    return run(std::move(command));
  }

  awaitable<boot::BringUpEvent> perform(boot::LaunchScript step) {
    const auto settings = settings_of(context_, script_);
    if (!settings) {
      session_.reset();
      co_await give_up();
      co_return boot::ShellDropped{0, kNoSettings};
    }
    const auto known = context_.tokens.find(worker_);
    const WorkerToken token = known != context_.tokens.end()
                                  ? known->second
                                  : context_.tokens.emplace(worker_, context_.env.make_token()).first->second;
    ports::WorkerChange change;
    change.worker = worker_;
    change.expected = {WorkerStatus::spawning};
    change.phase = Phase::bootstrapping;
    change.step = BootStep::preflight;
    change.token_sha256 = token.sha256;
    const auto stored = co_await context_.env.store.update_worker(context_.fence(), std::move(change));
    if (!stored || *stored == ports::CasOutcome::lost) {
      session_.reset();
      co_return boot::ShellDropped{0, stored ? "the worker's row has changed" : stored.error().message};
    }
    stream_ = {};
    stream_start_ = 0;
    ports::ShellCommand command;
    command.command = boot::launch_command(worker_);
    command.stdin_data =
        boot::launch_payload(worker_, boot_settings(*settings), {token.token, settings->publishable_key});
    command.timeout = step.timeout;
    co_return co_await run(std::move(command));
  }

  awaitable<boot::BringUpEvent> perform(boot::ReadStatusLog step) {
    ports::LogQuery query;
    query.pod = pod_;
    query.source = "container";
    query.tail = 200;
    query.listen = step.timeout;
    const auto log = co_await context_.env.provider.logs(std::move(query));
    boot::StatusLogRead read;
    if (log) {
      read.lines = status_lines_in(*log, worker_);
    } else if (!log_unread_) {
      log_unread_ = true;
      this->log("status_log_unread", "SSH is away, and the container's log cannot be read for status lines",
                {{"error", log.error().message}}, ports::LogLevel::warning);
    }
    for (const boot::StatusLine& line : read.lines) {
      if (!machine_.knows(line)) tell_step(line, channel::container_log);
    }
    co_return read;
  }

  awaitable<boot::BringUpEvent> perform(boot::Wait step) {
    session_.reset();
    co_await context_.env.clock.sleep_for(step.duration);
    co_return boot::Waited{};
  }

  /// The pod runs and has an SSH endpoint: its provisioning is over.
  awaitable<Result<std::string>> note_connecting() {
    const auto row = context_.workers.find(worker_);
    const Phase phase = row == context_.workers.end() ? Phase::connecting : row->second.phase;
    if (phase != Phase::provisioning && phase != Phase::starting) co_return "known";
    ports::WorkerChange change;
    change.worker = worker_;
    change.expected = {WorkerStatus::spawning};
    change.phase = Phase::connecting;
    const auto stored = co_await context_.env.store.update_worker(context_.fence(), std::move(change));
    if (!stored) co_return fail(stored.error());
    if (*stored == ports::CasOutcome::lost)
      co_return fail(ErrorKind::conflict, "the row has changed meanwhile");
    co_return "connecting";
  }

  awaitable<Result<std::string>> finish(boot::BroughtUp) {
    ports::WorkerChange change;
    change.worker = worker_;
    change.expected = {WorkerStatus::spawning};
    change.phase = Phase::awaiting_heartbeat;
    const auto stored = co_await context_.env.store.update_worker(context_.fence(), std::move(change));
    if (!stored) co_return fail(stored.error());
    co_return fmt::format("brought up in {}", format_duration(context_.env.clock.now() - began_));
  }

  awaitable<Result<std::string>> finish(boot::BringUpFailed step) {
    Failure failure;
    failure.worker = worker_;
    failure.pod = pod_;
    failure.suspected = step.suspected;
    failure.expected = {WorkerStatus::spawning};  // an active worker is not failed by what brought it up
    Evidence known = known_evidence(context_, worker_, pod_);
    step.evidence.worker = known.worker;
    step.evidence.pod = known.pod;
    if (step.evidence.phase.empty()) step.evidence.phase = phase_text(machine_.phase(), machine_.step());
    failure.evidence = std::move(step.evidence);
    failure.phase = machine_.phase();
    failure.step = machine_.step();
    return fail_worker(context_, std::move(failure));
  }

 private:
  /// Its pod waits for a script that nobody has any more. Another script on it would be a try that no one
  /// has allowed, and prove nothing of either.
  awaitable<void> give_up() {
    log("script_gone", kNoSettings, {{"script", script_}}, ports::LogLevel::warning);
    ports::WorkerChange change;
    change.worker = worker_;
    change.expected = {WorkerStatus::spawning};
    change.status = WorkerStatus::terminating;
    change.phase = Phase::draining;
    change.drain_reason = kNoSettings;
    const auto drained = co_await context_.env.store.update_worker(context_.fence(), std::move(change));
    if (drained) gave_up_ = true;
  }

  boot::Settings boot_settings(const LoopSettings& loop_settings) const {
    boot::Settings settings = loop_settings.bootstrap;
    const auto row = context_.workers.find(worker_);
    settings.has_volume = row != context_.workers.end() && !row->second.placement.volume_id.empty();
    return settings;
  }

  awaitable<boot::BringUpEvent> run(ports::ShellCommand command) {
    if (!session_) co_return boot::ShellDropped{stream_start_, "no connection"};
    command.on_stdout = [this](std::string_view chunk) { take(chunk); };
    const auto ended = co_await session_->run(std::move(command));
    if (!ended) {
      session_.reset();
      co_return boot::ShellDropped{stream_start_ + stream_.offset(), ended.error().message};
    }
    co_return boot::ShellEnded{ended->exit_status, ended->exit_signal, stream_start_ + stream_.offset()};
  }

  void take(std::string_view chunk) {
    for (const std::string& line : stream_.feed(chunk)) {
      auto status = boot::parse_status_line(line);
      if (!status) continue;
      if (!machine_.knows(*status)) tell_step(*status, channel::ssh);
      machine_.next(boot::Status{std::move(*status)}, context_.env.clock.now());
    }
  }

  void tell_step(const boot::StatusLine& status, std::string_view channel) {
    using Event = boot::StatusLine::Event;
    ports::LogFields fields{{"step", std::string(to_string(status.step))}};
    if (channel != channel::ssh) fields.emplace_back("channel", std::string(channel));
    if (status.event == Event::begin) {
      step_began_ = {status.step, parse_time(status.time), context_.env.clock.now()};
      return log("bootstrap_step", "begins", std::move(fields));
    }
    if (const auto took = duration_of(status)) fields.emplace_back("step_duration", format_duration(*took));
    if (status.event == Event::end) return log("bootstrap_step", "done", std::move(fields));
    if (status.exit_code) fields.emplace_back("exit", std::to_string(*status.exit_code));
    if (!status.signal.empty()) fields.emplace_back("signal", status.signal);
    if (!status.check.empty()) fields.emplace_back("check", status.check);
    if (!status.tail.empty()) fields.emplace_back("tail", diagnosis::clean_line(status.tail.back()));
    log("bootstrap_step", "failed", std::move(fields), ports::LogLevel::warning);
  }

  /// By the pod's clock, because lines that were missed come all at once; by ours where it printed no time.
  std::optional<Duration> duration_of(const boot::StatusLine& status) const {
    if (!step_began_ || step_began_->step != status.step) return std::nullopt;
    const auto ended = parse_time(status.time);
    if (step_began_->by_pod && ended && *ended >= *step_began_->by_pod) return *ended - *step_began_->by_pod;
    return context_.env.clock.now() - step_began_->seen;
  }

  void log(std::string_view event, std::string_view message, ports::LogFields fields,
           ports::LogLevel level = ports::LogLevel::info) {
    fields.insert(fields.begin(), {{"worker", worker_.str()}, {"pod", pod_.str()}});
    fields.emplace_back("since_bring_up", format_duration(context_.env.clock.now() - began_));
    context_.env.log.write(level, event, message, fields);
  }

  static constexpr const char* kNoSettings =
      "it was registered with a script that this daemon does not have any more";

  Context& context_;
  WorkerId worker_;
  PodId pod_;
  std::string script_;  ///< what the row was registered with
  bool gave_up_{false};
  bool log_unread_{false};  ///< and that was said
  MonoTime began_;
  boot::BringUp machine_;
  boot::StatusStream stream_;
  struct StepBegan {
    BootStep step;
    std::optional<WallTime> by_pod;
    MonoTime seen;
  };
  std::optional<StepBegan> step_began_;
  std::size_t stream_start_{0};
  std::unique_ptr<ports::ShellSession> session_;
};

template <class Step>
constexpr bool is_last = std::is_same_v<Step, boot::BroughtUp> || std::is_same_v<Step, boot::BringUpFailed>;

}  // namespace

std::vector<boot::StatusLine> status_lines_in(const std::vector<PodLogLine>& lines, const WorkerId& worker) {
  std::vector<boot::StatusLine> found;
  for (const PodLogLine& entry : lines) {
    auto status = boot::parse_status_line(entry.line);
    if (status && status->worker == worker.str()) found.push_back(std::move(*status));
  }
  return found;
}

awaitable<Result<std::string>> run_bring_up(Context& context, WorkerId worker, PodId pod,
                                            std::shared_ptr<RunningBringUp> control) {
  co_await boost::asio::this_coro::throw_if_cancelled(false);
  Runner runner(context, worker, pod);
  const auto connecting = co_await runner.note_connecting();
  if (control->cancelled) co_return fail(ErrorKind::cancelled, "called off");
  if (!connecting) co_return fail(connecting.error());
  boot::BringUpEvent event = boot::Started{};
  while (!control->cancelled) {
    boot::BringUpStep step = runner.next(event);
    if (auto* done = std::get_if<boot::BroughtUp>(&step)) co_return co_await runner.finish(*done);
    if (auto* failed = std::get_if<boot::BringUpFailed>(&step)) {
      // What follows is a failure, which nothing calls off and beside which nothing is decided for the
      // worker.
      context.bring_ups.erase(worker);
      const bool entered = context.in_flight.emplace(worker, "fail").second;
      auto ended = co_await runner.finish(std::move(*failed));
      if (entered) context.in_flight.erase(worker);
      co_return ended;
    }
    event = co_await std::visit(
        [&](auto s) -> awaitable<boot::BringUpEvent> {
          if constexpr (is_last<decltype(s)>) {
            co_return boot::Started{};
          } else {
            co_return co_await runner.perform(std::move(s));
          }
        },
        std::move(step));
    if (runner.gave_up()) co_return fail(ErrorKind::conflict, "drained: its script is not at hand");
  }
  co_return fail(ErrorKind::cancelled, "called off");
}

}  // namespace gpuwarden::control
