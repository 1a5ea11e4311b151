#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "gpuwarden/http/client.hpp"
#include "gpuwarden/ports/task_store.hpp"
#include "gpuwarden/supabase/codec.hpp"

#include "simulation/call.hpp"
#include "simulation/database.hpp"
#include "simulation/process.hpp"
#include "simulation/random.hpp"

namespace gpuwarden::simulation {

/// What is wrong with the database's project as a whole; free to change at any time.
struct DatabaseWeather {
  enum class Fault {
    none,
    down,         ///< nobody connects
    refusing,     ///< the gateway answers 503 to everybody
    unreadable,   ///< the daemon's answers are a page of HTML
    read_only,    ///< as after a full disk: Database::set_read_only
    reads_fail,   ///< the daemon's snapshots are cancelled for their length, everything else works
    writes_fail,  ///< snapshots work, everything else is cancelled
    stale_key     ///< the daemon's key is not accepted any more
  } fault{Fault::none};
  Duration slow{0};      ///< at most so much more for each request of the daemon
  double duplicates{0};  ///< chance that a request of the daemon arrives once more, up to 30 s later
  /// Sees each request of a daemon that is carried out with its answer, and may change that.
  std::function<void(std::string_view function, const nlohmann::json& arguments, nlohmann::json& answer)>
      on_answer{};

  bool reaches_pods() const {
    return fault == Fault::none || fault == Fault::reads_fail || fault == Fault::unreadable ||
           fault == Fault::stale_key || fault == Fault::read_only;
  }
  bool healthy() const { return fault == Fault::none && slow == Duration{0}; }
};
std::string_view to_string(DatabaseWeather::Fault fault);

/// ports::TaskStore of one daemon process over the simulated database: requests and answers go through the
/// product's codec, repetitions and deadlines are those of supabase::SupabaseStore. What was sent takes
/// effect whether its sender still waits or not.
class SimStore final : public ports::TaskStore {
 public:
  /// All references must outlive the scheduler's events, `process` only the calls.
  SimStore(Process& process, Database& database, const DatabaseWeather& weather, Fates& fates, Random random,
           std::string sender);

  ports::Async<Snapshot> snapshot(ports::SnapshotQuery query) override;
  ports::Async<ports::CasOutcome> register_worker(ports::Fence fence,
                                                  ports::Registration registration) override;
  ports::Async<ports::CasOutcome> update_worker(ports::Fence fence, ports::WorkerChange change) override;
  ports::Async<ports::TasksFreed> fail_worker(ports::Fence fence, ports::FailureRecord failure) override;
  ports::Async<ports::CasOutcome> add_evidence(ports::Fence fence, ports::FailureRecord failure) override;
  ports::Async<ports::TasksFreed> rescue_tasks(ports::Fence fence, ports::RescueRequest request) override;
  ports::Async<ports::CasOutcome> save_breaker(ports::Fence fence, BreakerMemory memory) override;
  ports::Async<ports::CasOutcome> resign(ports::Fence fence, std::string holder) override;
  ports::Async<ports::OperatorAnswer> operate(std::string owner, ports::OperatorCommand command) override;
  ports::Async<ports::StoreHealth> health() override;
  ports::Async<std::vector<ports::FailureRow>> failures(std::string owner, Duration since,
                                                        int limit) override;
  ports::Async<std::vector<ports::WorkerRow>> workers(std::string owner, bool ended_too, int limit) override;
  ports::Async<std::optional<ports::WorkerRow>> worker(WorkerId worker) override;
  ports::Async<std::vector<ports::TaskRow>> tasks(std::string status, int limit) override;
  ports::Async<Incident> incident(std::string owner, Duration since, int limit) override;

  /// Requests sent so far, each attempt counted.
  std::uint64_t requests() const { return requests_; }

 private:
  struct Call {
    std::string function, body;
    std::string about{};  ///< the worker, for the trace
    supabase::Effect effect{supabase::Effect::read};
    bool repeatable{true};
  };
  struct Answer {
    std::string body;
    bool after_ambiguous{false};
  };
  struct Exchange;
  struct Wire;

  static Call write(std::string function, std::string body, std::string about, bool repeatable = true);
  ports::Async<Answer> post(Call call);
  ports::Async<std::string> attempt(const Call& call, MonoTime deadline, bool& sent);
  std::optional<Duration> pause_after(const Error& error, const Call& call, int attempts_made);

  Process& process_;
  std::shared_ptr<Wire> wire_;
  Random random_;
  std::uint64_t requests_{0}, calls_{0};
};

}  // namespace gpuwarden::simulation
