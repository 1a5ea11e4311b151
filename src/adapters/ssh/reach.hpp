#pragma once

#include <boost/asio/awaitable.hpp>

#include "gpuwarden/ssh/session.hpp"

#include "connection.hpp"

namespace gpuwarden::ssh {

/// Opens the TCP connection and waits until the peer says something, within the connection's clock.
boost::asio::awaitable<Result<void>> reach(std::shared_ptr<Connection> connection, const Target& target);

}  // namespace gpuwarden::ssh
