#include "pod_signs.hpp"

namespace gpuwarden::policy {

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

}  // namespace gpuwarden::policy
