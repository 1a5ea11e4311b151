// gpuwarden-sandbox: everything that gpuwarden talks to, on this machine; and the client of a running one.
#include <csignal>
#include <iostream>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "client.hpp"
#include "command_line.hpp"

namespace {

namespace asio = boost::asio;
using namespace gpuwarden;
using namespace gpuwarden::sandbox;

constexpr int kFailed = 1, kWrongUsage = 2, kUnreachable = 3;

int complain(const Error& error) {
  std::cerr << "gpuwarden-sandbox: " << error.message << std::endl;
  // A conflict is a directory that is another sandbox's.
  if (error.kind == ErrorKind::invalid_input || error.kind == ErrorKind::conflict) return kWrongUsage;
  return error.kind == ErrorKind::not_found || error.kind == ErrorKind::timeout ? kUnreachable : kFailed;
}

int ask_and_print(const ClientCommand& command) {
  const auto answer = ask(command.dir, command.method, command.path, command.body);
  if (!answer) return complain(answer.error());
  // People get it readable, programs on one line.
  const auto json = nlohmann::json::parse(*answer, nullptr, false);
  std::cout << (::isatty(STDOUT_FILENO) != 0 && !json.is_discarded() ? json.dump(2) : *answer) << std::endl;
  return 0;
}

void say_what_is_next(const std::string& dir, const SandboxReady& ready) {
  std::cerr << fmt::format(
      "The sandbox is up; Ctrl-C ends it. In another terminal:\n"
      "  set -a; . {0}; set +a\n  gpuwarden run\n  gpuwarden-sandbox tasks add 20 --dir {1}\n"
      "  gpuwarden-sandbox scenario --help\n",
      ready.env_file, dir);
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
  asio::signal_set signals(io, SIGINT, SIGTERM, SIGHUP);
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
      if (::isatty(STDOUT_FILENO) != 0) say_what_is_next(options.dir, sandbox.ready());
      co_return;
    }
    exit_code = complain(started.error());
    stop();
  };
  asio::co_spawn(io, bring_up(), asio::detached);
  io.run();
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  const auto command = parse_command_line(argc, argv);
  if (!command) return complain(command.error());
  if (const auto* text = std::get_if<std::string>(&*command)) {
    std::cout << *text;
    return 0;
  }
  if (const auto* request = std::get_if<ClientCommand>(&*command)) return ask_and_print(*request);
  return run(std::get<SandboxOptions>(*command));
}
