#include "gpuwarden/app/application.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "gpuwarden/app/logging.hpp"
#include "gpuwarden/app/replay.hpp"
#include "gpuwarden/cli/context.hpp"
#include "gpuwarden/control/loop.hpp"
#include "gpuwarden/ops/explain.hpp"

#include "control_socket.hpp"
#include "daemon.hpp"
#include "process.hpp"
#include "services.hpp"

namespace gpuwarden::app {
namespace {

cli::Output standard_output() {
  cli::Output output{std::cout, std::cerr};
  const char* terminal = std::getenv("TERM");
  const bool wanted =
      std::getenv("NO_COLOR") == nullptr && terminal != nullptr && std::string_view(terminal) != "dumb";
  output.colour = wanted && isatty(STDOUT_FILENO) == 1;
  output.err_colour = wanted && isatty(STDERR_FILENO) == 1;
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) output.width = size.ws_col;
  return output;
}

/// Of commands that only look: what they would log is in what they print.
class NoLog : public ports::Log {
 public:
  void write(ports::LogLevel /*level*/, std::string_view /*event*/, std::string_view /*message*/,
             const ports::LogFields& /*fields*/) override {}
};

/// A one-shot cycle that acts tells errors when they happen, on standard error.
std::unique_ptr<ports::Log> quiet_log(const cli::Invocation& invocation, const World& world) {
  if (invocation.command != "once" || invocation.dry_run) return std::make_unique<NoLog>();
  LogSettings settings;
  settings.level = "error";
  return make_log(settings, world.redactor, world.clock);
}

/// "-" = standard input.
Result<std::string> read_whole_file(const std::string& path) {
  constexpr std::size_t kMost = std::size_t{16} << 20U;
  std::ifstream file;
  if (path != "-") file.open(path, std::ios::binary);
  std::istream& in = path == "-" ? std::cin : file;
  const auto trouble = [&path] {
    return fail(errno == ENOENT ? ErrorKind::not_found : ErrorKind::unavailable,
                fmt::format("{}: {}", path, std::generic_category().message(errno)));
  };
  if (!in) return trouble();
  std::string text, chunk(std::size_t{64} * 1024, '\0');
  while (in && text.size() < kMost) {
    in.read(chunk.data(), static_cast<std::streamsize>(chunk.size()));
    if (in.bad()) return trouble();
    text.append(chunk, 0, static_cast<std::size_t>(in.gcount()));
  }
  return text;
}

/// Ends with Ctrl-C or SIGTERM, also with one that came before.
boost::asio::awaitable<void> signalled(boost::asio::signal_set& signals) {
  boost::system::error_code cancelled;
  co_await signals.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, cancelled));
}

int run_command(const cli::Invocation& invocation, const config::Loaded& loaded, cli::Output output) {
  boost::asio::io_context io(1);
  std::optional<World> world;
  std::unique_ptr<ports::Log> log;
  std::unique_ptr<control::ControlLoop> loop;
  boost::asio::signal_set signals(io);
  cli::Services services;
  if (loaded.config) {
    world.emplace(io.get_executor(), *loaded.config);
    log = quiet_log(invocation, *world);
    loop = std::make_unique<control::ControlLoop>(environment(*world, *log),
                                                  loop_settings(*loaded.config, holder_name()));
    services.store = world->store;
    services.provider = world->provider;
    services.shell = world->shell;
    services.clock = std::make_shared<SystemClock>();
    services.ask_daemon = [&world, socket = loaded.config->daemon.socket_path](std::string path) {
      return ask_daemon(world->http, socket, std::move(path));
    };
    services.cycle = [&loop](bool dry) -> ports::Async<control::CycleSummary> {
      co_return co_await loop->once(dry);
    };
    services.check_pod = [&](control::PodCheckupHooks hooks) {
      signals.add(SIGINT);
      signals.add(SIGTERM);
      hooks.called_off = [&signals] { return signalled(signals); };
      return control::check_pod(environment(*world, *log), loop_settings(*loaded.config, holder_name()),
                                std::move(hooks));
    };
    services.explain = [&loop](std::string worker) -> ports::Async<std::string> {
      co_await loop->once(true);
      co_return ops::explain_json(*loop, WorkerId(std::move(worker))).value_or("");
    };
  }
  int code = cli::kFailed;
  bool interrupted = false;
  boost::asio::cancellation_signal interrupt;
  if (invocation.follow) {
    // What was being followed is left; that is its proper end.
    signals.add(SIGINT);
    signals.add(SIGTERM);
    signals.async_wait([&](boost::system::error_code problem, int) {
      if (problem) return;
      interrupted = true;
      interrupt.emit(boost::asio::cancellation_type::terminal);
    });
  }
  boost::asio::co_spawn(io, cli::run_online(invocation, loaded, std::move(services), output),
                        boost::asio::bind_cancellation_slot(
                            interrupt.slot(), [&](const std::exception_ptr& failure, int result) {
                              if (failure && !interrupted) std::rethrow_exception(failure);
                              code = interrupted ? cli::kDone : result;
                              io.stop();
                            }));
  io.run();
  return code;
}

/// `run` tells a configuration that does not hold the way it would log: systemd's journal gets JSON lines.
int refuse_run(const config::Loaded& loaded, const cli::Output& output) {
  const auto format = loaded.values.find("LOG_FORMAT");
  const bool given = format != loaded.values.end();
  if (given ? format->second.reveal() != "json" : isatty(STDERR_FILENO) == 1)
    return cli::refuse_configuration(loaded, output);
  Redactor redactor;
  for (const config::Entry& entry : loaded.entries) {
    const auto value = loaded.values.find(entry.name);
    if (entry.secret && value != loaded.values.end()) redactor.add(value->second.reveal());
  }
  LogSettings settings;
  settings.json = true;
  const SystemClock clock;
  const auto log = make_log(settings, redactor, clock);
  for (const config::Problem& problem : loaded.errors)
    log->error("configuration", problem.message, {{"name", problem.name}});
  log->error("refused", "nothing was started. Next: gpuwarden config --check",
             {{"errors", std::to_string(loaded.errors.size())}});
  return cli::kUsage;
}

}  // namespace

int run_application(int argc, const char* const* argv) {
  std::signal(SIGPIPE, SIG_IGN);
  harden_process();
  cli::Output output = standard_output();
  cli::ParsedLine line = cli::parse(argc, argv, output);
  if (!line.invocation) return line.exit_code;
  if (line.invocation->actor.empty()) line.invocation->actor = operator_name();
  const cli::Invocation& invocation = *line.invocation;
  output.json = invocation.json;

  // The log is what `run` writes; --json asks for the format that LOG_FORMAT=json gives, after SIGHUP too.
  if (invocation.command == "run" && invocation.json) ::setenv("LOG_FORMAT", "json", 1);

  const config::Source source = read_source();
  cli::Offline offline;
  offline.replay = [](const cli::ReplayRequest& request) { return replay({request.file, request.changes}); };
  offline.read_file = read_whole_file;
  if (const auto code = cli::run_offline(invocation, source, offline, output)) return *code;
  const config::Loaded loaded = config::load(source, cli::ssh_key_need(invocation));
  if (invocation.command != "run") return run_command(invocation, loaded, output);
  return loaded.config ? run_daemon(loaded) : refuse_run(loaded, output);
}

}  // namespace gpuwarden::app
