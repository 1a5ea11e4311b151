#pragma once

#include <memory>

#include <boost/asio/awaitable.hpp>

#include "gpuwarden/control/host_keys.hpp"

#include "context.hpp"

namespace gpuwarden::control {

/// Drives bootstrap::BringUp for one worker: performs what it asks for and reports what happened, until the
/// worker's first heartbeat is due, the bring-up failed (then the worker is failed), or it is called off.
boost::asio::awaitable<Result<std::string>> run_bring_up(Context& context, WorkerId worker, PodId pod,
                                                         std::shared_ptr<RunningBringUp> control);

}  // namespace gpuwarden::control
