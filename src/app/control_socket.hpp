#pragma once

#include <string>

#include "gpuwarden/http/client.hpp"
#include "gpuwarden/ports/task_store.hpp"

namespace gpuwarden::app {

/// GET on the daemon's control socket: the body. Errors: not_found (nobody listens there), unauthorized (this
/// user may not ask), malformed (an answer that is no 200), and those of the connection.
ports::Async<std::string> ask_daemon(http::Client& http, std::string socket, std::string path);

}  // namespace gpuwarden::app
