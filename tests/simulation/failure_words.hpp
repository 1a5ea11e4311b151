#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gpuwarden/domain/failure_cause.hpp"

#include "simulation/random.hpp"

namespace gpuwarden::simulation {

/// What a pod prints about a failure, as real programs word it.
struct FailureWords {
  std::optional<int> exit_code;
  std::string signal;               ///< "SIGKILL"
  std::string check;                ///< of preflight
  std::vector<std::string> tail;    ///< of the step's or the worker's log
  std::vector<std::string> system;  ///< of the pod's system log, or the machine's
  std::string nvidia_smi;           ///< where it prints something else than usual
};

/// One of several wordings of a cause; empty for causes about which a pod says nothing.
FailureWords failure_words(FailureCause cause, Random& random);

}  // namespace gpuwarden::simulation
