#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "gpuwarden/http/server.hpp"

namespace gpuwarden::fakes {

/// Runs the loop until `work` has ended and gives its result. Throws what it threw, and after 30 s.
template <class T>
T run(boost::asio::io_context& io, boost::asio::awaitable<T> work) {
  std::optional<T> result;
  std::exception_ptr thrown;
  boost::asio::co_spawn(io, std::move(work), [&](std::exception_ptr error, T value) {
    thrown = error;
    result.emplace(std::move(value));
  });
  io.restart();
  while (!result) {
    if (io.run_one_for(std::chrono::seconds(30)) == 0) throw std::runtime_error("nothing happened for 30 s");
  }
  if (thrown) std::rethrow_exception(thrown);
  return std::move(*result);
}

/// An HTTP service on loopback that answers by a function and keeps what it was asked.
class LoopbackService {
 public:
  /// `number` counts the requests from 1.
  using Answer = std::function<http::ServerResponse(const http::ServerRequest& request, int number)>;
  using Handler = http::Server::Handler;

  LoopbackService(boost::asio::io_context& io, Answer answer)
      : LoopbackService(
            io, Handler([this, answer = std::move(answer)](
                            http::ServerRequest request) -> boost::asio::awaitable<http::ServerResponse> {
              co_return answer(request, static_cast<int>(requests.size()));
            })) {}

  LoopbackService(boost::asio::io_context& io, Handler handler)
      : server_(io.get_executor(), [this, handler = std::move(handler)](http::ServerRequest request) {
          requests.push_back(request);
          return handler(std::move(request));
        }) {
    const auto port = server_.listen_tcp("127.0.0.1", 0);
    if (!port) throw std::runtime_error(port.error().message);
    url = "http://127.0.0.1:" + std::to_string(*port);
  }

  int count(std::string_view method) const {
    int n = 0;
    for (const auto& request : requests) n += request.method == method ? 1 : 0;
    return n;
  }

  std::string url;
  std::vector<http::ServerRequest> requests;

 private:
  http::Server server_;
};

inline http::ServerResponse json_answer(int status, std::string body) {
  http::ServerResponse response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

inline http::ServerResponse html_answer(int status) {
  http::ServerResponse response;
  response.status = status;
  response.headers = {{"Content-Type", "text/html"}};
  response.body = "<!DOCTYPE html><html></html>";
  return response;
}

/// The connection ends without an answer.
inline http::ServerResponse no_answer() {
  http::ServerResponse response;
  response.drop = true;
  return response;
}

/// An address at which nobody listens.
inline std::string dead_url(boost::asio::io_context& io) {
  http::Server server(
      io.get_executor(),
      [](http::ServerRequest) -> boost::asio::awaitable<http::ServerResponse> { co_return no_answer(); });
  const auto port = server.listen_tcp("127.0.0.1", 0);
  server.stop();
  return "http://127.0.0.1:" + std::to_string(port.value_or(1));
}

}  // namespace gpuwarden::fakes
