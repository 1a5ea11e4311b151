#include "simulation/pod_fate.hpp"

namespace gpuwarden::simulation {

std::string_view to_string(RuntimeFault::Kind kind) {
  using enum RuntimeFault::Kind;
  switch (kind) {
    case crash:
      return "crash";
    case out_of_memory:
      return "out_of_memory";
    case gpu_error:
      return "gpu_error";
    case disk_full:
      return "disk_full";
    case hang:
      return "hang";
    case heartbeats_stop:
      return "heartbeats_stop";
    case agent_dies:
      return "agent_dies";
    case network_down:
      return "network_down";
    case ssh_down:
      return "ssh_down";
    case restarts_in_place:
      return "restarts_in_place";
    case pod_exits:
      return "pod_exits";
    case pod_errors:
      return "pod_errors";
    case pod_vanishes:
      return "pod_vanishes";
    case spot_reclaimed:
      return "spot_reclaimed";
  }
  return "";
}

bool concerns_worker(RuntimeFault::Kind kind) {
  return kind <= RuntimeFault::Kind::agent_dies;
}

}  // namespace gpuwarden::simulation
