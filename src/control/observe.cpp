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
  std::erase_if(context.pins, [&](const auto& pin) { return !known.contains(pin.first); });
}

}  // namespace

using boost::asio::awaitable;

awaitable<policy::Observation> observe(Context& context, bool lead) {
  using namespace boost::asio::experimental::awaitable_operators;
  const policy::Settings& settings = context.settings.policy;
  ports::SnapshotQuery query;
  query.owner = settings.owner;
  if (lead) query.holder = context.settings.holder;
  query.lease = std::max<Duration>(std::chrono::seconds(30), settings.poll * 4);
  query.failure_window = policy::evidence_window(settings);
  query.rescue_exempt = settings.stuck_exempt;
  query.task_max_attempts = settings.task_max_attempts;
  query.pod_lease = context.settings.bootstrap.pod_lease;

  policy::Observation seen;
  // What was in flight when the reads began may have ended since: the reads can be older than its effect.
  for (const auto& [worker, action] : context.in_flight) seen.in_flight.insert(worker);
  auto [snapshot, pods] =
      co_await (context.env.store.snapshot(std::move(query)) && context.env.provider.list());
  if (snapshot) {
    if (snapshot->leader.leading) context.epoch = snapshot->leader.epoch;
    context.workers.clear();
    for (const Worker& worker : snapshot->workers) context.workers.emplace(worker.id, worker);
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
  co_return seen;
}

}  // namespace gpuwarden::control
