#pragma once

#include <memory>

#include <boost/asio/awaitable.hpp>

#include "gpuwarden/ssh/session.hpp"

#include "connection.hpp"

namespace gpuwarden::ssh {

/// Runs one command to its end. After an error, and when the coroutine is destroyed, the connection is
/// aborted.
boost::asio::awaitable<Result<ExecResult>> execute(std::shared_ptr<Connection> connection, Exec exec,
                                                   Duration keepalive);

}  // namespace gpuwarden::ssh
