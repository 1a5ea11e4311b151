#pragma once

#include <memory>

#include "gpuwarden/ports/clock.hpp"
#include "gpuwarden/ports/pod_shell.hpp"

#include "simulation/call.hpp"
#include "simulation/cloud.hpp"

namespace gpuwarden::simulation {

/// ports::PodShell of one life of the daemon: SSH to the pods of the simulated account. Knows the commands of
/// bootstrap (launch, follow, probe, collect) by their texts and answers as the scripts on the pod do. Calls
/// that fates decide: "connect <worker>", "launch <worker>", "follow <worker>", "probe <worker>",
/// "collect <worker>". Of a command, failed_but_done means that the connection breaks off in the middle.
class SimShell final : public ports::PodShell {
 public:
  /// All references must outlive the calls under way.
  SimShell(Cloud& cloud, Fates& fates, ports::Clock& clock, Random random);
  ports::Async<std::unique_ptr<ports::ShellSession>> connect(ports::ShellTarget target) override;

 private:
  struct Wire;
  class Session;
  std::shared_ptr<Wire> wire_;
};

}  // namespace gpuwarden::simulation
