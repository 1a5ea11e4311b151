#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "gpuwarden/base/result.hpp"
#include "gpuwarden/base/time.hpp"

namespace gpuwarden::http {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Response;

struct Request {
  std::string method{"GET"}, url, body;
  Headers headers;
  Duration timeout{std::chrono::seconds(30)};  ///< whole exchange, waiting for a connection included
  Duration connect_timeout{std::chrono::seconds(10)};
  std::size_t max_body{8u << 20};  ///< a longer answer is an error (malformed)
  std::string unix_socket;         ///< path; empty = TCP
  /// Called once when status and headers have come, before any of the body is complete.
  std::function<void(const Response&)> on_headers;
  /// When set, the body is given to it in chunks, whatever the status and without the limit of max_body, and
  /// Response::body stays empty. Returning false ends the transfer without an error; so does running out of
  /// time once the headers have come, for such a stream need not have an end.
  std::function<bool(std::string_view)> on_chunk;
  /// With on_chunk: for how long the body is read, counted from the headers. Zero = until its end.
  Duration listen{0};
};

struct Response {
  int status{0};
  Headers headers;
  std::string body;
  /// Case-insensitive; nullopt when absent.
  std::optional<std::string_view> header(std::string_view name) const;
  /// Media type is application/json or application/*+json.
  bool is_json() const;
  /// Retry-After in seconds or as a date; nullopt when absent or unreadable.
  std::optional<Duration> retry_after(WallTime now) const;
};

struct ClientOptions {
  std::string user_agent{"gpuwarden"};
  long max_connections{8};  ///< to each host; further requests wait inside their timeout
  std::string ca_file{};    ///< PEM certificates to trust instead of the system's; empty = the system's
};

/// libcurl multi on Asio: keep-alive, HTTP/2 where the server has it, deadlines, cancellation (asio
/// cancellation slots). Errors: unavailable (certainly not sent: resolve, connect, TLS, no connection free in
/// time), timeout or ambiguous (sent, no complete answer), malformed (answer larger than max_body, or headers
/// beyond any measure), invalid_input (unusable URL, method or header; not sent), cancelled. An HTTP status
/// of any kind is a Response, not an error. A request is sent at most once; only GET, HEAD and OPTIONS are
/// sent again when a kept connection turns out to be dead.
class Client {
 public:
  explicit Client(boost::asio::any_io_executor executor, ClientOptions options = ClientOptions());
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  boost::asio::awaitable<Result<Response>> fetch(Request request);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

/// Percent-encodes everything but unreserved characters.
std::string url_encode(std::string_view text);

}  // namespace gpuwarden::http
