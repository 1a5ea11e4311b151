#pragma once

#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>

#include "gpuwarden/app/clock.hpp"
#include "gpuwarden/app/ssh_pod_shell.hpp"
#include "gpuwarden/base/redact.hpp"
#include "gpuwarden/config/config.hpp"
#include "gpuwarden/control/environment.hpp"
#include "gpuwarden/http/client.hpp"
#include "gpuwarden/runpod/provider.hpp"
#include "gpuwarden/supabase/store.hpp"

namespace gpuwarden::app {

/// The real outside world, built from a valid configuration. Members in the order in which they need each
/// other.
struct World {
  World(const boost::asio::any_io_executor& executor, const config::Config& config);

  Redactor redactor;                                 // what must never be printed
  SystemClock clock;                                 // time
  http::Client http;                                 // one pool of connections for both services
  std::shared_ptr<supabase::SupabaseStore> store;    // the queue and the fleet's rows
  std::shared_ptr<runpod::RunpodProvider> provider;  // pods
  std::shared_ptr<SshPodShell> shell;                // SSH to the pods
};

/// Settings of the control loop, with script hash and keys filled in.
control::LoopSettings loop_settings(const config::Config& config, std::string holder);

/// The loop's environment over the real world.
control::Environment environment(World& world, ports::Log& log);

}  // namespace gpuwarden::app
