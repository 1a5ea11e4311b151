// gpuwarden-sandbox: everything that gpuwarden talks to, on this machine; and the client of a running one.
#include <csignal>
#include <iostream>

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "gpuwarden/sandbox/sandbox.hpp"

#include "client.hpp"

namespace {

namespace asio = boost::asio;
using namespace gpuwarden;
using namespace gpuwarden::sandbox;

int report(const Result<std::string>& answer) {
  if (!answer) {
    std::cerr << "gpuwarden-sandbox: " << answer.error().message << '\n';
    return answer.error().kind == ErrorKind::refused ? 1 : 3;
  }
  std::cout << *answer << '\n';
  return 0;
}

asio::awaitable<void> end(asio::io_context& io, Sandbox& sandbox, asio::signal_set& signals) {
  // Whoever asked over the control API gets the answer before the server closes.
  asio::steady_timer answered(io, std::chrono::milliseconds(50));
  co_await answered.async_wait(asio::use_awaitable);
  co_await sandbox.stop();
  signals.cancel();
  io.stop();
}

int run(const SandboxOptions& options) {
  std::signal(SIGPIPE, SIG_IGN);
  asio::io_context io(1);
  Sandbox sandbox(io.get_executor(), options);
  asio::signal_set signals(io, SIGINT, SIGTERM);
  int exit_code = 0;
  bool ending = false;
  const auto stop = [&] {
    if (std::exchange(ending, true)) return;
    asio::co_spawn(io, end(io, sandbox, signals), asio::detached);
  };
  signals.async_wait([&](const boost::system::error_code& error, int) {
    if (!error) stop();
  });
  sandbox.on_stop_request(stop);
  const auto bring_up = [&]() -> asio::awaitable<void> {
    const auto started = co_await sandbox.start();
    if (started) {
      std::cout << ready_json(sandbox.ready()) << std::endl;
      co_return;
    }
    std::cerr << "gpuwarden-sandbox: " << started.error().message << std::endl;
    exit_code = 1;
    stop();
  };
  asio::co_spawn(io, bring_up(), asio::detached);
  io.run();
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Everything that gpuwarden talks to, on loopback. Without a command it runs until it is told to stop.");
  app.fallthrough();
  SandboxOptions options;
  std::string scenario = "healthy";
  bool fast = false;
  long provision_ms = options.provision_delay.count(), pull_ms = options.pull_delay.count(),
       start_ms = options.start_delay.count();
  app.add_option("--dir", options.dir, "Directory for everything that is written")->required();
  app.add_option("--scenario", scenario, fmt::format("{}", fmt::join(scenario_names(), ", ")));
  app.add_flag("--fast", fast, "No delays in a pod's life");
  app.add_option("--provision-delay-ms", provision_ms, "Time in PROVISIONING");
  app.add_option("--pull-delay-ms", pull_ms, "Time of the image pull");
  app.add_option("--start-delay-ms", start_ms, "Time until the SSH port is mapped");
  app.add_option("--quota", options.quota_per_minute, "Requests a minute to the Runpod stand-in");
  app.add_option("--port-base", options.port_base, "First port of the pods' SSH servers");
  app.add_flag("!--no-namespaces", options.namespaces, "Pods are only directories");
  app.add_flag("!--no-database", options.database, "Only the Runpod stand-in and the worker's repository");

  std::string name;
  auto* scenario_command = app.add_subcommand("scenario", "Switch the running sandbox to a scenario");
  scenario_command->add_option("name", name, "Name, or name:parameter")->required();
  int count = 1;
  double seconds = 2;
  auto* tasks = app.add_subcommand("tasks", "Show the tasks of the running sandbox");
  auto* add = tasks->add_subcommand("add", "Queue tasks");
  add->add_option("count", count, "How many")->required();
  add->add_option("--seconds", seconds, "How long each one takes");
  auto* state = app.add_subcommand("state", "Show the state of the running sandbox");
  auto* stop = app.add_subcommand("stop", "End the running sandbox");
  app.require_subcommand(0, 1);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }

  if (*scenario_command)
    return report(ask(options.dir, "POST", "/sandbox/scenario", fmt::format(R"({{"name":"{}"}})", name)));
  if (*add)
    return report(ask(options.dir, "POST", "/sandbox/tasks",
                      fmt::format(R"({{"count":{},"seconds":{}}})", count, seconds)));
  if (*tasks) return report(ask(options.dir, "GET", "/sandbox/tasks"));
  if (*state) return report(ask(options.dir, "GET", "/sandbox/state"));
  if (*stop) return report(ask(options.dir, "POST", "/sandbox/stop", "{}"));

  const auto wanted = parse_scenario(scenario);
  if (!wanted) {
    std::cerr << "gpuwarden-sandbox: " << wanted.error().message << '\n';
    return 2;
  }
  options.scenario = *wanted;
  options.provision_delay = Duration(fast ? 0 : provision_ms);
  options.pull_delay = Duration(fast ? 0 : pull_ms);
  options.start_delay = Duration(fast ? 0 : start_ms);
  return run(options);
}
