#include "daemon.hpp"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "gpuwarden/app/logging.hpp"
#include "gpuwarden/app/version.hpp"
#include "gpuwarden/base/format.hpp"
#include "gpuwarden/control/loop.hpp"
#include "gpuwarden/http/server.hpp"
#include "gpuwarden/ops/api.hpp"

#include "process.hpp"
#include "services.hpp"

namespace gpuwarden::app {
namespace {

using boost::asio::awaitable;

LogSettings log_settings(const config::DaemonSettings& daemon) {
  LogSettings settings;
  settings.level = daemon.log_level;
  const bool terminal = isatty(STDERR_FILENO) == 1;
  settings.json = daemon.log_format.empty() ? !terminal : daemon.log_format == "json";
  settings.colour = terminal && std::getenv("NO_COLOR") == nullptr;
  settings.file = daemon.log_file;
  return settings;
}

void rethrow(const std::exception_ptr& failure) {
  if (failure) std::rethrow_exception(failure);
}

/// The daemon's parts, top down.
class Daemon {
 public:
  explicit Daemon(config::Loaded loaded)
      : loaded_(std::move(loaded)),
        config_(*loaded_.config),
        world_(io_.get_executor(), config_),
        log_(make_log(log_settings(config_.daemon), world_.redactor, world_.clock)),
        holder_(holder_name()),
        loop_(environment(world_, *log_), loop_settings(config_, holder_)),
        api_(loop_, *world_.provider, world_.clock, {kVersion, getpid(), world_.clock.wall()}),
        server_(io_.get_executor(),
                [this](http::ServerRequest request) { return answer(std::move(request)); }),
        signals_(io_, SIGTERM, SIGINT, SIGHUP) {}

  int run() {
    for (const config::Problem& warning : loaded_.warnings) {
      log_->warning("configuration", warning.message, {{"name", warning.name}});
    }
    if (const auto listening = listen(); !listening) {
      log_->error("listen_failed", listening.error().message);
      return 1;
    }
    log_->info("started", fmt::format("gpuwarden {} for owner '{}'", kVersion, config_.control.owner),
               {{"socket", config_.daemon.socket_path}, {"holder", holder_}});
    loop_.on_tick = [this](const control::TickReport&) {
      if (!std::exchange(ready_, true)) sd_notify(0, "READY=1");
      sd_notify(0, "WATCHDOG=1");
    };
    boost::asio::co_spawn(io_, watch_signals(), rethrow);
    boost::asio::co_spawn(io_, live(), rethrow);
    io_.run();
    log_->info("stopped", "pods keep running; the next daemon takes them over");
    return 0;
  }

 private:
  awaitable<void> live() {
    co_await loop_.run();
    signals_.cancel();
    server_.stop();
    io_.stop();
  }

  awaitable<http::ServerResponse> answer(http::ServerRequest request) {
    http::ServerResponse response;
    ops::Answer answer{405, "application/json", R"({"error":"only GET"})"};
    if (request.method == "GET") answer = api_.get(request.path);
    response.status = answer.status;
    response.headers = {{"content-type", answer.content_type}};
    response.body = std::move(answer.body);
    co_return response;
  }

  Result<void> listen() {
    std::error_code ignored;
    std::filesystem::create_directories(std::filesystem::path(config_.daemon.socket_path).parent_path(),
                                        ignored);
    if (auto bound = server_.listen_unix(config_.daemon.socket_path, 0660); !bound) {
      return fail(bound.error().within("GPUWARDEN_SOCKET " + config_.daemon.socket_path));
    }
    if (config_.daemon.listen_port == 0) return {};
    const auto port = static_cast<std::uint16_t>(config_.daemon.listen_port);
    if (auto bound = server_.listen_tcp(config_.daemon.listen_host, port); !bound) {
      return fail(
          bound.error().within(fmt::format("GPUWARDEN_LISTEN {}:{}", config_.daemon.listen_host, port)));
    }
    return {};
  }

  awaitable<void> watch_signals() {
    bool asked = false;
    while (true) {
      const auto [failure, signal] =
          co_await signals_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
      if (failure) co_return;
      if (signal == SIGHUP) {
        reload();
      } else if (config_.daemon.drain_on_exit && !asked) {
        log_->info("draining", "asked to stop: draining the fleet first; a second signal stops at once");
        sd_notify(0, "STOPPING=1");
        loop_.drain_and_stop(config_.policy.shutdown_timeout + std::chrono::minutes(2));
      } else {
        log_->info("stopping", "asked to stop");
        sd_notify(0, "STOPPING=1");
        loop_.stop();
      }
      asked = asked || signal != SIGHUP;
    }
  }

  /// A configuration that does not hold is refused whole; the daemon goes on with the one it has.
  void reload() {
    const auto source = read_source();
    if (!source) {
      log_->error("reload_refused", source.error().message);
      return;
    }
    config::Loaded fresh = config::load(*source, true);
    if (!fresh.config) {
      for (const config::Problem& problem : fresh.errors) {
        log_->error("reload_refused", problem.message, {{"name", problem.name}});
      }
      return;
    }
    const auto changes = config::differences(loaded_, fresh);
    for (const std::string& change : changes) log_->info("reloaded", change);
    if (changes.empty()) log_->info("reloaded", "nothing changed");
    config::teach(world_.redactor, *fresh.config);
    if (needs_restart(config_, *fresh.config)) {
      log_->warning("restart_needed",
                    "addresses, keys, log and socket settings take effect with: systemctl restart gpuwarden");
    }
    loop_.apply(loop_settings(*fresh.config, holder_));
    loaded_ = std::move(fresh);
  }

  static bool needs_restart(const config::Config& before, const config::Config& after) {
    return before.supabase.url != after.supabase.url ||
           !(before.supabase.secret_key == after.supabase.secret_key) ||
           before.runpod.api_url != after.runpod.api_url ||
           !(before.runpod.api_key == after.runpod.api_key) ||
           !(before.ssh.private_key == after.ssh.private_key) ||
           before.daemon.socket_path != after.daemon.socket_path ||
           before.daemon.listen_port != after.daemon.listen_port ||
           before.daemon.log_level != after.daemon.log_level ||
           before.daemon.log_format != after.daemon.log_format ||
           before.daemon.log_file != after.daemon.log_file;
  }

  boost::asio::io_context io_{1};    // the one event loop
  config::Loaded loaded_;            // what SIGHUP compares with
  config::Config config_;            // what this process was started with
  World world_;                      // Supabase, Runpod, SSH, clocks
  std::unique_ptr<ports::Log> log_;  // standard error and file
  std::string holder_;               // our name in the leader lease
  control::ControlLoop loop_;        // observe, decide, act
  ops::Api api_;                     // what operators may look at
  http::Server server_;              // control socket and loopback listener
  boost::asio::signal_set signals_;  // SIGTERM, SIGINT, SIGHUP
  bool ready_{false};
};

}  // namespace

int run_daemon(const config::Loaded& loaded) {
  return Daemon(loaded).run();
}

}  // namespace gpuwarden::app
