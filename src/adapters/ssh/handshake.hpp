#pragma once

#include <memory>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "connection.hpp"
#include "handshake_limit.hpp"

namespace gpuwarden::ssh {

/// An authenticated connection.
struct Established {
  std::shared_ptr<Connection> connection;
  std::string host_key;
};

/// TCP, SSH handshake, check of the host key, and only then authentication.
boost::asio::awaitable<Result<Established>> establish(boost::asio::any_io_executor executor,
                                                      std::shared_ptr<HandshakeLimit::Impl> limit,
                                                      Target target);

}  // namespace gpuwarden::ssh
