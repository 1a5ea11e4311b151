#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "gpuwarden/base/result.hpp"
#include "gpuwarden/base/time.hpp"

namespace gpuwarden::ssh {

/// The addresses of a name, asked of the system's resolver, which can't be interrupted: each look-up has a
/// thread of its own, and neither the loop nor the end of the program ever waits for it. Error: unavailable.
boost::asio::awaitable<Result<std::vector<boost::asio::ip::tcp::endpoint>>> look_up(std::string host,
                                                                                    std::uint16_t port,
                                                                                    Duration patience);

}  // namespace gpuwarden::ssh
