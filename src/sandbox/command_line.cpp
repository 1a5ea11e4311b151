#include "command_line.hpp"

#include <sstream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace gpuwarden::sandbox {
namespace {

using nlohmann::json;

constexpr int kMostTasks = 100000;
constexpr double kLongestTask = 86400;
constexpr long kLongestDelayMs = 3600000;

constexpr std::string_view kExamples = R"(
Examples:
  gpuwarden-sandbox --dir /tmp/sandbox                        runs until Ctrl-C; then, in another terminal:
  set -a; . /tmp/sandbox/gpuwarden.env; set +a
  gpuwarden run                                               the daemon, working against it
  gpuwarden-sandbox tasks add 20 --dir /tmp/sandbox           something to do
  gpuwarden-sandbox scenario worker-crash --dir /tmp/sandbox  some trouble
  gpuwarden-sandbox scenario healthy --dir /tmp/sandbox       and its end
)";

/// One line for an error, with the way to the help.
tl::unexpected<Error> wrong(const std::string& what) {
  return fail(ErrorKind::invalid_input, what + " (see gpuwarden-sandbox --help)");
}

}  // namespace

Result<Command> parse_command_line(int argc, const char* const* argv) {
  CLI::App app(
      "Everything that gpuwarden talks to, on loopback: PostgreSQL, PostgREST, a stand-in for Runpod with "
      "real\n"
      "SSH servers as pods, the repository of a sample worker. Without a command it runs until it is told to "
      "stop.",
      "gpuwarden-sandbox");
  app.fallthrough();
  app.footer("\nScenarios:\n" + scenario_help() + std::string(kExamples));
  SandboxOptions options;
  std::string scenario = "healthy";
  bool fast = false;
  long provision_ms = options.provision_delay.count(), pull_ms = options.pull_delay.count(),
       start_ms = options.start_delay.count();
  app.add_option("--dir", options.dir, "Directory for everything that is written; names the sandbox");
  app.add_option("--scenario", scenario, "What goes wrong from the start; see below")->capture_default_str();
  app.add_flag("--fast", fast, "No delays in a pod's life");
  const CLI::Range delay(0L, kLongestDelayMs, "milliseconds");
  app.add_option("--provision-delay-ms", provision_ms, "Time in PROVISIONING")->check(delay);
  app.add_option("--pull-delay-ms", pull_ms, "Time of the image pull")->check(delay);
  app.add_option("--start-delay-ms", start_ms, "Time until the SSH port is mapped")->check(delay);
  app.add_option("--quota", options.quota_per_minute, "Requests a minute to the Runpod stand-in")
      ->check(CLI::Range(1L, 1000000L, "requests"));
  app.add_option("--port-base", options.port_base, "First port of the pods' SSH servers")
      ->check(CLI::Range(1024, 65000, "port"));
  bool only_directories = false, no_database = false;
  app.add_flag("--no-namespaces", only_directories, "Pods are only directories");
  app.add_flag("--no-database", no_database, "Only the Runpod stand-in and the worker's repository");

  std::string name;
  auto* scenario_command =
      app.add_subcommand("scenario", "Switch the running sandbox to a scenario; without a name: list them");
  scenario_command->add_option("name", name, "Name, or name:parameter");
  scenario_command->footer("\nScenarios:\n" + scenario_help());
  int count = 1;
  double seconds = 2;
  auto* tasks = app.add_subcommand("tasks", "Show the tasks of the running sandbox");
  auto* add = tasks->add_subcommand("add", "Queue tasks");
  add->add_option("count", count, "How many")->required()->check(CLI::Range(1, kMostTasks, "tasks"));
  add->add_option("--seconds", seconds, "How long each one takes")
      ->capture_default_str()
      ->check(CLI::Range(0.0, kLongestTask, "seconds"));
  auto* state = app.add_subcommand("state", "Show the state of the running sandbox");
  auto* stop = app.add_subcommand("stop", "End the running sandbox");
  app.require_subcommand(0, 1);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {
    std::ostringstream text, ignored;
    app.exit(asked, text, ignored);
    return text.str();
  } catch (const CLI::ParseError& error) {
    return wrong(error.what());
  }

  if (*scenario_command && name.empty()) return "Scenarios:\n" + scenario_help();
  const auto wanted = parse_scenario(*scenario_command ? name : scenario);
  if (!wanted) return wrong(wanted.error().message);
  if (options.dir.empty()) return wrong("--dir is missing: the directory that names the sandbox");
  if (*scenario_command)
    return ClientCommand{options.dir, "POST", "/sandbox/scenario", json{{"name", name}}.dump()};
  if (*add)
    return ClientCommand{options.dir, "POST", "/sandbox/tasks",
                         json{{"count", count}, {"seconds", seconds}}.dump()};
  if (*tasks) return ClientCommand{options.dir, "GET", "/sandbox/tasks", ""};
  if (*state) return ClientCommand{options.dir, "GET", "/sandbox/state", ""};
  if (*stop) return ClientCommand{options.dir, "POST", "/sandbox/stop", "{}"};

  options.scenario = *wanted;
  options.namespaces = !only_directories;
  options.database = !no_database;
  options.provision_delay = Duration(fast ? 0 : provision_ms);
  options.pull_delay = Duration(fast ? 0 : pull_ms);
  options.start_delay = Duration(fast ? 0 : start_ms);
  return options;
}

}  // namespace gpuwarden::sandbox
