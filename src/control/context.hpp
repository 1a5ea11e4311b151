#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/cancellation_signal.hpp>

#include "gpuwarden/control/environment.hpp"
#include "gpuwarden/control/report.hpp"
#include "gpuwarden/policy/note.hpp"

#include "beacon.hpp"
#include "turns.hpp"

namespace gpuwarden::control {

/// A bring-up under way; it can be called off at any await.
struct RunningBringUp {
  PodId pod;
  bool cancelled{false};
  boost::asio::cancellation_signal signal;
};

/// State that the parts of the loop share; no I/O, no decisions.
struct Context {
  Context(Environment environment, LoopSettings loop_settings)
      : env(std::move(environment)), settings(std::move(loop_settings)) {}

  Environment env;
  LoopSettings settings;
  std::optional<LoopSettings> last_good;  ///< of before, while theirs was the newest proven script
  std::string good_script;                ///< hash of that, as of the newest snapshot
  policy::Memory memory;
  Beacon beacon;
  Turns turns;
  std::vector<policy::Note> notes;     ///< what the memory was told since the newest decision
  std::int64_t epoch{0};               ///< of the newest snapshot in which we led
  std::map<WorkerId, Worker> workers;  ///< of the newest snapshot
  std::vector<RunningTask> running;    ///< of the newest snapshot
  std::map<PodId, Pod> pods;           ///< of the newest complete list
  /// Of workers being brought up. A launch that is repeated brings the same one: the write of another could
  /// arrive late, after that of its successor, and lock the pod out.
  std::map<WorkerId, WorkerToken> tokens;
  std::map<PodId, ports::HostKeyPin> pins;    ///< host keys seen or printed
  std::map<WorkerId, bool> shell_probe;       ///< fresh answers, consumed by the next tick
  std::map<WorkerId, WallTime> log_lines;     ///< newest lines of silent workers' logs, likewise
  std::map<WorkerId, FailureCause> verdicts;  ///< of failures just handled, consumed by the action's result
  std::map<WorkerId, std::string> in_flight;  ///< one action per worker
  std::set<std::string> fleet_in_flight;      ///< actions that concern no worker
  std::map<WorkerId, std::shared_ptr<RunningBringUp>> bring_ups;
  std::deque<ActionResult> recent;                                                 ///< newest last, bounded
  std::vector<ActionResult>* results{nullptr};                                     ///< where `once` collects
  ErrorKind snapshot_error{ErrorKind::internal}, pods_error{ErrorKind::internal};  ///< of the newest failures

  /// What happened to a create or a delete goes into the memory, and into the record of the next tick.
  void note(policy::Note what) {
    policy::apply(memory, what);
    notes.push_back(std::move(what));
  }
  ports::Fence fence() const { return {settings.control.owner, epoch}; }
  void call_off_bring_up(const WorkerId& worker) {
    const auto found = bring_ups.find(worker);
    if (found == bring_ups.end()) return;
    found->second->cancelled = true;
    found->second->signal.emit(boost::asio::cancellation_type::terminal);
  }
  /// Calls off every bring-up whose worker `may_go_on` does not know as one.
  template <class MayGoOn>
  void call_off_bring_ups(const MayGoOn& may_go_on) {
    std::vector<WorkerId> over;  // the map may change under the calls
    for (const auto& [worker, bring_up] : bring_ups) {
      if (!may_go_on(worker)) over.push_back(worker);
    }
    for (const WorkerId& worker : over) call_off_bring_up(worker);
  }
};

}  // namespace gpuwarden::control
