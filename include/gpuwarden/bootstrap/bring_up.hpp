#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "gpuwarden/bootstrap/settings.hpp"
#include "gpuwarden/bootstrap/status_line.hpp"
#include "gpuwarden/domain/evidence.hpp"
#include "gpuwarden/domain/pod.hpp"

namespace gpuwarden::bootstrap {

// What the shell performs next. Each has its own timeout.
struct ReadHostKeys {
  Duration timeout;
};  ///< from the container's log
struct ConnectShell {
  Duration timeout;
};
struct FollowScript {
  std::size_t offset;
  Duration timeout;
};  ///< exit kNotStarted = launch
struct LaunchScript {
  Duration timeout;
};
/// The status lines in the container's log: what the script says while nobody hears it over SSH.
struct ReadStatusLog {
  Duration timeout;
};
struct Wait {
  Duration duration;
};
struct BroughtUp {};  ///< script done: first heartbeat is due
struct BringUpFailed {
  FailureCause suspected;
  Evidence evidence;
};
using BringUpStep = std::variant<ReadHostKeys, ConnectShell, FollowScript, LaunchScript, Wait, BroughtUp,
                                 BringUpFailed, ReadStatusLog>;

// What happened.
struct Started {};
struct HostKeysRead {
  std::vector<std::string> sha256;
};  ///< empty = image prints none, or no log yet
struct Connected {};
struct ConnectFailed {
  enum class Why { unreachable, refused_key, host_key_mismatch } why;
  std::string detail;
};
struct Status {
  StatusLine line;
};  ///< during follow or launch; next step stays the same
struct ShellEnded {
  int exit_status;
  std::string detail;
  std::size_t offset{0};  ///< reached in the status file
};                        ///< command ended by itself
struct ShellDropped {
  std::size_t offset;
  std::string detail;
};  ///< connection lost or deadline of the command
struct Waited {};
struct StatusLogRead {
  std::vector<StatusLine> lines;
};  ///< of this worker, oldest first; also those that SSH has told already
using BringUpEvent = std::variant<Started, HostKeysRead, Connected, ConnectFailed, Status, ShellEnded,
                                  ShellDropped, Waited, StatusLogRead>;

/// Pod with an SSH endpoint -> running worker, as a state machine without I/O: `next(event, now)` says what
/// to do. Retries connections with growing pauses until the connect deadline, resumes a dropped stream from
/// the status file, names the cause when the script says fail, ends at the bootstrap deadline whatever
/// happens. While SSH is away it looks into the container's log every 20 s. The answer to `Status` is the
/// step that is being performed anyway.
class BringUp {
 public:
  BringUp(const Settings& settings, MonoTime started);
  BringUpStep next(const BringUpEvent& event, MonoTime now);
  /// Phase to show for the worker.
  Phase phase() const { return phase_; }
  std::optional<BootStep> step() const { return step_; }
  /// The line was told before, over SSH or in the container's log.
  bool knows(const StatusLine& line) const;

 private:
  BringUpStep decide(const BringUpEvent& event, MonoTime now);
  void note(const StatusLine& line, std::string_view channel);
  BringUpStep on(const Started&, MonoTime now);
  BringUpStep on(const HostKeysRead& event, MonoTime now);
  BringUpStep on(const Connected&, MonoTime now);
  BringUpStep on(const ConnectFailed& event, MonoTime now);
  BringUpStep on(const Status& event, MonoTime now);
  BringUpStep on(const ShellEnded& event, MonoTime now);
  BringUpStep on(const ShellDropped& event, MonoTime now);
  BringUpStep on(const Waited&, MonoTime now);
  BringUpStep on(const StatusLogRead& event, MonoTime now);
  bool should_read_log(MonoTime now) const;
  BringUpStep connect(MonoTime now) const;
  BringUpStep follow(MonoTime now) const;
  BringUpStep launch(MonoTime now);
  BringUpStep reconnect(const std::string& detail);
  BringUpFailed failed(FailureCause suspected) const;
  BringUpFailed script_failed() const;
  BringUpFailed too_late() const;
  /// What is left until the bootstrap deadline, at most `most`, never nothing.
  Duration within(Duration most, MonoTime now) const;

  Settings settings_;
  MonoTime started_;
  MonoTime contact_;  ///< last sign of the pod's SSH; the start where there was none
  std::optional<MonoTime> connected_once_;
  std::optional<MonoTime> refused_since_;
  std::optional<MonoTime> away_since_;  ///< SSH has not answered since
  std::optional<MonoTime> log_read_;    ///< last look for status lines in the container's log
  Phase phase_{Phase::connecting};
  std::optional<BootStep> step_;
  std::size_t offset_{0};
  int connect_attempts_{0};  ///< failed ones in a row
  int drops_{0};             ///< lost connections in a row without a status line in between
  int launches_ended_{0};    ///< launch commands that ended by themselves and left nothing behind
  int host_key_reads_{0};
  int host_key_mismatches_{0};
  bool host_keys_known_{false};
  bool launching_{false};  ///< the command under way is the launch
  bool launched_{false};   ///< a script may run on the pod
  bool script_done_{false};
  std::optional<StatusLine> failed_;
  std::string_view failed_by_;     ///< channel that brought it
  std::vector<std::string> seen_;  ///< newest status lines, for the evidence
  std::string last_detail_;
  BringUpStep performing_{Wait{Duration{0}}};
};

}  // namespace gpuwarden::bootstrap
