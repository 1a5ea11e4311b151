#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gpuwarden/domain/evidence.hpp"

#include "rules.hpp"

namespace gpuwarden::diagnosis {

/// A line of the evidence that speaks of trouble.
struct Find {
  Trouble trouble{Trouble::generic};
  Strength strength{Strength::warning};
  std::string line;       ///< cleaned, cut around the match
  bool doubtful{false};   ///< life went on after it: counts only where nothing else does
  bool from_host{false};  ///< the container's log or the host's, not a program's own
};

/// What a failed step of the startup script said of itself in its status line.
struct FailedStep {
  std::string check;  ///< preflight: "gpu", "disk", ...
  std::optional<int> exit_code;
};

struct Scan {
  std::vector<Find> finds;  ///< in the order of the lines
  std::optional<FailedStep> failed_step;
  std::string last_line;  ///< of the tail that matters at this stage, without progress bars
  std::string
      telling_line;  ///< the last one there that is no mere ending; empty where that is a sign of life
  bool disk_is_full{false};  ///< by the probe's df
};

/// Reads the tails, the API's answer and the probes once. What was handled or retried with success is left
/// out. Work is bounded whatever the size of the evidence.
Scan scan(const Evidence& evidence, Stage stage);

}  // namespace gpuwarden::diagnosis
