#pragma once

#include <string>

#include "gpuwarden/config/config.hpp"

namespace gpuwarden::app {

/// No core dumps and no ptrace by other processes of the same user: secrets stay in this process.
void harden_process();

/// The process environment, overlaid with the environment file. Both are read anew on each call, which is
/// what SIGHUP uses.
config::Source read_source();

/// Random, once per process; names it in the leader lease: "host:pid:hex".
std::string holder_name();
/// Who types: $SUDO_USER, $USER, $LOGNAME, or what the system calls this user.
std::string operator_name();

}  // namespace gpuwarden::app
