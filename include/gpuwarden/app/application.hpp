#pragma once

namespace gpuwarden::app {

/// The whole program: parses the command line, runs the command, returns the exit code.
int run_application(int argc, const char* const* argv);

}  // namespace gpuwarden::app
