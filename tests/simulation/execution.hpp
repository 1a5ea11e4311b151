#pragma once

#include <memory>

#include "gpuwarden/ports/clock.hpp"
#include "gpuwarden/ports/pod_shell.hpp"

#include "simulation/call.hpp"
#include "simulation/cloud.hpp"
#include "simulation/container.hpp"

namespace gpuwarden::simulation {

/// What every connection of one shell uses. May outlive the shell, never what it refers to.
struct ShellWire : std::enable_shared_from_this<ShellWire> {
  ShellWire(Cloud& the_cloud, Fates& the_fates, ports::Clock& the_clock, Random the_random)
      : cloud(the_cloud), fates(the_fates), clock(the_clock), random(the_random) {}
  Cloud& cloud;
  Fates& fates;
  ports::Clock& clock;
  Random random;
};

/// Runs one command of bootstrap over a connection to a container, which may be gone by now.
ports::Async<ports::ShellResult> execute(std::shared_ptr<ShellWire> wire, std::weak_ptr<Container> container,
                                         ports::ShellCommand command);

}  // namespace gpuwarden::simulation
