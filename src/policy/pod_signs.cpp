#include "pod_signs.hpp"

#include <algorithm>

namespace gpuwarden::policy {
namespace {

constexpr int kMassAtLeast = 3;
constexpr int kMassPercent = 55;

}  // namespace

PodSigns pod_signs(const Member& member) {
  if (member.pod == nullptr) {
    if (!member.worker->pod.empty() && absent_twice(member))
      return {true, FailureCause::pod_vanished, "its pod is missing from two complete lists"};
    return {};
  }
  switch (member.pod->status) {
    case PodStatus::exited:
      return {true, FailureCause::pod_exited, "its pod has exited"};
    case PodStatus::error:
      return {true, FailureCause::pod_error, "its pod is in error"};
    case PodStatus::terminated:
      return {true, FailureCause::pod_vanished, "its pod was terminated"};
    case PodStatus::provisioning:
    case PodStatus::starting:
    case PodStatus::running:
    case PodStatus::unrecognized:
      break;
  }
  if (member.seen->restarted)
    return {true, FailureCause::pod_exited, "its container has restarted (the uptime went back)"};
  return {};
}

bool list_is_doubted(const Tick& tick) {
  int known = 0, missing = 0;
  for (const Member& member : tick.members) {
    if (!member.seen->was_listed || member.worker->phase == Phase::deleting) continue;
    ++known;
    if (member.pod == nullptr) ++missing;
  }
  return missing >= std::max(kMassAtLeast, (known * kMassPercent + 99) / 100);
}

bool is_believed(const Tick& tick, const Member& member, const PodSigns& signs, bool doubted) {
  if (signs.cause != FailureCause::pod_vanished) return true;
  if (doubted) return absent_for(tick, member) >= tick.settings.list_lag;
  return member.seen->was_listed || member.worker->age >= tick.settings.list_lag;
}

}  // namespace gpuwarden::policy
