#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "gpuwarden/base/result.hpp"
#include "gpuwarden/base/time.hpp"
#include "gpuwarden/http/client.hpp"

namespace gpuwarden::http {

struct ServerRequest {
  std::string method, target, path;  ///< path is decoded and has no query
  std::multimap<std::string, std::string> query;
  Headers headers;
  std::string body;
  std::optional<std::string_view> header(std::string_view name) const;
};

/// Sends one chunk of a streamed body; false = the peer is gone.
using SendChunk = std::function<boost::asio::awaitable<bool>(std::string)>;

struct ServerResponse {
  int status{200};
  Headers headers;  ///< content-type defaults to application/json
  std::string body;
  /// When set, the answer is sent chunked and this produces it (server-sent events).
  std::function<boost::asio::awaitable<void>(SendChunk)> stream;
  /// Closes the connection without an answer: for the fault injection of a stand-in.
  bool drop{false};
};

struct ServerOptions {
  std::size_t max_body{8u << 20};
  Duration idle_timeout{std::chrono::seconds(60)};
  int max_connections{1024};
};

/// Small HTTP/1.1 server on Boost.Beast for loopback TCP and Unix sockets. Handlers are coroutines on the
/// loop; an exception in a handler becomes a 500 with a JSON body.
class Server {
 public:
  using Handler = std::function<boost::asio::awaitable<ServerResponse>(ServerRequest)>;
  Server(boost::asio::any_io_executor executor, Handler handler, ServerOptions options = ServerOptions());
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  /// Port 0 = any; returns the bound port.
  Result<std::uint16_t> listen_tcp(const std::string& host, std::uint16_t port);
  /// Replaces a stale socket file; mode such as 0660.
  Result<void> listen_unix(const std::string& path, unsigned mode);
  void stop();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace gpuwarden::http
