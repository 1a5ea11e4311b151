#include "services.hpp"

#include <memory>
#include <random>
#include <utility>

#include "gpuwarden/app/version.hpp"
#include "gpuwarden/app/worker_token.hpp"
#include "gpuwarden/bootstrap/script.hpp"

namespace gpuwarden::app {
namespace {

http::ClientOptions client_options() {
  http::ClientOptions options;
  options.user_agent = std::string("gpuwarden/") + kVersion;
  return options;
}

supabase::Settings store_settings(const config::Config& config) {
  supabase::Settings settings;
  settings.url = config.supabase.url;
  settings.key = config.supabase.secret_key;
  settings.count_by_edge_function = config.supabase.count_by_edge_function;
  return settings;
}

runpod::Settings provider_settings(const config::Config& config) {
  runpod::Settings settings;
  settings.url = config.runpod.api_url;
  settings.api_key = config.runpod.api_key;
  settings.min_cuda = config.control.min_cuda;
  return settings;
}

}  // namespace

World::World(const boost::asio::any_io_executor& executor, const config::Config& config)
    : http(executor, client_options()),
      store(std::make_shared<supabase::SupabaseStore>(http, store_settings(config))),
      provider(std::make_shared<runpod::RunpodProvider>(http, clock, provider_settings(config))),
      shell(std::make_shared<SshPodShell>(executor, config.ssh.private_key)) {
  config::teach(redactor, config);
}

control::LoopSettings loop_settings(const config::Config& config, std::string holder) {
  control::LoopSettings settings;
  settings.control = config.control;
  settings.policy = config.policy;
  settings.bootstrap = config.bootstrap;
  settings.bootstrap.ship_logs = config.supabase.db_logging;
  settings.policy.script_hash = bootstrap::script_hash(config.bootstrap, config.control.image);
  settings.holder = std::move(holder);
  settings.ssh_public_key = config.ssh.public_key;
  settings.publishable_key = config.supabase.publishable_key;
  return settings;
}

control::Environment environment(World& world, ports::Log& log) {
  auto engine = std::make_shared<std::mt19937_64>(std::random_device{}());
  return {*world.store,
          *world.provider,
          *world.shell,
          world.clock,
          log,
          [engine] { return (*engine)(); },
          make_worker_token,
          [&redactor = world.redactor](std::string_view text) { return redactor.redact(text); }};
}

}  // namespace gpuwarden::app
