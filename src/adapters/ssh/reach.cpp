#include "reach.hpp"

#include <utility>
#include <vector>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "lookup.hpp"

namespace gpuwarden::ssh {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

asio::awaitable<Result<std::vector<tcp::endpoint>>> resolve(const Target& target) {
  error_code not_numeric;
  const auto address = asio::ip::make_address(target.host, not_numeric);
  if (!not_numeric) co_return std::vector<tcp::endpoint>{{address, target.port}};
  // The other half of the time is for the connection.
  co_return co_await look_up(target.host, target.port, target.timeout / 2);
}

void prepare(tcp::socket& socket) {
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  // libssh2 would switch a blocking socket itself and switch it back when it is freed.
  socket.native_non_blocking(true, ignored);
}

}  // namespace

asio::awaitable<Result<void>> reach(std::shared_ptr<Connection> connection, const Target& target) {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  const auto endpoints = co_await resolve(target);
  const auto stopped = [&] {
    const Wake wake = connection->why_awake(cancellation);
    return wake == Wake::ready ? std::nullopt : std::optional<Error>(Connection::error(wake));
  };
  if (auto why = stopped()) co_return fail(*why);
  if (!endpoints) co_return fail(endpoints.error());
  tcp::socket& socket = connection->socket();
  error_code failed;
  for (const tcp::endpoint& endpoint : *endpoints) {
    error_code ignored;
    socket.close(ignored);
    co_await socket.async_connect(endpoint, asio::redirect_error(asio::use_awaitable, failed));
    if (auto why = stopped()) co_return fail(*why);
    if (!failed) break;
  }
  if (failed) co_return fail(ErrorKind::unavailable, "cannot connect: " + failed.message());
  prepare(socket);
  co_await socket.async_wait(asio::socket_base::wait_read, asio::redirect_error(asio::use_awaitable, failed));
  if (auto why = stopped()) co_return fail(*why);
  co_return Result<void>();
}

}  // namespace gpuwarden::ssh
