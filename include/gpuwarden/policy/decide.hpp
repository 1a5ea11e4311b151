#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "gpuwarden/domain/action.hpp"
#include "gpuwarden/domain/pod.hpp"
#include "gpuwarden/domain/snapshot.hpp"
#include "gpuwarden/policy/settings.hpp"

namespace gpuwarden::policy {

/// What the daemon's own loop knows and the database does not; lives as long as the process. Every time in it
/// is of the daemon's monotonic clock. A fresh Memory (after a restart) only makes decisions slower, never
/// destructive.
struct Memory {
  struct WorkerSeen {
    MonoTime first_seen{};
    MonoTime heartbeat_changed{};            ///< when we last saw its heartbeat advance
    std::optional<WallTime> last_heartbeat;  ///< db_now - heartbeat_age of the newest one seen
    std::optional<Duration> uptime;          ///< newest pod uptime seen
    std::optional<Duration> agent_uptime;    ///< newest one that its agent reported
    bool agent_restarted{false};             ///< that went back, and what it worked on is not settled yet
    int absent_lists{0};                     ///< complete lists in a row without its pod
    bool was_listed{false};                  ///< its pod was in a list at least once
    std::optional<MonoTime> absent_since;    ///< first of those absent lists
    bool restarted{false};                   ///< its container restarted since its last heartbeat
    std::optional<MonoTime> last_bring_up;
    // Probes over SSH since the last heartbeat
    std::optional<MonoTime> unanswered_since;  ///< first probe that SSH has not answered
    std::optional<MonoTime> last_probe;
    std::optional<bool> probed_alive;  ///< newest answer
    MonoTime probed_at{};
    // Looks at its container's log since the last heartbeat
    std::optional<MonoTime> last_log_look;
    std::optional<WallTime> log_line;   ///< newest line, by the provider's clock
    std::optional<MonoTime> log_moved;  ///< when we last saw a newer line than at the look before
    std::uint64_t tick{0};              ///< last one in which its row was read
  };
  /// Deletes of one pod so far: they are repeated, with growing pauses, until it is gone.
  struct DeleteTries {
    int count{0};
    MonoTime first{}, next{};
    bool accepted{false};  ///< the provider has said yes to one
  };
  /// The database's clock went ahead.
  struct ClockJump {
    WallTime between{};  ///< stamps before it are of before the jump
    Duration by{0};
    MonoTime seen{};
  };
  struct ClockPair {
    WallTime database{};
    MonoTime ours{};
  };
  /// A fleet size that was wanted, and until when.
  struct SizeSeen {
    MonoTime until{};
    int size{0};
  };
  struct CandidatePause {
    MonoTime until{};
    Duration pause{0};
    bool refused{false};  ///< the request was refused for this candidate, not only out of stock
    std::string detail;
  };

  std::unordered_map<WorkerId, WorkerSeen> workers;
  std::map<PodId, int> orphan_sightings;            ///< complete lists in a row
  std::map<PodId, MonoTime> doctor_pods;            ///< pods of `doctor --pod`: first seen
  std::map<std::string, CandidatePause> exhausted;  ///< Placement::key -> set aside
  std::vector<MonoTime> recent_spawns;              ///< of the last minute
  std::optional<MonoTime> last_scale_down;
  // What was wanted in the last SCALE_UP_DELAY_SEC and SCALE_DOWN_DELAY_SEC; only what can still be the
  // extreme is kept, so that these stay short.
  std::optional<MonoTime> sizing_since;  ///< wanted sizes have been known without a break since
  std::vector<SizeSeen> least_up, most_up, most_down;
  std::optional<MonoTime> last_complete_snapshot;
  MonoTime timers_restarted{};                 ///< heartbeat ages before this instant do not count
  std::map<WorkerId, MonoTime> replaced;       ///< heartbeat deaths of the last 10 min
  std::optional<MonoTime> no_balance_until;    ///< 402 seen: nothing is spawned before
  std::optional<MonoTime> rate_limited_until;  ///< no request quota: nothing is registered before
  std::map<PodId, DeleteTries> deletes;
  std::map<WorkerId, MonoTime> without_pod;  ///< spawns of ours that surely asked for no pod; since when
  int complete_snapshots{0};                 ///< in a row
  int beacons_returned{0};                   ///< in a row
  std::uint64_t ticks{0};                    ///< with a complete snapshot
  std::optional<MonoTime> mass_stale_since;  ///< too many heartbeats are late at once
  std::optional<MonoTime> unheard_at;        ///< newest instant at which no active worker was to be heard
  std::optional<MonoTime> stalled_until;     ///< our own loop stood still: nobody is judged before
  std::optional<MonoTime> recovered_at;      ///< end of the newest outage or mass staleness
  std::optional<std::int64_t> epoch;         ///< leadership under which the timers run
  std::optional<MonoTime> queued_since;      ///< tasks have been waiting without a break since
  std::optional<MonoTime> last_rescue;
  std::optional<ClockPair> clock_seen;  ///< of the newest complete snapshot
  std::vector<ClockJump> clock_jumps;
};

/// Placements to choose from, resolved against the catalogue and the account's volumes, in order of
/// preference.
struct Offer {
  Placement placement;
  StockLevel stock{StockLevel::unknown};
  int preference{0};  ///< in the operator's order, smaller first; equal = price decides, then stock
};

/// One tick's view of the world.
struct Observation {
  std::optional<Snapshot> snapshot;  ///< none: the database could not be read completely this tick
  std::string snapshot_error;
  std::optional<MonoTime> snapshot_at{};  ///< when it came, by our monotonic clock; none = just now
  std::optional<std::vector<Pod>> pods;   ///< none: the list was not complete
  std::string pods_error;
  std::vector<Offer> offers;
  std::set<WorkerId> in_flight;    ///< an action on this worker is still running: decide nothing for it
  std::set<WorkerId> bringing_up;  ///< its bring-up is still running: it is watched, but none is begun
  std::map<WorkerId, bool>
      shell_probe;  ///< second source: SSH probe says the worker process lives (true) or not
  /// When the newest line of a silent worker's container log was written, by the provider's clock.
  std::map<WorkerId, WallTime> newest_log_line{};
  std::optional<bool> beacon_returned{};  ///< the database gave back what we left there; none = not known yet
  std::string held_script{};  ///< hash of the last proven script, where its settings are still at hand
  Duration loop_gap{0};       ///< longest stall of our own loop since the last tick
  bool draining_all{false};   ///< the daemon is asked to drain the fleet
  bool rehearsal{false};      ///< nothing will be performed: plan as if we led
};

struct Decision {
  Plan plan;
  Memory memory;
};

/// Everything the product knows, as a pure function: no I/O, no clock, no randomness of its own. `now` is the
/// monotonic clock, `random` a seed for this tick. Partial knowledge never leads to a destructive action:
/// without a complete, writable snapshot under our own leadership the plan is empty; without a complete pod
/// list nothing is spawned, deleted, adopted, judged or declared gone (a crash that the pod itself reported
/// is acted on all the same).
Decision decide(const Observation& seen, Memory memory, const Settings& settings, MonoTime now,
                std::uint64_t random);

/// How far back start outcomes must be read: starts that end by a deadline come in slower than any short
/// window, so the breaker needs enough of them to judge.
Duration evidence_window(const Settings& settings);

// What happened to creates between ticks is fed back into the memory with these.
void note_no_capacity(Memory& memory, const Placement& placement, std::string detail, MonoTime now);
/// The request was refused for this candidate (403, or a rule of the service): set aside like one without
/// stock.
void note_refused(Memory& memory, const Placement& placement, std::string detail, MonoTime now);
void note_created(Memory& memory, const Placement& placement);
void note_no_balance(Memory& memory, MonoTime now);
/// Creates cannot be sent before `until`.
void note_rate_limited(Memory& memory, MonoTime until);
/// The spawn ended before its create, or this was certainly without effect: its row has no pod and never
/// will, should it show (its end may not have been written down, or its beginning be late).
void note_no_pod(Memory& memory, const WorkerId& worker, MonoTime now);
/// The provider has accepted the delete of a pod: missing from lists it is gone, however young.
void note_deleted(Memory& memory, const PodId& pod, MonoTime now);

/// Hash of the script that is known to bring pods to their first heartbeat: the one kept with the breaker,
/// else that of the newest start that succeeded. Empty = nothing ever succeeded.
std::string good_script(const Snapshot& snapshot);

}  // namespace gpuwarden::policy
