#pragma once

#include <memory>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "gpuwarden/bootstrap/status_line.hpp"
#include "gpuwarden/control/host_keys.hpp"

#include "context.hpp"

namespace gpuwarden::control {

/// Drives bootstrap::BringUp for one worker: performs what it asks for and reports what happened, until the
/// worker's first heartbeat is due, the bring-up failed (then the worker is failed), or it is called off.
boost::asio::awaitable<Result<std::string>> run_bring_up(Context& context, WorkerId worker, PodId pod,
                                                         std::shared_ptr<RunningBringUp> control);

/// What the worker's startup script and agent wrote into the container's log.
std::vector<bootstrap::StatusLine> status_lines_in(const std::vector<PodLogLine>& lines,
                                                   const WorkerId& worker);

}  // namespace gpuwarden::control
