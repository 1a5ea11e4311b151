#include "gpuwarden/http/server.hpp"

#include <cerrno>
#include <chrono>
#include <list>
#include <utility>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "server_connection.hpp"

namespace gpuwarden::http {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::generic::stream_protocol;
using boost::system::error_code;
using Acceptor = asio::basic_socket_acceptor<stream_protocol>;

constexpr auto kPauseAfterFailedAccept = std::chrono::milliseconds(100);

struct UnixSocket {
  std::string path;
  ino_t inode{0};
};

ErrorKind kind_of(error_code failed) {
  if (failed == asio::error::address_in_use) return ErrorKind::conflict;
  if (failed == asio::error::access_denied) return ErrorKind::unauthorized;
  return ErrorKind::invalid_input;
}

tl::unexpected<Error> cannot_listen(const std::string& where, error_code failed) {
  return fail(kind_of(failed), "cannot listen on " + where + ": " + failed.message());
}

/// Removes what a dead server left behind; an error when a living one listens there or it is no socket.
Result<void> clear_stale_socket(const asio::any_io_executor& executor, const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return {};
  if (!S_ISSOCK(status.st_mode)) return fail(ErrorKind::conflict, path + " exists and is not a socket");
  asio::local::stream_protocol::socket probe(executor);
  error_code failed;
  probe.connect(asio::local::stream_protocol::endpoint(path), failed);
  if (!failed) return fail(ErrorKind::conflict, "another process listens on " + path);
  if (::unlink(path.c_str()) != 0) return cannot_listen(path, {errno, boost::system::system_category()});
  return {};
}

}  // namespace

struct Server::Impl : std::enable_shared_from_this<Server::Impl> {
  Impl(asio::any_io_executor on, Handler with, ServerOptions given)
      : executor(std::move(on)), handler(std::make_shared<const Handler>(std::move(with))), options(given) {}

  Result<void> listen(Acceptor& acceptor, const stream_protocol::endpoint& endpoint,
                      const std::string& where) {
    error_code failed;
    acceptor.bind(endpoint, failed);
    if (!failed) acceptor.listen(asio::socket_base::max_listen_connections, failed);
    if (failed) return cannot_listen(where, failed);
    return {};
  }

  void start(Acceptor acceptor) {
    auto listener = acceptors.insert(acceptors.end(), std::move(acceptor));
    asio::co_spawn(executor, accept(shared_from_this(), *listener), [](const std::exception_ptr&) {});
  }

  /// Acceptors stay in their list until the Impl goes, so the reference holds as long as `self`.
  static awaitable<void> accept(std::shared_ptr<Impl> self, Acceptor& acceptor) {
    while (!self->stopped) {
      error_code failed;
      stream_protocol::socket socket =
          co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, failed));
      if (self->stopped) co_return;
      if (failed) {  // such as no descriptor left: trying again at once would burn a core
        asio::steady_timer pause(self->executor, kPauseAfterFailedAccept);
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, failed));
        continue;
      }
      if (self->connections.size() >= static_cast<std::size_t>(self->options.max_connections)) continue;
      self->spawn(std::move(socket));
    }
  }

  void spawn(stream_protocol::socket socket) {
    if (socket.local_endpoint().protocol().family() != AF_UNIX) {
      error_code ignored;
      socket.set_option(asio::ip::tcp::no_delay(true), ignored);
    }
    const auto place = connections.emplace(connections.end());
    asio::co_spawn(executor, serve(std::move(socket), handler, options),
                   asio::bind_cancellation_slot(
                       place->slot(), [self = shared_from_this(), place](const std::exception_ptr&) {
                         self->connections.erase(place);
                       }));
  }

  void stop() {
    if (std::exchange(stopped, true)) return;
    for (Acceptor& acceptor : acceptors) {
      error_code ignored;
      acceptor.close(ignored);
    }
    for (const UnixSocket& socket : unix_sockets) {
      struct stat status {};
      if (::lstat(socket.path.c_str(), &status) == 0 && status.st_ino == socket.inode) {
        (void)::unlink(socket.path.c_str());
      }
    }
    for (auto at = connections.begin(); at != connections.end();) {
      (at++)->emit(asio::cancellation_type::terminal);
    }
  }

  asio::any_io_executor executor;
  std::shared_ptr<const Handler> handler;
  ServerOptions options;
  std::list<Acceptor> acceptors;
  std::list<asio::cancellation_signal> connections;
  std::list<UnixSocket> unix_sockets;
  bool stopped{false};
};

Server::Server(asio::any_io_executor executor, Handler handler, ServerOptions options)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(handler), options)) {}

Server::~Server() {
  impl_->stop();
}

Result<std::uint16_t> Server::listen_tcp(const std::string& host, std::uint16_t port) {
  error_code failed;
  const auto address = asio::ip::make_address(host == "localhost" ? "127.0.0.1" : host, failed);
  if (failed) return fail(ErrorKind::invalid_input, "'" + host + "' is not an IP address to listen on");
  const asio::ip::tcp::endpoint endpoint(address, port);
  Acceptor acceptor(impl_->executor);
  acceptor.open(endpoint.protocol(), failed);
  if (failed) return cannot_listen(host, failed);
  acceptor.set_option(asio::socket_base::reuse_address(true), failed);
  if (auto listening = impl_->listen(acceptor, endpoint, host + ":" + std::to_string(port)); !listening) {
    return fail(listening.error());
  }
  const stream_protocol::endpoint bound = acceptor.local_endpoint(failed);
  if (failed) return cannot_listen(host, failed);
  asio::ip::tcp::endpoint tcp_bound;
  tcp_bound.resize(bound.size());
  std::memcpy(tcp_bound.data(), bound.data(), bound.size());
  impl_->start(std::move(acceptor));
  return tcp_bound.port();
}

Result<void> Server::listen_unix(const std::string& path, unsigned mode) {
  if (path.empty() || path.size() >= sizeof(sockaddr_un::sun_path)) {
    return fail(ErrorKind::invalid_input, "a socket's path has 1 to 107 characters: '" + path + "'");
  }
  if (auto cleared = clear_stale_socket(impl_->executor, path); !cleared) return cleared;
  const asio::local::stream_protocol::endpoint endpoint(path);
  error_code failed;
  Acceptor acceptor(impl_->executor);
  acceptor.open(endpoint.protocol(), failed);
  if (failed) return cannot_listen(path, failed);
  // Before bind: at no moment may more people connect than `mode` says.
  (void)::fchmod(acceptor.native_handle(), mode);
  if (auto listening = impl_->listen(acceptor, endpoint, path); !listening) return listening;
  struct stat status {};
  if (::chmod(path.c_str(), mode) != 0 || ::lstat(path.c_str(), &status) != 0) {
    return cannot_listen(path, {errno, boost::system::system_category()});
  }
  impl_->unix_sockets.push_back({path, status.st_ino});
  impl_->start(std::move(acceptor));
  return {};
}

void Server::stop() {
  impl_->stop();
}

}  // namespace gpuwarden::http
