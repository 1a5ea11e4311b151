#pragma once

#include <optional>
#include <string>

#include "gpuwarden/domain/evidence.hpp"

#include "scan.hpp"
#include "stage.hpp"

namespace gpuwarden::diagnosis {

/// What the structured fields alone tell.
struct Structured {
  std::optional<int> exit_code;
  std::string signal;  ///< "SIGKILL"; from the field or from an exit code above 128
  bool ended{false};   ///< a process is known to have ended: by exit code, signal or a fail line
  bool killed{false};  ///< by SIGKILL
};
Structured structured_of(const Evidence& evidence, const Scan& scan);

/// A cause that a structured fact names, with the words for it.
struct FactCause {
  FailureCause cause;
  std::string words;
};

/// From the answer of an API: status first, then its words.
std::optional<FactCause> cause_by_api(const Evidence& evidence, Stage stage);
/// From the check that the preflight script says has failed.
std::optional<FailureCause> cause_by_check(const Scan& scan, Stage stage);
/// From phase, pod status, exit code and heartbeat: what is left when no line says more.
FactCause cause_by_state(const Evidence& evidence, Stage stage, const Structured& facts);

}  // namespace gpuwarden::diagnosis
