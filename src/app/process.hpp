#pragma once

#include <string>

#include "gpuwarden/config/config.hpp"

namespace gpuwarden::app {

/// No core dumps and no ptrace by other processes of the same user: secrets stay in this process.
void harden_process();

/// The process environment, overlaid with the file that GPUWARDEN_ENV_FILE names (KEY=VALUE lines, as
/// systemd's EnvironmentFile). The file is read anew on each call, which is what SIGHUP uses; its values win.
/// Error (invalid_input): the file is named but cannot be read, or a line is no assignment.
Result<config::Source> read_source();

/// Random, once per process; names it in the leader lease: "host:pid:hex".
std::string holder_name();

}  // namespace gpuwarden::app
