#include "observe.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include <boost/asio/experimental/awaitable_operators.hpp>

namespace gpuwarden::control {
namespace {

/// What this process does or remembers about single workers ends with what their rows say.
void follow_rows(Context& context, const Snapshot& snapshot) {
  context.call_off_bring_ups([&](const WorkerId& worker) {
    const auto row = context.workers.find(worker);
    return snapshot.leader.leading && row != context.workers.end() &&
           row->second.status == WorkerStatus::spawning;
  });
  std::set<PodId> known;
  for (const Worker& worker : snapshot.workers) known.insert(worker.pod);
  std::erase_if(context.tokens, [&](const auto& token) {
    const auto row = context.workers.find(token.first);
    return row == context.workers.end() || row->second.status != WorkerStatus::spawning;
  });
  std::erase_if(context.pins, [&](const auto& pin) { return !known.contains(pin.first); });
}

/// Whether what we left in the database came back; known only of what was written under one leadership.
std::optional<bool> beacon_returned(Context& context, const Snapshot& snapshot) {
  if (!snapshot.leader.leading) {
    context.beacon.forget();
    return std::nullopt;
  }
  if (snapshot.leader.epoch == context.epoch) return context.beacon.answered(snapshot.beacon);
  context.beacon.begin();
  return std::nullopt;
}

}  // namespace

using boost::asio::awaitable;

namespace {

/// Notes when they came, because the list may take much longer.
ports::Async<Snapshot> read_rows(Context& context, ports::SnapshotQuery query,
                                 std::optional<MonoTime>& came) {
  auto snapshot = co_await context.env.store.snapshot(std::move(query));
  came = context.env.clock.now();
  co_return snapshot;
}

}  // namespace

awaitable<policy::Observation> observe(Context& context, bool lead) {
  using namespace boost::asio::experimental::awaitable_operators;
  const policy::Settings& settings = context.settings.policy;
  ports::SnapshotQuery query;
  query.owner = settings.owner;
  if (lead) {
    query.holder = context.settings.holder;
    query.beacon = context.beacon.fresh(context.env.random(), query.holder);
  }
  query.lease = std::max<Duration>(std::chrono::seconds(30), settings.poll * 4);
  query.failure_window = policy::evidence_window(settings);
  query.rescue_exempt = settings.stuck_exempt;
  query.task_max_attempts = settings.task_max_attempts;
  query.pod_lease = context.settings.bootstrap.pod_lease;

  policy::Observation seen;
  // What was in flight when the reads began may have ended since: the reads can be older than its effect.
  for (const auto& [worker, action] : context.in_flight) seen.in_flight.insert(worker);
  auto [snapshot, pods] =
      co_await (read_rows(context, std::move(query), seen.snapshot_at) && context.env.provider.list());
  if (snapshot) {
    if (lead) seen.beacon_returned = beacon_returned(context, *snapshot);
    context.good_script = policy::good_script(*snapshot);
    if (snapshot->leader.leading) context.epoch = snapshot->leader.epoch;
    context.workers.clear();
    for (const Worker& worker : snapshot->workers) context.workers.emplace(worker.id, worker);
    context.running = snapshot->running;
    follow_rows(context, *snapshot);
    seen.snapshot = std::move(*snapshot);
  } else {
    seen.snapshot_error = snapshot.error().message;
    context.snapshot_error = snapshot.error().kind;
  }
  if (pods) {
    context.pods.clear();
    for (const Pod& pod : *pods) context.pods.emplace(pod.id, pod);
    seen.pods = std::move(*pods);
  } else {
    seen.pods_error = pods.error().message;
    context.pods_error = pods.error().kind;
  }
  for (const auto& [worker, bring_up] : context.bring_ups) seen.bringing_up.insert(worker);
  seen.shell_probe = std::exchange(context.shell_probe, {});
  seen.newest_log_line = std::exchange(context.log_lines, {});
  if (context.last_good) seen.held_script = context.last_good->policy.script_hash;
  co_return seen;
}

}  // namespace gpuwarden::control
