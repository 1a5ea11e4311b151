#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "simulation/daemons.hpp"
#include "simulation/swarm.hpp"
#include "simulation/universe.hpp"

namespace gpuwarden::simulation {

/// What must hold in every world, whatever goes wrong in it. Each check bears a name; `Universe::violate`
/// tells it. The checks see the truth: the account, the pods' health, the tables.
class Invariants {
 public:
  Invariants(Universe& universe, Swarm& swarm, Daemons& daemons);

  void on_start(const Daemon& daemon);
  void on_effect(Service service, std::string_view call);
  void on_tick(Daemon& daemon, const control::TickReport& report);
  /// When the world has been healed and has come to rest.
  void at_end(const std::vector<std::string>& cancelled);

  struct Figures {
    double pod_hours{0};
    std::uint64_t ticks{0}, effects{0}, pods{0};
  };
  const Figures& figures() const { return figures_; }

 private:
  struct Watched {  // a pod of ours that exists
    SimPodPtr pod;
    bool late{false};  ///< its worker's row had ended before it came
    std::size_t deletes_seen{0};
    std::optional<MonoTime> stray_since;  ///< without a live row, while everything could be seen
    std::optional<MonoTime> dead_since;   ///< its process is gone, or it is frozen
    MonoTime unwell_at;                   ///< newest instant at which its worker was not in good health
  };
  struct Life {  // of one daemon
    bool leading{false};
    std::optional<MonoTime> led_since;
    std::optional<MonoTime> good_since;  ///< it has seen everything and led without a break since
    std::uint64_t supabase{0}, runpod{0};
    bool quiet{false};  ///< nothing was planned or in flight at its newest tick
    std::optional<MonoTime> refreshed_at;
    MonoTime ticked_at;
  };

  // The account (invariants_account.cpp).
  void watch_new_pods();
  void check_new_pod(const Watched& added);
  void check_breaker_lets(const SimPod& pod);
  void check_deletes();
  void check_delete(const Watched& watched, const SimPod::DeleteCall& call);
  void check_strays(const Life& life, const control::TickReport& report);
  const rows::WorkerRow* row_of(const SimPod& pod) const;
  bool is_live(const SimPod& pod) const;

  // Judgements about workers (invariants_workers.cpp).
  void watch_health();
  bool strikes(const SimPod& pod, RuntimeFault::Kind kind) const;
  bool is_frozen(const SimPod& pod) const;
  bool is_unwell(const SimPod& pod) const;
  const Watched* watched(const std::string& worker) const;
  void check_plan(const control::TickReport& report);
  bool cannot_be_told(const std::vector<Worker>& workers, const FailWorker& action);
  void check_failing(const control::TickReport& report, const FailWorker& action);
  void check_replacements(int watched);
  void check_rows(const Life& life, const control::TickReport& report);
  void check_rescue();

  // The breaker and the cost of a tick (invariants_tick.cpp).
  void check_canaries();
  void check_fresh_memory(const Daemon& daemon, const control::TickReport& report);
  void check_waste();
  void check_requests(const Daemon& daemon, Life& life, const control::TickReport& report, MonoTime last);
  void note_probes(const control::TickReport& report);

  int cap() const;
  double hourly_limit() const;
  void note_limits();

  Universe& universe_;
  Swarm& swarm_;
  Daemons& daemons_;
  Figures figures_;
  std::size_t seen_pods_{0};
  std::vector<Watched> watched_;
  std::map<std::string, Life> lives_;
  std::map<std::string, MonoTime> podless_;   ///< silent workers without a pod, since when
  std::map<std::string, MonoTime> replaced_;  ///< by heartbeat, in the window
  struct Limits {
    MonoTime until;
    int cap;
    double hourly;
  };
  std::deque<Limits> old_limits_;
  int cap_{0};
  double hourly_{0};
  std::string script_;
  BreakerState last_breaker_{BreakerState::closed};
};

}  // namespace gpuwarden::simulation
