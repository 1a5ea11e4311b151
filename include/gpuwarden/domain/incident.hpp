#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "gpuwarden/base/ids.hpp"
#include "gpuwarden/base/time.hpp"
#include "gpuwarden/domain/breaker.hpp"
#include "gpuwarden/domain/snapshot.hpp"

namespace gpuwarden {

/// One failure as a report needs it. Texts are empty and facts false where nothing is known.
struct FailedWorker {
  WorkerId worker;
  std::string cause;  ///< as stored: a later version may know more than FailureCause does
  /// Words and last lines stand with the newest failure of each fingerprint only.
  std::string summary, evidence_line, advice;
  std::vector<std::string> last_words;  ///< the last lines of the worker, oldest first
  std::string fingerprint, phase, scope;
  bool counts{true};  ///< for the breaker: false for what is no fault of the fleet
  PodId pod;
  std::string gpu, data_center, image, script_hash, git_commit;
  double cost_usd{0};
  int tasks{0};  ///< it held when it failed
  WallTime at{};
  std::optional<WallTime> registered_at, activated_at;
  bool canary{false};
  bool heartbeat{false};  ///< at least one arrived
  bool reported{false};   ///< the pod itself wrote to the database, with its own token
  bool claimed{false};    ///< it had a task at least once
  bool probed{false};     ///< it was looked into over SSH after it had failed
  std::optional<int> exit_code;
  std::string signal;
  std::string
      channel;  ///< what spoke first: ssh, report, container_log, runpod_api or deadline; empty = not noted
  std::vector<std::string> missing;  ///< what could not be had, with the reason
};

/// How one start ended: with the first heartbeat or with a cause.
struct StartRecord {
  WorkerId worker;
  bool success{false};
  bool counts{true};  ///< false: failed, but by no fault of the fleet
  WallTime at{}, registered_at{};
  std::string gpu, data_center, image, script_hash, git_commit;
};

/// Live workers by status.
struct LiveWorkers {
  long spawning{0}, active{0}, terminating{0}, error{0};
};

/// Everything that a report on failures is made of, in one consistent read.
struct Incident {
  WallTime db_now{};
  std::string leader;                         ///< who leads or led last; empty = nobody ever did
  std::optional<Duration> leader_expires_in;  ///< not above zero: the lease is over
  QueueDepth queue;
  LiveWorkers live;
  BreakerMemory breaker;
  std::optional<BreakerOverride> breaker_override;
  Switches switches;
  double spent_last_day_usd{0};
  std::vector<FailedWorker> failures;  ///< in the window, newest first, at most as many as were asked for
  long failed{0};                      ///< in the window, all of them
  double failed_usd{0};                ///< of all of them
  std::vector<StartRecord> starts;     ///< newest first; reaches back further than the window
  std::map<std::string, long> tasks;   ///< that failed workers held: their number by what their status is now
};

}  // namespace gpuwarden
