#pragma once

#include "gpuwarden/config/config.hpp"

namespace gpuwarden::app {

/// `gpuwarden run`: until SIGTERM or SIGINT; SIGHUP re-reads the configuration. Returns the exit code.
int run_daemon(const config::Loaded& loaded);

}  // namespace gpuwarden::app
