#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "gpuwarden/base/redact.hpp"
#include "gpuwarden/control/loop.hpp"

#include "simulation/clock.hpp"
#include "simulation/cloud.hpp"
#include "simulation/provider.hpp"
#include "simulation/shell.hpp"
#include "simulation/store.hpp"

namespace gpuwarden::simulation {

/// One life of a daemon: the real control loop in a process of its own. The destructor kills it.
class Daemon {
 public:
  /// What it shares with the world; all of it outlives the scheduler's last event.
  struct Outside {
    Cloud& cloud;
    Database& database;
    const DatabaseWeather& weather;
    Fates& fates;
    Redactor redactor{};  ///< taught the secrets of its configuration
  };
  Daemon(const Outside& outside, control::LoopSettings settings, int number, Random random);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  /// Begins to run; the hooks below are set before.
  void start();
  void stop();
  void drain_and_stop(Duration limit);
  void apply(control::LoopSettings settings);
  /// As by SIGKILL. What it has sent still arrives.
  void kill();

  bool ended() const { return ended_ || process_->dying(); }
  /// `run()` came to its end by itself.
  bool ended_well() const { return ended_; }
  const std::string& name() const { return name_; }
  Process& process() { return *process_; }
  const control::LoopSettings& settings() const { return settings_; }
  control::View view() const { return loop_->view(); }
  std::uint64_t supabase_requests() const { return store_.requests(); }
  std::uint64_t runpod_requests() const { return provider_.requests(); }
  /// The seed of the newest decision.
  std::uint64_t last_random() const { return last_random_; }
  /// What the newest decision was made from besides database and pods.
  const policy::Observation& last_view() const { return last_view_; }

  std::function<void(const control::TickReport&)> on_tick;
  std::function<void()> on_end;
  /// Told of each line but debug ones.
  std::function<void(const std::string&)> on_log;

 private:
  class Lines;
  control::Environment environment();
  void turn();

  std::string name_;
  control::LoopSettings settings_;
  Redactor redactor_;
  Random random_;
  std::shared_ptr<Process> process_;
  SimClock clock_;
  SimStore store_;
  SimProvider provider_;
  SimShell shell_;
  std::unique_ptr<Lines> log_;
  std::unique_ptr<control::ControlLoop> loop_;
  std::uint64_t last_random_{0}, tokens_{0};
  policy::Observation last_view_;
  bool ended_{false};
};

}  // namespace gpuwarden::simulation
