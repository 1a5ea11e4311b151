#include "gpuwarden/supabase/store.hpp"

#include <cstdint>
#include <random>
#include <utility>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <fmt/format.h>

#include "gpuwarden/supabase/codec.hpp"

#include "rpc.hpp"

namespace gpuwarden::supabase {
namespace {

using ports::Async;
using ports::CasOutcome;

constexpr std::size_t kLargeAnswer = 64U << 20U;  // lists of failures carry 64 KB of evidence each

Call rpc(std::string_view function, std::string body) {
  Call call;
  call.name = function;
  call.path = fmt::format("/rest/v1/rpc/{}", function);
  call.body = std::move(body);
  return call;
}

Call write(std::string_view function, std::string body, bool repeatable) {
  Call call = rpc(function, std::move(body));
  call.effect = Effect::write;
  call.repeatable = repeatable;
  return call;
}

/// A name that no other call has.
std::string new_request_id() {
  std::random_device device;
  const auto half = [&] { return (std::uint64_t{device()} << 32U) | device(); };
  return fmt::format("{:016x}{:016x}", half(), half());
}

/// The row is already as `change` wants it: the answer to our own earlier attempt was lost.
bool already_done(const UpdateAnswer& answer, const ports::WorkerChange& change) {
  if (!change.status && !change.phase) return false;
  const bool status = !change.status || answer.status == to_string(*change.status);
  const bool phase = !change.phase || parse_phase(answer.phase) == change.phase;
  return status && phase && answer.reason != "not_leader";
}

}  // namespace

SupabaseStore::SupabaseStore(http::Client& client, Settings settings)
    : count_by_edge_function_(settings.count_by_edge_function) {
  rpc_ = std::make_unique<Rpc>(client, std::move(settings));
}

SupabaseStore::~SupabaseStore() = default;

Async<Snapshot> SupabaseStore::snapshot(ports::SnapshotQuery query) {
  using namespace boost::asio::experimental::awaitable_operators;
  Call call = rpc("gpuwarden_snapshot", snapshot_request(query));
  if (!count_by_edge_function_) {
    const auto answer = co_await rpc_->post(std::move(call));
    if (!answer) co_return fail(answer.error());
    co_return parse_snapshot(answer->body);
  }
  Call count;
  count.name = "task-counts";
  count.path = "/functions/v1/task-counts";
  count.body = task_counts_request();
  auto [answer, counts] = co_await (rpc_->post(std::move(call)) && rpc_->post(std::move(count)));
  if (!answer) co_return fail(answer.error());
  if (!counts) co_return fail(counts.error());
  auto snapshot = parse_snapshot(answer->body);
  auto queue = parse_task_counts(counts->body);
  if (!snapshot) co_return fail(snapshot.error());
  if (!queue) co_return fail(queue.error());
  snapshot->queue = std::move(*queue);
  co_return snapshot;
}

Async<CasOutcome> SupabaseStore::register_worker(ports::Fence fence, ports::Registration registration) {
  constexpr std::string_view kFunction = "gpuwarden_register_worker";
  const auto answer =
      co_await rpc_->post(write(kFunction, register_worker_request(fence, registration), true));
  if (!answer) co_return fail(answer.error());
  co_return parse_cas(answer->body, kFunction);
}

Async<CasOutcome> SupabaseStore::update_worker(ports::Fence fence, ports::WorkerChange change) {
  const auto answer =
      co_await rpc_->post(write("gpuwarden_update_worker", update_worker_request(fence, change), true));
  if (!answer) co_return fail(answer.error());
  const auto update = parse_update(answer->body);
  if (!update) co_return fail(update.error());
  if (update->done || (answer->after_ambiguous && already_done(*update, change))) co_return CasOutcome::done;
  co_return CasOutcome::lost;
}

Async<ports::TasksFreed> SupabaseStore::fail_worker(ports::Fence fence, ports::FailureRecord failure) {
  constexpr std::string_view kFunction = "gpuwarden_fail_worker";
  const auto answer =
      co_await rpc_->post(write(kFunction, failure_request(fence, failure, new_request_id()), true));
  if (!answer) co_return fail(answer.error());
  co_return parse_tasks_freed(answer->body, kFunction);
}

Async<CasOutcome> SupabaseStore::add_evidence(ports::Fence fence, ports::FailureRecord failure) {
  constexpr std::string_view kFunction = "gpuwarden_add_evidence";
  const auto answer = co_await rpc_->post(write(kFunction, failure_request(fence, failure), true));
  if (!answer) co_return fail(answer.error());
  co_return parse_cas(answer->body, kFunction);
}

Async<ports::TasksFreed> SupabaseStore::rescue_tasks(ports::Fence fence, ports::RescueRequest request) {
  constexpr std::string_view kFunction = "gpuwarden_rescue_tasks";
  const auto answer = co_await rpc_->post(write(kFunction, rescue_request(fence, request), false));
  if (!answer) co_return fail(answer.error());
  co_return parse_tasks_freed(answer->body, kFunction);
}

Async<CasOutcome> SupabaseStore::save_breaker(ports::Fence fence, BreakerMemory memory) {
  constexpr std::string_view kFunction = "gpuwarden_save_state";
  const auto answer = co_await rpc_->post(write(kFunction, save_breaker_request(fence, memory), true));
  if (!answer) co_return fail(answer.error());
  co_return parse_cas(answer->body, kFunction);
}

Async<CasOutcome> SupabaseStore::resign(ports::Fence fence, std::string holder) {
  constexpr std::string_view kFunction = "gpuwarden_resign";
  const auto answer = co_await rpc_->post(write(kFunction, resign_request(fence, holder), false));
  if (!answer) co_return fail(answer.error());
  co_return parse_cas(answer->body, kFunction);
}

Async<ports::OperatorAnswer> SupabaseStore::operate(std::string owner, ports::OperatorCommand command) {
  const auto answer =
      co_await rpc_->post(write("gpuwarden_operator", operator_request(owner, command), true));
  if (!answer) co_return fail(answer.error());
  co_return parse_operator(answer->body);
}

Async<ports::StoreHealth> SupabaseStore::health() {
  constexpr std::string_view kFunction = "gpuwarden_health";
  const auto answer = co_await rpc_->post(rpc(kFunction, "{}"));
  if (!answer) {
    if (answer.error().code != "PGRST202") co_return fail(answer.error());
    ports::StoreHealth none;
    none.missing.emplace_back(kFunction);
    co_return none;
  }
  co_return parse_health(answer->body);
}

Async<std::vector<ports::FailureRow>> SupabaseStore::failures(std::string owner, Duration since, int limit) {
  Call call = rpc("gpuwarden_list_failures", list_failures_request(owner, since, limit));
  call.max_body = kLargeAnswer;
  const auto answer = co_await rpc_->post(std::move(call));
  if (!answer) co_return fail(answer.error());
  co_return parse_failures(answer->body);
}

Async<std::vector<ports::WorkerRow>> SupabaseStore::workers(std::string owner, bool ended_too, int limit) {
  Call call = rpc("gpuwarden_list_workers", list_workers_request(owner, ended_too, limit));
  call.max_body = kLargeAnswer;
  const auto answer = co_await rpc_->post(std::move(call));
  if (!answer) co_return fail(answer.error());
  co_return parse_workers(answer->body);
}

Async<std::optional<ports::WorkerRow>> SupabaseStore::worker(WorkerId worker) {
  const auto answer = co_await rpc_->post(rpc("gpuwarden_get_worker", get_worker_request(worker)));
  if (!answer) co_return fail(answer.error());
  co_return parse_worker(answer->body);
}

Async<std::vector<ports::TaskRow>> SupabaseStore::tasks(std::string status, int limit) {
  const auto answer = co_await rpc_->post(rpc("gpuwarden_list_tasks", list_tasks_request(status, limit)));
  if (!answer) co_return fail(answer.error());
  co_return parse_tasks(answer->body);
}

Async<Incident> SupabaseStore::incident(std::string owner, Duration since, int limit) {
  Call call = rpc("gpuwarden_incident", list_failures_request(owner, since, limit));
  call.max_body = kLargeAnswer;
  const auto answer = co_await rpc_->post(std::move(call));
  if (!answer) co_return fail(answer.error());
  co_return parse_incident(answer->body);
}

}  // namespace gpuwarden::supabase
