#include "control_socket.hpp"

#include <cerrno>
#include <chrono>
#include <optional>
#include <system_error>
#include <utility>

#include <unistd.h>

namespace gpuwarden::app {
namespace {

/// Why nobody can be asked over this socket, as far as the file system says.
std::optional<Error> socket_trouble(const std::string& socket) {
  if (::access(socket.c_str(), R_OK | W_OK) == 0) return std::nullopt;
  const int error = errno;
  Error trouble;
  if (error == ENOENT || error == ENOTDIR) {
    trouble.kind = ErrorKind::not_found;
    trouble.message = "nothing listens on " + socket;
  } else {
    trouble.kind = error == EACCES ? ErrorKind::unauthorized : ErrorKind::unavailable;
    trouble.message = socket + ": " + std::generic_category().message(error);
  }
  return trouble;
}

}  // namespace

ports::Async<std::string> ask_daemon(http::Client& http, std::string socket, std::string path) {
  if (auto trouble = socket_trouble(socket)) co_return fail(std::move(*trouble));
  http::Request request;
  request.url = "http://localhost" + path;
  request.unix_socket = socket;
  request.timeout = std::chrono::seconds(5);
  auto response = co_await http.fetch(std::move(request));
  // A socket that a dead daemon left behind refuses at once.
  if (!response && response.error().kind == ErrorKind::unavailable)
    co_return fail(ErrorKind::not_found, "nothing answers on " + socket);
  if (!response) co_return fail(response.error().within(socket));
  if (response->status != 200)
    co_return fail(ErrorKind::malformed, "the daemon answered " + std::to_string(response->status));
  co_return std::move(response->body);
}

}  // namespace gpuwarden::app
