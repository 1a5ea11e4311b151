#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gpuwarden/base/result.hpp"
#include "gpuwarden/base/secret.hpp"
#include "gpuwarden/domain/snapshot.hpp"
#include "gpuwarden/http/client.hpp"
#include "gpuwarden/ports/task_store.hpp"

/// What travels between the daemon and the SQL functions, as pure functions. A parser's error is malformed
/// and names the field and the row: an answer that we cannot read says nothing about any worker.
namespace gpuwarden::supabase {

/// Version of the SQL functions that this program speaks to.
inline constexpr int kSchemaVersion = 3;

// Request bodies: the named arguments of one function.
std::string snapshot_request(const ports::SnapshotQuery& query);
std::string register_worker_request(const ports::Fence& fence, const ports::Registration& registration);
std::string update_worker_request(const ports::Fence& fence, const ports::WorkerChange& change);
/// For gpuwarden_fail_worker and gpuwarden_add_evidence. `request_id` names the call, the same in each of its
/// repetitions, so that the database can tell a repetition from a second failure; empty = nameless.
std::string failure_request(const ports::Fence& fence, const ports::FailureRecord& failure,
                            std::string_view request_id = {});
std::string rescue_request(const ports::Fence& fence, const ports::RescueRequest& request);
std::string save_breaker_request(const ports::Fence& fence, const BreakerMemory& memory);
std::string resign_request(const ports::Fence& fence, std::string_view holder);
std::string operator_request(std::string_view owner, const ports::OperatorCommand& command);
/// For gpuwarden_list_failures and gpuwarden_incident.
std::string list_failures_request(std::string_view owner, Duration since, int limit);
std::string list_workers_request(std::string_view owner, bool ended_too, int limit);
std::string get_worker_request(const WorkerId& worker);
std::string list_tasks_request(std::string_view status, int limit);

// Answers.
/// What the SQL wrote is read strictly; what a pod reported through it (crash, figures) leniently.
Result<Snapshot> parse_snapshot(std::string_view body);
Result<ports::CasOutcome> parse_cas(std::string_view body, std::string_view function);
/// Answer of gpuwarden_update_worker with the row as it is afterwards.
struct UpdateAnswer {
  bool done{false};
  std::string reason, status, phase;
};
Result<UpdateAnswer> parse_update(std::string_view body);
Result<ports::OperatorAnswer> parse_operator(std::string_view body);
Result<ports::TasksFreed> parse_tasks_freed(std::string_view body, std::string_view function);
Result<ports::StoreHealth> parse_health(std::string_view body);
Result<std::vector<ports::FailureRow>> parse_failures(std::string_view body);
Result<std::vector<ports::WorkerRow>> parse_workers(std::string_view body);
/// nullopt for JSON null.
Result<std::optional<ports::WorkerRow>> parse_worker(std::string_view body);
Result<std::vector<ports::TaskRow>> parse_tasks(std::string_view body);
/// Answer of gpuwarden_incident, which takes the same arguments as gpuwarden_list_failures.
Result<Incident> parse_incident(std::string_view body);

/// The counts of the existing edge function `task-counts`.
std::string task_counts_request();
Result<QueueDepth> parse_task_counts(std::string_view body);

/// Headers that carry the key: secret and publishable keys go in `apikey` alone, the older JWT keys also as a
/// bearer token.
http::Headers key_headers(const Secret& key);

/// Whether an answer that does not come may still have changed something.
enum class Effect { read, write };
/// Class and one line for an answer that is not a success. For writes, what may have taken effect is
/// ErrorKind::ambiguous.
Error error_of(const http::Response& response, Effect effect);

}  // namespace gpuwarden::supabase
