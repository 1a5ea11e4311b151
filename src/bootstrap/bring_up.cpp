#include "gpuwarden/bootstrap/bring_up.hpp"

#include <algorithm>
#include <utility>

#include "gpuwarden/bootstrap/script.hpp"

namespace gpuwarden::bootstrap {
namespace {

constexpr Duration kReadHostKeys = 2s;
constexpr Duration kConnect = 15s;
constexpr Duration kFollow = 60s;  // the follow command ends itself after 45 s
constexpr Duration kLaunch = 75s;
constexpr Duration kLongestPause = 8s;
/// sshd may answer before the image has put PUBLIC_KEY into authorized_keys.
constexpr Duration kKeyPatience = 30s;
/// Logs are read from the same request quota as everything else.
constexpr Duration kReadLogEvery = 20s;
constexpr Duration kAwayBeforeLog = 2s;
constexpr Duration kReadLog = 2s;
constexpr int kMostHostKeyReads = 3;
constexpr int kMostLaunches = 3;
constexpr std::size_t kMostSeen = 12;

/// 1 s, 2 s, 4 s, 8 s, 8 s...
Duration pause_after(int failures) {
  constexpr int kDoublings = 3;
  return std::min(kLongestPause, Duration(1s) * (1 << std::clamp(failures - 1, 0, kDoublings)));
}

}  // namespace

BringUp::BringUp(const Settings& settings, MonoTime started)
    : settings_(settings), started_(started), contact_(started) {}

Duration BringUp::within(Duration most, MonoTime now) const {
  return std::clamp(started_ + settings_.bootstrap_timeout - now, Duration{1}, most);
}

BringUpStep BringUp::next(const BringUpEvent& event, MonoTime now) {
  performing_ = decide(event, now);
  return performing_;
}

BringUpStep BringUp::decide(const BringUpEvent& event, MonoTime now) {
  BringUpStep step = std::visit([&](const auto& what) { return on(what, now); }, event);
  if (std::holds_alternative<Status>(event)) return step;
  if (failed_) return script_failed();
  if (script_done_) {
    phase_ = Phase::awaiting_heartbeat;
    return BroughtUp{};
  }
  if (std::holds_alternative<BringUpFailed>(step)) return step;
  if (now >= started_ + settings_.bootstrap_timeout) return too_late();
  return step;
}

BringUpStep BringUp::on(const Started&, MonoTime now) {
  host_key_reads_ = 1;
  return ReadHostKeys{within(kReadHostKeys, now)};
}

BringUpStep BringUp::on(const HostKeysRead& event, MonoTime now) {
  host_keys_known_ = host_keys_known_ || !event.sha256.empty();
  return connect(now);
}

BringUpStep BringUp::on(const Connected&, MonoTime now) {
  if (!connected_once_) connected_once_ = now;
  contact_ = now;
  connect_attempts_ = 0;
  refused_since_.reset();
  away_since_.reset();
  return follow(now);
}

BringUpStep BringUp::on(const ConnectFailed& event, MonoTime now) {
  using enum ConnectFailed::Why;
  last_detail_ = event.detail;
  ++connect_attempts_;
  if (!away_since_) away_since_ = now;
  switch (event.why) {
    case host_key_mismatch:
      // The log may have held the keys of an earlier start of the container; read it once more, then believe
      // it.
      if (++host_key_mismatches_ > 1) return failed(FailureCause::ssh_host_key_mismatch);
      return ReadHostKeys{within(kReadHostKeys, now)};
    case refused_key:
      if (!refused_since_) refused_since_ = now;
      if (now - *refused_since_ >= std::min(kKeyPatience, settings_.connect_timeout))
        return failed(FailureCause::ssh_auth_failed);
      break;
    case unreachable:
      if (now - contact_ >= settings_.connect_timeout) return failed(FailureCause::ssh_unreachable);
      break;
  }
  return Wait{within(pause_after(connect_attempts_), now)};
}

BringUpStep BringUp::on(const Status& event, MonoTime) {
  note(event.line, channel::ssh);
  return performing_;
}

BringUpStep BringUp::on(const ShellEnded& event, MonoTime now) {
  contact_ = now;
  offset_ = std::max(offset_, event.offset);
  const bool launched = std::exchange(launching_, false);
  if (event.exit_status == kStillRunning) {
    drops_ = 0;
    return follow(now);
  }
  if (!launched && event.exit_status == kNotStarted) return launch(now);
  last_detail_ = "the command on the pod ended with exit status " + std::to_string(event.exit_status);
  if (!event.detail.empty()) last_detail_ += " (" + event.detail + ")";
  // No bash, no place to write: what the image cannot do once it cannot do again.
  if (launched && seen_.empty() && ++launches_ended_ >= kMostLaunches) {
    BringUpFailed failure = failed(FailureCause::start_failed);
    failure.evidence.exit_code = event.exit_status;
    failure.evidence.signal = event.detail;
    return failure;
  }
  return reconnect(last_detail_);
}

BringUpStep BringUp::on(const ShellDropped& event, MonoTime now) {
  launching_ = false;
  if (!away_since_) away_since_ = now;
  offset_ = std::max(offset_, event.offset);
  return reconnect(event.detail);
}

BringUpStep BringUp::on(const Waited&, MonoTime now) {
  if (!host_keys_known_ && !connected_once_ && host_key_reads_ < kMostHostKeyReads) {
    ++host_key_reads_;
    return ReadHostKeys{within(kReadHostKeys, now)};
  }
  if (should_read_log(now)) {
    log_read_ = now;
    return ReadStatusLog{within(kReadLog, now)};
  }
  return connect(now);
}

BringUpStep BringUp::on(const StatusLogRead& event, MonoTime now) {
  for (const StatusLine& line : event.lines) {
    if (knows(line)) continue;
    contact_ = now;  // the script goes on, though nobody hears it over SSH
    note(line, channel::container_log);
  }
  return connect(now);
}

/// Where nothing was launched by us, a daemon before us may have.
bool BringUp::should_read_log(MonoTime now) const {
  if (!away_since_ || now - *away_since_ < (launched_ ? kAwayBeforeLog : kReadLogEvery)) return false;
  return !log_read_ || now - *log_read_ >= kReadLogEvery;
}

BringUpStep BringUp::connect(MonoTime now) const {
  return ConnectShell{within(kConnect, now)};
}

BringUpStep BringUp::follow(MonoTime now) const {
  return FollowScript{offset_, within(kFollow, now)};
}

BringUpStep BringUp::launch(MonoTime now) {
  launching_ = true;
  launched_ = true;
  offset_ = 0;
  return LaunchScript{within(kLaunch, now)};
}

BringUpStep BringUp::reconnect(const std::string& detail) {
  last_detail_ = detail;
  return Wait{pause_after(++drops_)};
}

bool BringUp::knows(const StatusLine& line) const {
  return std::find(seen_.begin(), seen_.end(), format_status_line(line)) != seen_.end();
}

void BringUp::note(const StatusLine& line, std::string_view channel) {
  drops_ = 0;
  if (knows(line)) return;
  phase_ = Phase::bootstrapping;
  step_ = line.step;
  seen_.push_back(format_status_line(line));
  if (seen_.size() > kMostSeen) seen_.erase(seen_.begin());
  switch (line.event) {
    case StatusLine::Event::begin:
      break;
    case StatusLine::Event::end:
      script_done_ = script_done_ || line.step == BootStep::start;
      break;
    case StatusLine::Event::fail:
      if (failed_) break;
      failed_ = line;
      failed_by_ = channel;
      break;
  }
}

BringUpFailed BringUp::failed(FailureCause suspected) const {
  BringUpFailed failure;
  failure.suspected = suspected;
  Evidence& evidence = failure.evidence;
  evidence.channel = channel::ssh;
  evidence.phase = phase_text(phase_, step_);
  if (step_) evidence.step = to_string(*step_);
  if (!seen_.empty()) evidence.tails["bootstrap"] = seen_;
  if (!last_detail_.empty()) evidence.api = Evidence::ApiAnswer{"ssh", std::nullopt, last_detail_};
  return failure;
}

BringUpFailed BringUp::script_failed() const {
  BringUpFailed failure = failed(cause_of(*failed_));
  Evidence& evidence = failure.evidence;
  evidence.api.reset();  // the connection's troubles are not the script's
  evidence.channel = failed_by_;
  evidence.phase = phase_text(Phase::bootstrapping, failed_->step);
  evidence.step = to_string(failed_->step);
  evidence.exit_code = failed_->exit_code;
  evidence.signal = failed_->signal;
  if (failed_->step == BootStep::start) evidence.tails["worker"] = failed_->tail;
  return failure;
}

BringUpFailed BringUp::too_late() const {
  if (!connected_once_) {
    if (refused_since_) return failed(FailureCause::ssh_auth_failed);
    return failed(FailureCause::ssh_unreachable);
  }
  // In the last step the worker runs; what did not come is its first heartbeat.
  BringUpFailed failure = failed(step_ == BootStep::start ? FailureCause::first_heartbeat_timeout
                                                          : FailureCause::bootstrap_timeout);
  failure.evidence.channel = channel::deadline;
  return failure;
}

}  // namespace gpuwarden::bootstrap
