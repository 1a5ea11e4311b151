#pragma once

#include <memory>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>

#include "gpuwarden/http/server.hpp"

namespace gpuwarden::http {

/// Serves one peer until it leaves, misbehaves, is idle for too long or the coroutine is cancelled. Never
/// throws.
boost::asio::awaitable<void> serve(boost::asio::generic::stream_protocol::socket socket,
                                   std::shared_ptr<const Server::Handler> handler, ServerOptions options);

}  // namespace gpuwarden::http
