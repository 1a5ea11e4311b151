#pragma once

#include <map>
#include <optional>
#include <string>

#include "gpuwarden/control/report.hpp"
#include "gpuwarden/ports/log.hpp"

namespace gpuwarden::control {

/// What of ticks and actions goes into the log: changes once, nothing while nothing happens, a summary now
/// and then.
class TickLog {
 public:
  void tick(ports::Log& log, const TickReport& report, Duration summary_every);
  void action_done(ports::Log& log, const ActionResult& result);

 private:
  void tell_leader(ports::Log& log, const TickReport& report);
  void tell_gates(ports::Log& log, const TickReport& report);

  bool snapshot_ok_{true}, pods_ok_{true};
  std::optional<bool> leading_;
  struct Told {
    MonoTime at{};
    std::string reason;
  };
  std::map<std::string, Told> gates_;
  std::optional<MonoTime> summary_at_;
};

/// "3 queued, 2 running; 2 active (1 idle), 1 spawning, 0 draining; wanted 3", or why there is nothing to
/// say.
std::string summary_line(const TickReport& report);

}  // namespace gpuwarden::control
