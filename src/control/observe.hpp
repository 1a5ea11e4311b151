#pragma once

#include <vector>

#include <boost/asio/awaitable.hpp>

#include "gpuwarden/policy/decide.hpp"

#include "context.hpp"

namespace gpuwarden::control {

/// One snapshot and one complete pod list, concurrently: two reads that are complete, or known as errors.
/// `lead` takes or renews the leadership.
boost::asio::awaitable<policy::Observation> observe(Context& context, bool lead);

}  // namespace gpuwarden::control
