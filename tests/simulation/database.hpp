#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "gpuwarden/base/time.hpp"

namespace gpuwarden::simulation {

/// An SQL function has raised an error with that SQLSTATE, "PT403" for a wrong token: nothing was changed.
struct SqlError : std::runtime_error {
  SqlError(std::string state_code, const std::string& message)
      : std::runtime_error(message), code(std::move(state_code)) {}
  std::string code;
};

/// The project's database in memory: the same functions as deploy/supabase/migrations, by the same names,
/// arguments and answers, one call = one transaction. Holds no faults and no clock of its own. That it does
/// what PostgreSQL does is tested against the real one.
class Database {
 public:
  struct Task {
    std::string id, type, status{"Queued"}, worker, error;
    int attempts{0};
    WallTime created_at{}, updated_at{};
    WallTime started_at{};  ///< generation_started_at; epoch = null
    int completions{0};     ///< accepted ones; more than one is a violation
  };
  /// A row of gpuwarden_workers joined with its shared row.
  struct WorkerRow {
    std::string id, owner, status{"spawning"}, phase{"intent"}, shared_status{"spawning"}, step, pod,
        token_sha256;
    std::string outcome, cause, script_hash, drain_reason, end_reason;
    nlohmann::json details;  ///< gpu, data_center, ..., as registered
    WallTime registered_at{}, phase_since{}, heartbeat_at{}, activated_at{}, last_task_at{}, outcome_at{},
        ended_at{};
    nlohmann::json crash;
    std::int64_t epoch{0}, generation{0};
    bool canary{false};
    double cost_per_hr{0};
  };

  /// Calls a function: `gpuwarden_snapshot`, `gpuwarden_claim_task`, ... Throws SqlError.
  nlohmann::json rpc(std::string_view function, const nlohmann::json& arguments, WallTime now);

  // The world's side.
  std::string add_task(std::string type, WallTime now);
  const std::map<std::string, Task>& tasks() const { return tasks_; }
  const std::map<std::string, WorkerRow>& workers() const { return workers_; }

 private:
  std::map<std::string, Task> tasks_;
  std::map<std::string, WorkerRow> workers_;
};

}  // namespace gpuwarden::simulation
