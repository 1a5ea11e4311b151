#pragma once

#include <functional>
#include <optional>
#include <string>

#include "simulation/failure_words.hpp"
#include "simulation/pod_fate.hpp"

namespace gpuwarden::simulation {

class ScriptRun;

/// The worker itself: claims a task, works, says what came of it, claims the next. It tries each request
/// again until it is answered.
class WorkerProcess {
 public:
  /// `on_end` hears of an end that the process came to by itself.
  WorkerProcess(ScriptRun& run, std::function<void(FailureWords)> on_end)
      : run_(run), on_end_(std::move(on_end)) {}

  void start();
  void end();  ///< somebody else ends it
  void die(FailureWords words);
  /// Whatever it does now it never ends; where it does nothing, its next task.
  void hang();
  /// No hang waits for its next task any more.
  void heal() { hang_next_ = false; }
  void drain() { draining_ = true; }
  void wake();
  bool lives() const { return lives_; }
  bool hung() const { return lives_ && hung_; }
  bool busy() const { return lives_ && task_.has_value(); }

 private:
  struct Task {
    std::string id, type;
    int attempt;
  };
  void claim();
  void work();
  void finish(TaskFate::Outcome outcome);
  void send_end(const std::string& function, const nlohmann::json& arguments);
  void over(const std::string& function, const nlohmann::json& arguments);
  void begin_to_wait(Duration delay);
  template <class Event>
  void after(Duration delay, Event event);

  ScriptRun& run_;
  std::function<void(FailureWords)> on_end_;
  std::string token_;  ///< as its environment had it when it was started
  std::optional<Task> task_;
  bool lives_{false}, hung_{false}, hang_next_{false}, draining_{false}, waits_{false}, stalled_{false};
  int number_{0};   ///< of this life: what waits in an earlier one is void
  int waiting_{0};  ///< of this wait for a task
};

}  // namespace gpuwarden::simulation
