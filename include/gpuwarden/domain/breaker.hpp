#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gpuwarden/base/ids.hpp"
#include "gpuwarden/base/time.hpp"
#include "gpuwarden/domain/failure_cause.hpp"
#include "gpuwarden/domain/worker.hpp"

namespace gpuwarden {

enum class BreakerState { closed, open, half_open };
std::string_view to_string(BreakerState state);
std::optional<BreakerState> parse_breaker_state(std::string_view text);

/// One narrow breaker beside the fleet's, so that one bad place stops no other: faults of one class (host,
/// placement or network) of one GPU type in one data centre. The script's faults are the fleet's, because
/// every new pod runs it.
struct ScopeBreaker {
  std::string key;  ///< what it is about: "host|NVIDIA GeForce RTX 4090|EU-RO-1"
  BreakerState state{BreakerState::closed};
  WallTime
      since{};  ///< last change of state, by the database's clock; starts asked for before are no evidence
  Duration pause{0};        ///< open: how long to wait before the canary
  int canary_successes{0};  ///< half-open
  std::string reason;       ///< one line: why it is open
  bool operator==(const ScopeBreaker&) const = default;
};

/// What the breaker must not forget; kept in the database, so ages instead of times.
struct BreakerMemory {
  BreakerState state{BreakerState::closed};
  std::int64_t generation{1};  ///< grows with each change of state; outcomes of older ones are not evidence
  Duration state_age{0};       ///< since the last change of state, by the database's clock
  Duration pause{0};           ///< open: how long to wait before the canary
  int canary_successes{0};     ///< half-open
  WorkerId canary;             ///< half-open: the probe under way
  std::string reason;          ///< one line: why it is open
  std::string script_hash;     ///< what the fleet ran when it opened; a new one is tried at once
  /// Those that are not closed, and those that closed so lately that older starts may still be read; ordered
  /// by key.
  std::vector<ScopeBreaker> scopes{};
  std::string good_script{};  ///< hash of the newest script that brought a pod to its first heartbeat
  bool operator==(const BreakerMemory&) const = default;
};

/// An operator's word, with a name and an end.
struct BreakerOverride {
  enum class Kind { hold, release } kind{Kind::hold};
  std::string actor, reason;
  std::optional<Duration> expires_in;
};

/// How one start ended, for the breaker's window. Cancelled and uncounted ends are not outcomes.
struct StartOutcome {
  WorkerId worker;
  bool success{false};
  FailureCause cause{FailureCause::unclassified};  ///< when not a success
  Placement placement;
  std::string fingerprint, script_hash;
  std::int64_t generation{0};
  Duration age{0};
  std::optional<Duration> took{};  ///< a success: from registration to the first heartbeat
  std::string summary{};  ///< a failure: its one-line cause for people; empty where only the cause is known
};

}  // namespace gpuwarden
