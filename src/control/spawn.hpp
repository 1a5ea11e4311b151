#pragma once

#include <string>

#include <boost/asio/awaitable.hpp>

#include "gpuwarden/domain/action.hpp"

#include "context.hpp"

namespace gpuwarden::control {

/// The create protocol for one worker: commit the intent, one POST, write the pod's id down. An ambiguous
/// create leaves phase `unknown`, which `decide` resolves by the pod's name; there is never a second POST.
boost::asio::awaitable<Result<std::string>> spawn_worker(Context& context, SpawnWorker action,
                                                         std::string reason);

/// What the create asks for; nothing secret is in it.
PodSpec pod_spec(const LoopSettings& settings, const WorkerId& worker, const Placement& placement);

}  // namespace gpuwarden::control
