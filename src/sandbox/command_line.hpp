#pragma once

#include <string>
#include <variant>

#include "gpuwarden/base/result.hpp"
#include "gpuwarden/sandbox/sandbox.hpp"

namespace gpuwarden::sandbox {

/// A request to the sandbox that runs in `dir`.
struct ClientCommand {
  std::string dir, method, path, body;
};
/// What the arguments ask for: a sandbox to run, a request to a running one, or a text (help, a list) to
/// print.
using Command = std::variant<SandboxOptions, ClientCommand, std::string>;

/// Reads the program's arguments. Errors: invalid_input with a text that says what to type instead.
Result<Command> parse_command_line(int argc, const char* const* argv);

}  // namespace gpuwarden::sandbox
