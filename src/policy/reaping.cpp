#include "reaping.hpp"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "cost_limit.hpp"
#include "pod_signs.hpp"

namespace gpuwarden::policy {
namespace {

constexpr int kSightings = 2;
constexpr Duration kLongestPause{300'000};
constexpr std::size_t kNamesShown = 3;

/// Takes down a delete of the pod, if one is due.
bool delete_is_due(Tick& tick, const PodId& pod) {
  Memory::DeleteTries& tries = tick.memory.deletes[pod];
  if (tick.now < tries.next) return false;
  if (tries.count == 0) tries.first = tick.now;
  tries.next = tick.now + delete_pause(++tries.count, tick.settings.delete_retry);
  return true;
}

void delete_pod(Tick& tick, Member& member, std::string reason) {
  const PodId pod = own_pod(tick, member);
  if (pod.empty() || !delete_is_due(tick, pod)) return;
  tick.act(member, DeletePod{member.worker->id, pod}, std::move(reason));
}

bool delete_was_accepted(const Tick& tick, const PodId& pod) {
  const auto tries = tick.memory.deletes.find(pod);
  return tries != tick.memory.deletes.end() && tries->second.accepted;
}

/// A row that ends and whose pod is in no list. One without an id ends when no pod can come of its create any
/// more. One with an id ends when it was deleted and two lists lack it; a pod too young to be listed may be
/// missing and live, so the provider must have said yes to its delete.
void finish_unlisted(Tick& tick, Member& member) {
  const Worker& worker = *member.worker;
  if (worker.pod.empty()) {
    const bool never_asked = tick.memory.without_pod.contains(worker.id);
    if (never_asked || (absent_twice(member) && absent_for(tick, member) >= tick.settings.list_lag))
      tick.act(member, ConfirmGone{worker.id}, "it has no pod");
    return;
  }
  if (worker.phase != Phase::deleting)
    return delete_pod(tick, member, "its pod is in no list; it is deleted by its id all the same");
  if (member.seen->was_listed || worker.age >= tick.settings.list_lag ||
      delete_was_accepted(tick, worker.pod)) {
    if (absent_twice(member))
      tick.act(member, ConfirmGone{worker.id}, "its pod is missing from two complete lists");
  } else if (worker.phase_age >= tick.settings.delete_retry) {
    delete_pod(tick, member, "its pod is not listed yet, and may live all the same");
  }
}

void finish_deleting(Tick& tick, Member& member) {
  const Worker& worker = *member.worker;
  if (member.pod == nullptr) return finish_unlisted(tick, member);
  // Whoever set the phase asks for the delete itself; this is for deletes that were lost or had no effect.
  if (worker.phase_age < tick.settings.delete_retry) return;
  delete_pod(
      tick, member,
      fmt::format("the pod is still there {} after its first delete", format_duration(worker.phase_age)));
}

void finish_failed(Tick& tick, Member& member) {
  const Worker& worker = *member.worker;
  if (worker.phase_age < tick.settings.collect_timeout) return;
  if (member.pod == nullptr) return finish_unlisted(tick, member);
  delete_pod(tick, member, "failed, and the time for its crash bundle is up");
}

/// Money takes no task away that would not be given up anyway.
Duration drain_patience(const Worker& worker, const Settings& settings) {
  if (!worker.drain_reason.starts_with(kCostDrain)) return settings.shutdown_timeout;
  return std::max(settings.shutdown_timeout, settings.task_stuck_timeout);
}

void finish_draining(Tick& tick, Member& member) {
  const Worker& worker = *member.worker;
  if (worker.tasks.empty()) {
    if (member.pod == nullptr) return finish_unlisted(tick, member);
    return delete_pod(tick, member,
                      worker.drain_reason.empty() ? std::string("drained")
                                                  : fmt::format("drained: {}", worker.drain_reason));
  }
  const Duration patience = drain_patience(worker, tick.settings);
  if (worker.phase_age <= patience) return;
  // Failing frees the task in the same transaction, before the pod is deleted under it.
  const std::string reason =
      fmt::format("still at task {} {} after it was asked to drain ({} at most)", worker.tasks.front().str(),
                  format_duration(worker.phase_age), format_duration(patience));
  tick.act(member, FailWorker{worker.id, own_pod(tick, member), FailureCause::task_stuck, reason}, reason);
}

void finish(Tick& tick, Member& member) {
  switch (member.worker->status) {
    case WorkerStatus::terminating:
      if (member.worker->phase == Phase::deleting) return finish_deleting(tick, member);
      return finish_draining(tick, member);
    case WorkerStatus::error:
      if (member.worker->phase == Phase::deleting) return finish_deleting(tick, member);
      return finish_failed(tick, member);
    case WorkerStatus::spawning:
    case WorkerStatus::active:
    case WorkerStatus::terminated:
      return;
  }
}

std::string list_of(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kNamesShown); ++i)
    text += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kNamesShown) text += fmt::format(" and {} more", names.size() - kNamesShown);
  return text;
}

/// Another pod of a live worker's name may only go while the worker's own pod is sure, or the worker is over.
bool is_spare(const Member& namesake) {
  const WorkerStatus status = namesake.worker->status;
  if (status == WorkerStatus::error || status == WorkerStatus::terminating) return true;
  return !namesake.worker->pod.empty() && namesake.pod != nullptr && !namesake.foreign_pod();
}

std::string orphan_reason(const Stray& stray, const std::set<std::string_view>& tombstones) {
  if (stray.namesake != nullptr)
    return fmt::format("a second pod of {}, whose own pod is {}", stray.pod->name,
                       stray.namesake->worker->pod.str());
  if (tombstones.contains(stray.pod->name)) return "it showed after its worker was terminated";
  return "no worker of that name lives; seen in two complete lists";
}

/// Whoever brought it up deletes it, unless that was killed. Its age is the container's uptime, or how long
/// we have seen it: clocks of several machines say nothing.
void reap_doctor_pods(Tick& tick) {
  const std::map<PodId, MonoTime> before = std::exchange(tick.memory.doctor_pods, {});
  for (const Pod& pod : *tick.seen.pods) {
    if (!is_doctor_name_of(pod.name, tick.settings.owner)) continue;
    const auto known = before.find(pod.id);
    const MonoTime first = known == before.end() ? tick.now : known->second;
    tick.memory.doctor_pods.emplace(pod.id, first);
    const Duration age = std::max(pod.uptime.value_or(Duration{0}), tick.now - first);
    if (age < kDoctorPodAge || !delete_is_due(tick, pod.id)) continue;
    tick.act(DeleteOrphan{pod.id, pod.name},
             fmt::format("left behind by doctor --pod, {} old", format_duration(age)));
  }
}

/// Every tick for as long as it lasts: somebody has to end them by hand, and until then they cost money.
void tell_undeletable(Tick& tick) {
  const Duration patience = tick.settings.undeletable_after;
  std::vector<std::string> stubborn;
  for (const Member& member : tick.members) {
    const Worker& worker = *member.worker;
    if (worker.phase == Phase::deleting && member.pod != nullptr && worker.phase_age >= patience)
      stubborn.push_back(fmt::format("{} ({})", member.pod->id.str(), worker.id.str()));
  }
  const auto look_at = [&](const PodId& pod, const std::string& name) {
    const auto tries = tick.memory.deletes.find(pod);
    if (tries != tick.memory.deletes.end() && tries->second.count > 0 &&
        tick.now - tries->second.first >= patience)
      stubborn.push_back(fmt::format("{} ({})", pod.str(), name));
  };
  for (const Stray& stray : tick.strays) look_at(stray.pod->id, stray.pod->name);
  for (const auto& [pod, seen] : tick.memory.doctor_pods) look_at(pod, "of doctor --pod");
  if (!stubborn.empty())
    tick.gate("undeletable",
              fmt::format("still there, and billing, after many deletes: {}", list_of(stubborn)));
}

}  // namespace

void note_deleted(Memory& memory, const PodId& pod, MonoTime now) {
  Memory::DeleteTries& tries = memory.deletes[pod];
  tries.accepted = true;
  tries.next = std::max(tries.next, now);
}

Duration delete_pause(int tries, Duration first) {
  constexpr int kDoublings = 16;
  const Duration pause = first * (1L << std::clamp(tries - 1, 0, kDoublings));
  return std::min(pause, std::max(kLongestPause, first));
}

void finish_workers(Tick& tick) {
  if (!tick.pods_known()) return;
  std::vector<std::string> foreign;
  for (Member& member : tick.members) {
    if (member.foreign_pod())
      foreign.push_back(fmt::format("{} ({})", member.pod->id.str(), member.pod->name));
    if (member.free()) finish(tick, member);
  }
  if (!foreign.empty())
    tick.gate("foreign_name",
              fmt::format("pods of ours that bear another name are never deleted: {}", list_of(foreign)));
}

void reap_orphans(Tick& tick) {
  if (!tick.pods_known()) return;
  const std::map<PodId, int> before = std::exchange(tick.memory.orphan_sightings, {});
  reap_doctor_pods(tick);
  std::set<std::string_view> tombstones;
  if (!tick.strays.empty())
    for (const Tombstone& tombstone : tick.snapshot.tombstones) tombstones.insert(tombstone.worker.str());
  for (const Stray& stray : tick.strays) {
    const Pod& pod = *stray.pod;
    if (!is_worker_name_of(pod.name, tick.settings.owner)) continue;
    if (tick.seen.in_flight.contains(WorkerId(pod.name))) continue;
    if (stray.namesake != nullptr && !is_spare(*stray.namesake)) continue;
    const auto known = before.find(pod.id);
    const int sightings = known == before.end() ? 1 : std::min(known->second + 1, kSightings);
    tick.memory.orphan_sightings.emplace(pod.id, sightings);
    if (sightings < kSightings || !delete_is_due(tick, pod.id)) continue;
    tick.act(DeleteOrphan{pod.id, pod.name}, orphan_reason(stray, tombstones));
  }
  tell_undeletable(tick);
}

}  // namespace gpuwarden::policy
