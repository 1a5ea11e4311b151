#pragma once

#include <optional>
#include <string>

#include "simulation/container.hpp"
#include "simulation/failure_words.hpp"
#include "simulation/worker_process.hpp"

namespace gpuwarden::simulation {

class ScriptRun;

/// The agent on the pod, as src/bootstrap/scripts/agent.sh does it: starts the worker, sends heartbeats while
/// it lives, reports its end, obeys directives, deletes the pod when nobody answers any more.
class Agent {
 public:
  explicit Agent(ScriptRun& run);
  /// From the end of the script's steps on; `worker`: with a worker to start.
  void begin(bool worker);
  /// The database has answered.
  void heard(const nlohmann::json& answer, bool heartbeat = false);
  /// The worker process has ended by itself.
  void ended(FailureWords words);

  void strike(RuntimeFault::Kind kind, Duration lasts);
  void heal() {
    beats_stay_away_until_ = MonoTime{};
    process_.heal();
  }
  bool dead() const { return dead_; }
  Health health() const;
  WorkerProcess& process() { return process_; }
  const WorkerProcess& process() const { return process_; }

 private:
  void start_worker();
  void beat(int number);
  bool send_heartbeat();
  void no_more_beats() {
    ++beating_;
    beats_ = false;
  }
  void announce();
  void stop();
  void kill_after(Duration patience);
  void judge_end(FailureWords words);
  void report_crash(FailureWords words);
  void watch_lease();
  void plan_lease();
  void delete_own_pod();
  Duration lease() const;
  template <class Event>
  void after(Duration delay, Event event);

  ScriptRun& run_;
  WorkerProcess process_;
  MonoTime began_{}, contact_{}, started_{};
  bool with_worker_{false}, active_{false}, dead_{false};
  bool alive_{false};  ///< the file `alive`: heartbeats are due
  bool beats_{false};  ///< heartbeats are being sent
  bool announced_{false}, draining_{false}, stopping_{false}, lease_planned_{false};
  std::optional<bool> busy_;  ///< as the database said last
  std::optional<Duration> told_lease_;
  int restarts_{0}, beating_{0}, looks_{0};
  int lives_{0};  ///< starts and ends of the process: what waits for one is void after the next
  Duration pause_{250};
  MonoTime beats_stay_away_until_{};
};

}  // namespace gpuwarden::simulation
