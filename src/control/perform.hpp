#pragma once

#include <string>

#include <boost/asio/awaitable.hpp>

#include "gpuwarden/domain/action.hpp"

#include "context.hpp"

namespace gpuwarden::control {

/// Performs one action of a plan. The value is one line for the log; an error means that the next ticks
/// decide anew.
boost::asio::awaitable<Result<std::string>> perform(Context& context, PlannedAction planned);

}  // namespace gpuwarden::control
