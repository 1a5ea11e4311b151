#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "gpuwarden/base/secret.hpp"
#include "gpuwarden/bootstrap/settings.hpp"
#include "gpuwarden/control/settings.hpp"
#include "gpuwarden/policy/settings.hpp"
#include "gpuwarden/ports/clock.hpp"
#include "gpuwarden/ports/log.hpp"
#include "gpuwarden/ports/pod_provider.hpp"
#include "gpuwarden/ports/pod_shell.hpp"
#include "gpuwarden/ports/task_store.hpp"

namespace gpuwarden::control {

/// A new worker's credential: the token goes to the pod, its hash into the database.
struct WorkerToken {
  Secret token;
  std::string sha256;  ///< lower-case hex
};

/// The outside world of the control loop. Everything outlives the loop.
struct Environment {
  ports::TaskStore& store;
  ports::PodProvider& provider;
  ports::PodShell& shell;
  ports::Clock& clock;
  ports::Log& log;
  std::function<std::uint64_t()> random;
  std::function<WorkerToken()> make_token;
  /// Takes secrets out of what pods and services said, before it becomes a row. Unset: nothing is taken out.
  std::function<std::string(std::string_view)> redact{};
};

/// Everything the operator chose, for all rooms that the loop drives.
struct LoopSettings {
  Settings control;
  policy::Settings policy;
  bootstrap::Settings bootstrap;
  std::string holder;          ///< names this process in the leader lease
  std::string ssh_public_key;  ///< authorised on every pod
  Secret publishable_key;      ///< for the pods
};

}  // namespace gpuwarden::control
