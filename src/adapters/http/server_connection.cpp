#include "server_connection.hpp"

#include <optional>
#include <utility>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/chunk_encode.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

#include "gpuwarden/base/redact.hpp"

#include "server_message.hpp"

namespace gpuwarden::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::awaitable;
using boost::system::error_code;
using Stream = beast::basic_stream<asio::generic::stream_protocol>;
using Parser = beast::http::request_parser<beast::http::string_body>;

constexpr std::uint32_t kMostHeaderBytes = 64U << 10U;

class Connection {
 public:
  Connection(asio::generic::stream_protocol::socket socket, std::shared_ptr<const Server::Handler> handler,
             ServerOptions options)
      : stream_(std::move(socket)), handler_(std::move(handler)), options_(options) {}

  awaitable<void> run() {
    while (co_await exchange()) {
    }
    error_code ignored;
    stream_.socket().shutdown(asio::socket_base::shutdown_both, ignored);
    stream_.close();
  }

 private:
  /// One request and its answer; false: the connection is done.
  awaitable<bool> exchange() {
    Parser parser;
    parser.header_limit(kMostHeaderBytes);
    parser.body_limit(options_.max_body);
    const error_code failed = co_await receive(parser);
    if (failed) co_return co_await complain(failed);
    version_ = parser.get().version();
    head_ = parser.get().method() == beast::http::verb::head;
    const bool keep_alive = parser.get().keep_alive();
    auto request = to_request(parser.release());
    if (!request) {
      co_await send(error_answer(400, "the target of the request cannot be read"), false);
      co_return false;
    }
    ServerResponse response = co_await handle(std::move(*request));
    if (response.drop) co_return false;
    if (response.stream) co_return co_await send_stream(response, keep_alive);
    co_return co_await send(response, keep_alive);
  }

  /// Reads one request whole. The deadline covers all of it, so that a peer cannot hold a connection by
  /// trickling bytes.
  awaitable<error_code> receive(Parser& parser) {
    error_code failed;
    stream_.expires_after(options_.idle_timeout);
    co_await beast::http::async_read_header(stream_, buffer_, parser,
                                            asio::redirect_error(asio::use_awaitable, failed));
    if (failed) co_return failed;
    if (beast::iequals(parser.get()[beast::http::field::expect], "100-continue")) {
      static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      co_await asio::async_write(stream_, asio::buffer(kContinue),
                                 asio::redirect_error(asio::use_awaitable, failed));
      if (failed) co_return failed;
    }
    co_await beast::http::async_read(stream_, buffer_, parser,
                                     asio::redirect_error(asio::use_awaitable, failed));
    co_return failed;
  }

  /// Answers what can be answered to a request that could not be read.
  awaitable<bool> complain(error_code failed) {
    if (failed == beast::http::error::body_limit) {
      co_await send(error_answer(413, "the body is too long"), false);
      co_await linger();
    } else if (failed == beast::http::error::header_limit || failed == beast::http::error::buffer_overflow) {
      co_await send(error_answer(431, "the headers are too long"), false);
      co_await linger();
    } else if (failed.category() == make_error_code(beast::http::error::bad_method).category() &&
               failed != beast::http::error::end_of_stream && failed != beast::http::error::partial_message) {
      co_await send(error_answer(400, "the request cannot be read: " + failed.message()), false);
      co_await linger();
    }
    co_return false;
  }

  /// Closing while the peer still sends would reset the connection and destroy the answer before it is read.
  awaitable<void> linger() {
    error_code failed;
    stream_.socket().shutdown(asio::socket_base::shutdown_send, failed);
    stream_.expires_after(std::min<Duration>(options_.idle_timeout, std::chrono::seconds(2)));
    std::string sink(16384, '\0');
    for (std::size_t swallowed = 0; !failed && swallowed < 4 * options_.max_body;) {
      swallowed += co_await stream_.async_read_some(asio::buffer(sink),
                                                    asio::redirect_error(asio::use_awaitable, failed));
    }
  }

  awaitable<ServerResponse> handle(ServerRequest request) {
    std::string what;
    try {
      co_return co_await (*handler_)(std::move(request));
    } catch (const std::exception& failure) {
      what = failure.what();
    }
    co_return error_answer(500, "internal error: " + redact_shapes(what));
  }

  awaitable<bool> send(const ServerResponse& response, bool keep_alive) {
    auto message = to_message(response, version_, keep_alive);
    if (head_) {
      message.content_length(response.body.size());
    } else {
      message.body() = response.body;
      message.prepare_payload();
    }
    error_code failed;
    stream_.expires_after(options_.idle_timeout);
    beast::http::response_serializer<beast::http::string_body> serializer(message);
    if (head_) {
      co_await beast::http::async_write_header(stream_, serializer,
                                               asio::redirect_error(asio::use_awaitable, failed));
    } else {
      co_await beast::http::async_write(stream_, serializer,
                                        asio::redirect_error(asio::use_awaitable, failed));
    }
    co_return !failed && message.keep_alive();
  }

  awaitable<bool> send_stream(const ServerResponse& response, bool keep_alive) {
    const bool chunked = version_ >= 11;  // before HTTP/1.1 the end of the connection ends the body
    auto message = to_message(response, version_, keep_alive && chunked);
    if (chunked) message.chunked(true);
    beast::http::response_serializer<beast::http::string_body> serializer(message);
    error_code failed;
    stream_.expires_after(options_.idle_timeout);
    co_await beast::http::async_write_header(stream_, serializer,
                                             asio::redirect_error(asio::use_awaitable, failed));
    if (failed || head_) co_return !failed && message.keep_alive();
    stream_.expires_never();
    bool alive = true;
    const SendChunk sink = [&](std::string chunk) -> awaitable<bool> {
      if (alive && !chunk.empty()) alive = co_await send_chunk(std::move(chunk), chunked);
      co_return alive;
    };
    try {
      co_await response.stream(sink);
    } catch (const std::exception&) {
      co_return false;  // the missing last chunk tells the peer that the body is incomplete
    }
    if (!alive) co_return false;
    if (chunked) {
      stream_.expires_after(options_.idle_timeout);
      co_await asio::async_write(stream_, beast::http::make_chunk_last(),
                                 asio::redirect_error(asio::use_awaitable, failed));
    }
    co_return !failed && message.keep_alive();
  }

  awaitable<bool> send_chunk(std::string chunk, bool chunked) {
    if (peer_left()) co_return false;
    error_code failed;
    stream_.expires_after(options_.idle_timeout);
    if (chunked) {
      co_await asio::async_write(stream_, beast::http::make_chunk(asio::buffer(chunk)),
                                 asio::redirect_error(asio::use_awaitable, failed));
    } else {
      co_await asio::async_write(stream_, asio::buffer(chunk),
                                 asio::redirect_error(asio::use_awaitable, failed));
    }
    stream_.expires_never();
    co_return !failed;
  }

  /// The first write after the peer closed would still succeed.
  bool peer_left() {
    char byte = 0;
    const auto got = ::recv(stream_.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
  }

  Stream stream_;
  std::shared_ptr<const Server::Handler> handler_;
  ServerOptions options_;
  beast::flat_buffer buffer_;
  unsigned version_{11};
  bool head_{false};
};

}  // namespace

awaitable<void> serve(asio::generic::stream_protocol::socket socket,
                      std::shared_ptr<const Server::Handler> handler, ServerOptions options) {
  Connection connection(std::move(socket), std::move(handler), options);
  try {
    co_await connection.run();
  } catch (const boost::system::system_error&) {
    // Cancelled: the server is stopping.
  }
}

}  // namespace gpuwarden::http
