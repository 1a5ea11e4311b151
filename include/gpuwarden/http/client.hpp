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

struct Request {
  std::string method{"GET"}, url, body;
  Headers headers;
  Duration timeout{std::chrono::seconds(30)};  ///< whole exchange
  Duration connect_timeout{std::chrono::seconds(10)};
  std::size_t max_body{8u << 20};  ///< a longer answer is an error (malformed)
  std::string unix_socket;         ///< path; empty = TCP
  /// When set, the body is given to it in chunks, whatever the status and without the limit of max_body, and
  /// Response::body stays empty. Returning false ends the transfer without an error.
  std::function<bool(std::string_view)> on_chunk;
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
};

/// libcurl multi on Asio: keep-alive, HTTP/2 where the server has it, deadlines, cancellation (asio
/// cancellation slots). Errors: unavailable (certainly not sent: resolve, connect, TLS), timeout or ambiguous
/// (sent, no complete answer), malformed (answer larger than max_body), invalid_input (unusable URL, method
/// or header), cancelled. An HTTP status of any kind is a Response, not an error. A request is sent at most
/// once; only GET, HEAD and OPTIONS are sent again when a kept connection turns out to be dead.
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
