#pragma once

#include <cstddef>
#include <string>

#include "gpuwarden/config/config.hpp"

namespace gpuwarden::app {

/// No core dumps and no ptrace by other processes of the same user: secrets stay in this process.
void harden_process();

/// The process environment, overlaid with the environment file. Both are read anew on each call, which is
/// what SIGHUP uses.
config::Source read_source();

/// Gives memory back that a burst of work took: glibc keeps freed memory between blocks in use, so that a
/// daemon once busy would stay large.
class BurstMemory {
 public:
  /// After each tick, with the number of actions in flight.
  void after_tick(std::size_t in_flight);

 private:
  bool burst_{false};
};

/// Random, once per process; names it in the leader lease: "host:pid:hex".
std::string holder_name();
/// Who types: $SUDO_USER, $USER, $LOGNAME, or what the system calls this user.
std::string operator_name();

}  // namespace gpuwarden::app
