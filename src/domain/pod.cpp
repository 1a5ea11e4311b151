#include "gpuwarden/domain/pod.hpp"

namespace gpuwarden {

std::string_view to_string(PodStatus status) {
  switch (status) {
    case PodStatus::provisioning:
      return "PROVISIONING";
    case PodStatus::starting:
      return "STARTING";
    case PodStatus::running:
      return "RUNNING";
    case PodStatus::exited:
      return "EXITED";
    case PodStatus::error:
      return "ERROR";
    case PodStatus::terminated:
      return "TERMINATED";
    case PodStatus::unrecognized:
      return "UNRECOGNIZED";
  }
  return "UNRECOGNIZED";
}

std::string_view to_string(DeleteOutcome outcome) {
  switch (outcome) {
    case DeleteOutcome::accepted:
      return "accepted";
    case DeleteOutcome::not_found:
      return "not_found";
    case DeleteOutcome::refused:
      return "refused";
    case DeleteOutcome::not_sent:
      return "not_sent";
    case DeleteOutcome::ambiguous:
      return "ambiguous";
  }
  return "ambiguous";
}

}  // namespace gpuwarden
