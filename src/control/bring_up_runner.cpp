#include "bring_up_runner.hpp"

#include <utility>

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/bootstrap/bring_up.hpp"
#include "gpuwarden/bootstrap/script.hpp"

#include "failure.hpp"

namespace gpuwarden::control {
namespace {

using boost::asio::awaitable;
namespace boot = bootstrap;

/// The shell around the state machine: one connection, one script stream.
class Runner {
 public:
  Runner(Context& context, WorkerId worker, PodId pod)
      : context_(context),
        worker_(std::move(worker)),
        pod_(std::move(pod)),
        began_(context.env.clock.now()),
        machine_(context.settings.bootstrap, began_) {}

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
    if (log) keys.sha256 = host_keys_in(*log);
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
    if (context_.pins[pod_].sha256.empty()) context_.pins[pod_].sha256 = {session_->host_key()};
    log("ssh_connected", "SSH answers", {{"host_key", session_->host_key()}});
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
    WorkerToken token = context_.env.make_token();
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
        boot::launch_payload(worker_, boot_settings(), {token.token, context_.settings.publishable_key});
    command.timeout = step.timeout;
    co_return co_await run(std::move(command));
  }

  awaitable<boot::BringUpEvent> perform(boot::Wait step) {
    session_.reset();
    co_await context_.env.clock.sleep_for(step.duration);
    co_return boot::Waited{};
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
  boot::Settings boot_settings() const {
    boot::Settings settings = context_.settings.bootstrap;
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
      const auto event = status->event;
      log("bootstrap_step",
          event == boot::StatusLine::Event::begin ? "begins"
          : event == boot::StatusLine::Event::end ? "done"
                                                  : "failed",
          {{"step", std::string(to_string(status->step))}});
      machine_.next(boot::Status{std::move(*status)}, context_.env.clock.now());
    }
  }

  void log(std::string_view event, std::string_view message, ports::LogFields fields) {
    fields.insert(fields.begin(), {{"worker", worker_.str()}, {"pod", pod_.str()}});
    fields.emplace_back("since_bring_up", format_duration(context_.env.clock.now() - began_));
    context_.env.log.info(event, message, fields);
  }

  Context& context_;
  WorkerId worker_;
  PodId pod_;
  MonoTime began_;
  boot::BringUp machine_;
  boot::StatusStream stream_;
  std::size_t stream_start_{0};
  std::unique_ptr<ports::ShellSession> session_;
};

template <class Step>
constexpr bool is_last = std::is_same_v<Step, boot::BroughtUp> || std::is_same_v<Step, boot::BringUpFailed>;

}  // namespace

std::vector<std::string> host_keys_in(const std::vector<PodLogLine>& lines) {
  constexpr std::string_view kPrefix = "SHA256:";
  constexpr std::size_t kBase64Length = 43;  // 32 bytes without padding
  std::vector<std::string> keys;
  for (const PodLogLine& entry : lines) {
    const std::size_t at = entry.line.find(kPrefix);
    if (at == std::string::npos) continue;
    const std::string key = entry.line.substr(at, kPrefix.size() + kBase64Length);
    if (key.size() == kPrefix.size() + kBase64Length && key.find(' ') == std::string::npos)
      keys.push_back(key);
  }
  return keys;
}

awaitable<Result<std::string>> run_bring_up(Context& context, WorkerId worker, PodId pod,
                                            std::shared_ptr<RunningBringUp> control) {
  co_await boost::asio::this_coro::throw_if_cancelled(false);
  Runner runner(context, worker, pod);
  boot::BringUpEvent event = boot::Started{};
  while (!control->cancelled) {
    boot::BringUpStep step = runner.next(event);
    if (auto* done = std::get_if<boot::BroughtUp>(&step)) co_return co_await runner.finish(*done);
    if (auto* failed = std::get_if<boot::BringUpFailed>(&step)) {
      context.bring_ups.erase(worker);  // what follows is a failure, which nothing calls off
      co_return co_await runner.finish(std::move(*failed));
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
  }
  co_return fail(ErrorKind::cancelled, "called off");
}

}  // namespace gpuwarden::control
