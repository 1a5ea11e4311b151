#pragma once

#include <deque>
#include <string>
#include <vector>

#include "gpuwarden/bootstrap/status_line.hpp"

#include "simulation/agent.hpp"
#include "simulation/container.hpp"
#include "simulation/courier.hpp"
#include "simulation/failure_words.hpp"

namespace gpuwarden::simulation {

/// One run of the startup script in its directory on the pod, as src/bootstrap/scripts/bootstrap.sh does it:
/// preflight, fetch, setup, start, then the agent.
class ScriptRun {
 public:
  ScriptRun(Container& container, LaunchPayload payload);
  void start();
  void bring_token(std::string token) { payload_.token = std::move(token); }

  // What a command on the pod sees.
  const std::string& worker() const { return payload_.worker; }
  const std::string& status() const { return status_; }  ///< bytes of the status file
  bool over() const { return over_; }            ///< worker up, or a step failed: stands in the status file
  bool alive() const { return !agent_.dead(); }  ///< the script's own process
  /// When the next status line may come; in the past = not known.
  MonoTime next_line() const { return next_line_; }
  /// Somebody has noticed that the script is not there any more.
  void disappeared();
  const std::deque<std::string>& bootstrap_log() const { return bootstrap_log_; }
  const std::deque<std::string>& worker_log() const { return worker_log_; }

  // For its parts.
  using Event = bootstrap::StatusLine::Event;
  Container& container() { return container_; }
  const LaunchPayload& payload() const { return payload_; }
  Agent& agent() { return agent_; }
  const Agent& agent() const { return agent_; }
  Courier& courier() { return courier_; }
  /// A line to the status file, both logs, and the database unless `report` is false.
  void tell(BootStep step, Event event, FailureWords words = {}, bool report = true);
  void log(std::string line) { keep(bootstrap_log_, std::move(line)); }
  void worker_prints(std::string line) { keep(worker_log_, std::move(line)); }
  std::vector<std::string> worker_tail() const { return {worker_log_.begin(), worker_log_.end()}; }
  /// Asks the database once.
  Reply report(const nlohmann::json& report);
  void line_due(Duration in);

 private:
  void begin(BootStep step);
  void end(BootStep step);
  void preflight();
  void ping(int attempt);
  void fetch();
  void setup();
  void last_step();
  /// This pod's fate is to fail with `cause`.
  bool fails_with(FailureCause cause) const { return container_.pod().fate.cause == cause; }
  void fail_later(BootStep step, FailureCause cause);
  void fail(BootStep step, FailureWords words);
  template <class Next>
  void after(Duration delay, Next next) {
    line_due(delay);
    container_.after(delay, [this, next] {
      if (alive()) next();
    });
  }
  static void keep(std::deque<std::string>& lines, std::string line);

  Container& container_;
  LaunchPayload payload_;
  Courier courier_;
  Agent agent_;
  std::string status_;
  std::deque<std::string> bootstrap_log_, worker_log_;
  BootStep step_{BootStep::preflight};
  bool over_{false}, disappeared_{false};
  MonoTime next_line_{};
};

}  // namespace gpuwarden::simulation
