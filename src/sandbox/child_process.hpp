#pragma once

#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <sys/types.h>

#include "gpuwarden/base/result.hpp"

namespace gpuwarden::sandbox {

/// How far a child is kept from the host.
enum class Isolation {
  namespaces,       ///< own mounts, processes, IPC and host name; needs root
  user_namespaces,  ///< the same without root, inside a user namespace
  none              ///< only its own directories
};
std::string_view to_string(Isolation isolation);

struct SpawnSpec {
  std::vector<std::string> argv;
  std::vector<std::string> env;  ///< all of it: nothing is inherited
  int input{-1};                 ///< becomes stdin; -1 = /dev/null
  int output{-1};                ///< becomes stdout and stderr; -1 = /dev/null
  Isolation isolation{Isolation::none};
};

/// Starts a program in a session of its own. It is killed when the thread that called this ends, however it
/// ends; with namespaces it is pid 1, so that all its descendants die with it. Errors: internal.
Result<pid_t> spawn(const SpawnSpec& spec);

/// Returns the wait status once the child has ended and is reaped. In a namespace of its own: once every
/// process in it is gone.
boost::asio::awaitable<int> wait_for_exit(boost::asio::any_io_executor executor, pid_t child);

struct CommandResult {
  int exit_code{-1};
  std::string output;  ///< stdout and stderr
};
/// Runs a short command to its end, blocking: for the preparation of a sandbox.
CommandResult run_command(const std::vector<std::string>& argv, const std::vector<std::string>& env = {});
/// The same without blocking the loop, with text for its stdin.
boost::asio::awaitable<CommandResult> run_command(boost::asio::any_io_executor executor, SpawnSpec spec,
                                                  std::string input);

}  // namespace gpuwarden::sandbox
