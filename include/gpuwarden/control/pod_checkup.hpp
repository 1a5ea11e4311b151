#pragma once

#include <functional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "gpuwarden/control/environment.hpp"

namespace gpuwarden::control {

/// What one check on the way to a worker's start found.
struct PodFinding {
  std::string check;  ///< "capacity", "pod", "ssh", "gpu", "credentials", ..., "deleted"
  bool ok{true};
  std::string detail;
  std::string remedy;       ///< what to do; empty where nothing is wrong
  bool unreachable{false};  ///< a service did not answer
};

/// Whom the check-up tells of its progress, and how it is called off. Both functions may be empty.
struct PodCheckupHooks {
  std::function<void(const PodFinding&)> found;     ///< as soon as it is known
  std::function<void(const std::string&)> waiting;  ///< what takes longer than two seconds, and why
  /// Ends when whoever asked wants no answer any more; the pod is deleted all the same.
  std::function<boost::asio::awaitable<void>()> called_off;
};

struct PodCheckup {
  std::vector<PodFinding> findings;
  std::string name, pod, gpu, data_center;  ///< of the pod; empty where there was none
  double cost_usd{0};                       ///< estimate, by the time that it lived
  Duration took{0};
  bool called_off{false};
};

/// Would a worker start now? Brings up one pod as a worker's (placement, image, key, startup script) without
/// a row in the database, lets it run preflight alone, and deletes it: on every way out, and looks until it
/// is gone. Ends within 12 min. What earlier check-ups left behind is deleted first; what cannot be deleted
/// any daemon of this owner deletes once it is 15 min old.
boost::asio::awaitable<PodCheckup> check_pod(Environment environment, LoopSettings settings,
                                             PodCheckupHooks hooks);

}  // namespace gpuwarden::control
