#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "gpuwarden/http/client.hpp"
#include "gpuwarden/http/server.hpp"

namespace gpuwarden::http {

using boost::asio::awaitable;

/// A loop with a server of ours on it and a client; what the server got is kept.
class Loopback {
 public:
  using Handler = Server::Handler;

  explicit Loopback(Handler handler = nullptr, ServerOptions options = ServerOptions(),
                    ClientOptions client_options = ClientOptions())
      : client(io.get_executor(), std::move(client_options)),
        server(
            io.get_executor(),
            [this, handler = std::move(handler)](ServerRequest request) -> awaitable<ServerResponse> {
              seen.push_back(request);
              return handler ? handler(std::move(request)) : echo(std::move(request));
            },
            options) {
    const auto bound = server.listen_tcp("127.0.0.1", 0);
    if (!bound) throw std::runtime_error(bound.error().message);
    port = *bound;
  }

  /// Runs the loop until the coroutine has ended; a hang is an exception.
  template <class T>
  T run(awaitable<T> work) {
    std::optional<T> result;
    std::exception_ptr thrown;
    boost::asio::co_spawn(io, std::move(work), [&](std::exception_ptr failure, T value) {
      thrown = failure;
      result.emplace(std::move(value));
    });
    run_until([&] { return result.has_value(); });
    if (thrown) std::rethrow_exception(thrown);
    return std::move(*result);
  }

  void run_until(const std::function<bool()>& done) {
    io.restart();
    while (!done()) {
      if (io.run_one_for(std::chrono::seconds(30)) == 0) throw std::runtime_error("the loop is stuck");
    }
  }

  std::string url(const std::string& path) const { return "http://127.0.0.1:" + std::to_string(port) + path; }

  Result<Response> get(const std::string& path) {
    Request request;
    request.url = url(path);
    return run(client.fetch(std::move(request)));
  }

  static awaitable<ServerResponse> echo(ServerRequest request) {
    ServerResponse response;
    response.headers = {{"X-Method", request.method}, {"Content-Type", "text/plain"}};
    response.body = std::move(request.body);
    co_return response;
  }

  boost::asio::io_context io;
  std::vector<ServerRequest> seen;
  Client client;
  Server server;
  std::uint16_t port{0};
};

/// A TCP listener that does with a connection what a test says, byte by byte.
class RawListener {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  RawListener(boost::asio::io_context& io, std::function<awaitable<void>(Socket&, int connection)> behave)
      : acceptor_(io, {boost::asio::ip::address_v4::loopback(), 0}), behave_(std::move(behave)) {
    boost::asio::co_spawn(io, accept(), [](const std::exception_ptr&) {});
  }
  std::string url(const std::string& path, const std::string& scheme = "http") const {
    return scheme + "://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()) + path;
  }
  int connections{0};

 private:
  awaitable<void> accept() {
    for (;;) {
      Socket socket = co_await acceptor_.async_accept(boost::asio::use_awaitable);
      boost::asio::co_spawn(acceptor_.get_executor(), serve(std::move(socket), ++connections),
                            [](const std::exception_ptr&) {});
    }
  }
  awaitable<void> serve(Socket socket, int number) { co_await behave_(socket, number); }

  boost::asio::ip::tcp::acceptor acceptor_;
  std::function<awaitable<void>(Socket&, int)> behave_;
};

}  // namespace gpuwarden::http
