#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gpuwarden/base/error.hpp"
#include "gpuwarden/base/time.hpp"
#include "gpuwarden/domain/action.hpp"
#include "gpuwarden/domain/pod.hpp"
#include "gpuwarden/domain/snapshot.hpp"

namespace gpuwarden::control {

/// What one tick saw, wanted and held back: for logs, `plan`, `once`, `status`.
struct TickReport {
  std::uint64_t number{0};
  WallTime at{};
  Duration took{0};
  std::optional<Snapshot> snapshot;      ///< none = the database was not readable
  std::optional<std::vector<Pod>> pods;  ///< none = the list was not complete
  std::string snapshot_error, pods_error;
  Plan plan;
  MonoTime now{};  ///< `at` by the monotonic clock, for what happens "every five minutes"
  ErrorKind snapshot_error_kind{ErrorKind::internal}, pods_error_kind{ErrorKind::internal};
  bool acted{true};  ///< false: a rehearsal, nothing of the plan was performed
};

/// How an action ended.
struct ActionResult {
  std::string action;  ///< action_name()
  std::string worker;
  bool ok{false};
  std::string detail;
  Duration took{0};
  std::string pod{};     ///< the worker's, where it has one
  std::string cause{};   ///< of a failure: what diagnosis made of it
  std::string reason{};  ///< the plan's: why it was done
  WallTime at{};         ///< when it ended
};

/// What `once` prints.
struct CycleSummary {
  TickReport report;
  std::vector<ActionResult> results;
};

}  // namespace gpuwarden::control
