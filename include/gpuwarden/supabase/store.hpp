#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "gpuwarden/base/secret.hpp"
#include "gpuwarden/http/client.hpp"
#include "gpuwarden/ports/task_store.hpp"
#include "gpuwarden/supabase/log_rows.hpp"

namespace gpuwarden::supabase {

struct Settings {
  std::string url;  ///< https://<project>.supabase.co; a trailing slash does no harm
  Secret key;       ///< secret key or service-role JWT; the headers follow its kind
  Duration attempt_timeout{std::chrono::seconds(10)};  ///< one exchange; above the statement timeout of 8 s
  Duration deadline{std::chrono::seconds(20)};         ///< one call with all its repetitions and pauses
  int max_attempts{3};
  Duration retry_base{std::chrono::milliseconds(500)};  ///< first pause is random up to this, then doubling
  Duration schema_pause{std::chrono::seconds(2)};       ///< about so long after "no such function", see below
  int max_concurrent{6};                                ///< further calls wait inside their deadline
  bool count_by_edge_function{false};                   ///< queue counts from the edge function task-counts
};

/// ports::TaskStore over Supabase's Data API: each call is one POST to one SQL function.
///
/// What is repeated after which failure:
///  - certainly nothing done (no connection, connection pool busy, rate limit, rolled back): every call;
///  - may have taken effect: the calls whose repetition changes nothing, i.e. all reads, snapshot (it renews
///    a lease), register_worker (same id and epoch), update_worker, add_evidence, save_breaker and operate. A
///    repeated update_worker that finds the row already in the wanted state has won. fail_worker,
///    rescue_tasks and resign are not repeated then: they answer ErrorKind::ambiguous and the caller looks
///    again.
/// A statement that the database cancelled for its length is repeated once. So is, after schema_pause, a call
/// whose function or table the API does not know: its schema cache may be older than a migration. A pause
/// that would outlast the deadline is not begun: the call ends with the failure that it has.
class SupabaseStore : public ports::TaskStore {
 public:
  /// `client` must outlive the store, the store all its calls.
  SupabaseStore(http::Client& client, Settings settings);
  ~SupabaseStore() override;
  SupabaseStore(const SupabaseStore&) = delete;
  SupabaseStore& operator=(const SupabaseStore&) = delete;

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

  /// Log lines into system_logs, by func_insert_logs_batch. Not repeated when they may have been stored.
  ports::Async<LogsStored> insert_logs(std::vector<LogRow> rows);

 private:
  class Rpc;
  std::unique_ptr<Rpc> rpc_;
  bool count_by_edge_function_;
};

}  // namespace gpuwarden::supabase
