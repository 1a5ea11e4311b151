#include "gpuwarden/app/application.hpp"

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <sys/ioctl.h>
#include <unistd.h>

#include "gpuwarden/app/logging.hpp"
#include "gpuwarden/cli/context.hpp"
#include "gpuwarden/control/loop.hpp"

#include "daemon.hpp"
#include "process.hpp"
#include "services.hpp"

namespace gpuwarden::app {
namespace {

using boost::asio::awaitable;

cli::Output standard_output() {
  cli::Output output{std::cout, std::cerr};
  output.colour = isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) output.width = size.ws_col;
  return output;
}

ports::Async<std::string> ask_daemon(http::Client& http, std::string socket, std::string path) {
  http::Request request;
  request.url = "http://localhost" + path;
  request.unix_socket = std::move(socket);
  request.timeout = std::chrono::seconds(5);
  auto response = co_await http.fetch(std::move(request));
  if (!response) co_return fail(response.error());
  if (response->status != 200)
    co_return fail(ErrorKind::malformed, "the daemon answered " + std::to_string(response->status));
  co_return std::move(response->body);
}

/// Log of a one-shot command: warnings and errors only, on standard error, so that the output stays clean.
LogSettings quiet_log() {
  LogSettings settings;
  settings.level = "error";
  return settings;
}

int run_command(const cli::Invocation& invocation, const config::Loaded& loaded, cli::Output output) {
  boost::asio::io_context io(1);
  std::optional<World> world;
  std::unique_ptr<ports::Log> log;
  std::unique_ptr<control::ControlLoop> loop;
  cli::Services services;
  if (loaded.config) {
    world.emplace(io.get_executor(), *loaded.config);
    log = make_log(quiet_log(), world->redactor, world->clock);
    loop = std::make_unique<control::ControlLoop>(environment(*world, *log),
                                                  loop_settings(*loaded.config, holder_name()));
    services.store = world->store;
    services.provider = world->provider;
    services.clock = std::make_shared<SystemClock>();
    services.ask_daemon = [&world, socket = loaded.config->daemon.socket_path](std::string path) {
      return ask_daemon(world->http, socket, std::move(path));
    };
    services.cycle = [&loop](bool dry) -> ports::Async<control::CycleSummary> {
      co_return co_await loop->once(dry);
    };
  }
  int code = cli::kFailed;
  boost::asio::co_spawn(io, cli::run_online(invocation, loaded, std::move(services), output),
                        [&](const std::exception_ptr& failure, int result) {
                          if (failure) std::rethrow_exception(failure);
                          code = result;
                          io.stop();
                        });
  io.run();
  return code;
}

int refuse(const config::Loaded& loaded, std::ostream& err) {
  for (const config::Problem& problem : loaded.errors)
    err << "error: " << problem.name << ": " << problem.message << "\n";
  err << loaded.errors.size() << (loaded.errors.size() == 1 ? " error" : " errors")
      << " in the configuration; nothing was started. See: gpuwarden config --explain\n";
  return cli::kUsage;
}

}  // namespace

int run_application(int argc, const char* const* argv) {
  std::signal(SIGPIPE, SIG_IGN);
  harden_process();
  cli::Output output = standard_output();
  const cli::ParsedLine line = cli::parse(argc, argv, output);
  if (!line.invocation) return line.exit_code;
  const cli::Invocation& invocation = *line.invocation;
  output.json = invocation.json;

  auto source = read_source();
  if (!source) {
    std::cerr << "error: " << source.error().message << "\n";
    return cli::kUsage;
  }
  if (const auto code = cli::run_offline(invocation, *source, output)) return *code;

  const config::Loaded loaded = config::load(*source, true);
  if (!loaded.config && invocation.command != "doctor") return refuse(loaded, std::cerr);
  if (invocation.command == "run") return run_daemon(loaded);
  return run_command(invocation, loaded, output);
}

}  // namespace gpuwarden::app
