#include "daemon.hpp"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "gpuwarden/app/journal.hpp"
#include "gpuwarden/app/logging.hpp"
#include "gpuwarden/app/version.hpp"
#include "gpuwarden/base/format.hpp"
#include "gpuwarden/control/loop.hpp"
#include "gpuwarden/http/server.hpp"
#include "gpuwarden/ops/api.hpp"

#include "log_outputs.hpp"
#include "notify.hpp"
#include "process.hpp"
#include "services.hpp"

namespace gpuwarden::app {
namespace {

using boost::asio::awaitable;
using namespace std::chrono_literals;

constexpr Duration kHardStop = 9500ms;   // an operator waits ten seconds
constexpr Duration kDrainMargin = 2min;  // deletes and the two lists that confirm them

LogSettings log_settings(const config::DaemonSettings& daemon) {
  LogSettings settings;
  settings.level = "debug";  // LevelFilter stands before it
  const bool terminal = isatty(STDERR_FILENO) == 1;
  settings.json = daemon.log_format.empty() ? !terminal : daemon.log_format == "json";
  settings.colour = terminal && std::getenv("NO_COLOR") == nullptr;
  settings.file = daemon.log_file;
  return settings;
}

void rethrow(const std::exception_ptr& failure) {
  if (failure) std::rethrow_exception(failure);
}

/// Why a drain did not reach its end, in words for the operator.
std::string_view drain_problem(control::Drain drain) {
  switch (drain) {
    case control::Drain::not_leading:
      return "another daemon leads";
    case control::Drain::out_of_time:
      return "the time for it was up";
    case control::Drain::called_off:
      return "a second signal called it off";
    case control::Drain::not_asked:
    case control::Drain::under_way:
    case control::Drain::done:
      break;
  }
  return "it was cut short";
}

/// The daemon's parts, top down.
class Daemon {
 public:
  explicit Daemon(config::Loaded loaded)
      : in_force_(std::move(loaded)),
        world_(io_.get_executor(), config()),
        log_(log_settings(config().daemon), world_, config(), [this] { return current_tick(); }),
        holder_(holder_name()),
        loop_(environment(world_, log_), loop_settings(config(), holder_)),
        api_(loop_, *world_.provider, world_.clock, {kVersion, getpid(), world_.clock.wall()}),
        server_(io_.get_executor(),
                [this](http::ServerRequest request) { return answer(std::move(request)); }),
        signals_(io_, SIGTERM, SIGINT, SIGHUP),
        hard_stop_(io_),
        notify_(world_.clock) {}

  int run() {
    tell_warnings(in_force_);
    if (const auto listening = listen(); !listening) {
      log_.error("listen_failed", listening.error().message);
      return 1;
    }
    log_.info("started", fmt::format("gpuwarden {} for owner '{}'", kVersion, config().control.owner),
              {{"socket", config().daemon.socket_path}, {"holder", holder_}});
    if (!config().daemon.journal.empty()) {
      journal_.emplace(JournalSettings{config().daemon.journal}, world_.redactor, log_);
      loop_.on_decision = [this](const control::DecisionRecord& decision) { journal_->record(decision); };
    }
    loop_.on_tick = [this](const control::TickReport&) {
      notify_.ready();
      memory_.after_tick(loop_.view().in_flight.size());
    };
    loop_.on_alive = [this] {
      notify_.alive();
      if (loop_.drain() == control::Drain::under_way) notify_.extend_stop();
    };
    loop_.on_stopping = [this] { end_soon(); };
    log_.start(io_.get_executor());
    boost::asio::co_spawn(io_, watch_signals(), rethrow);
    boost::asio::co_spawn(io_, live(), rethrow);
    io_.run();
    say_goodbye();
    return 0;
  }

 private:
  /// The configuration in force.
  const config::Config& config() const { return *in_force_.config; }

  std::uint64_t current_tick() const {
    const control::View view = loop_.view();
    return view.last == nullptr ? 0 : view.last->number;
  }

  awaitable<void> live() {
    co_await loop_.run();
    co_await log_.finish(std::chrono::seconds(1));
    signals_.cancel();
    server_.stop();
    io_.stop();
  }

  /// Whatever hangs from here on is abandoned in time: the next daemon's ticks sort it out.
  void end_soon() {
    notify_.stopping();
    if (std::exchange(ending_, true)) return;
    hard_stop_.expires_after(kHardStop);
    hard_stop_.async_wait([this](boost::system::error_code cancelled) {
      if (cancelled) return;
      log_.warning("stop_forced", "what is in flight did not end in time and is abandoned");
      io_.stop();
    });
  }

  void say_goodbye() {
    const control::Drain drain = loop_.drain();
    if (drain == control::Drain::done) {
      log_.info("stopped", "the fleet is drained: no worker is left");
    } else if (drain == control::Drain::not_asked) {
      log_.info("stopped", "pods keep running; the next daemon takes them over");
    } else {
      ports::LogFields fields;
      if (const auto* last = loop_.view().last; last != nullptr && last->snapshot)
        fields.emplace_back("workers", std::to_string(last->snapshot->workers.size()));
      log_.warning("stopped",
                   fmt::format("the fleet is not drained ({}): pods keep running; the next daemon takes them "
                               "over",
                               drain_problem(drain)),
                   fields);
    }
  }

  void tell_warnings(const config::Loaded& loaded) {
    for (const config::Problem& warning : loaded.warnings) {
      if (warning.name == "LOG_FILE") continue;  // the log has said so itself when it was opened
      log_.warning("configuration", warning.message, {{"name", warning.name}});
    }
  }

  awaitable<http::ServerResponse> answer(http::ServerRequest request) {
    http::ServerResponse response;
    ops::Answer answer{405, "application/json", R"({"error":"only GET"})"};
    if (request.method == "GET") answer = api_.get(request.path);
    response.status = answer.status;
    response.headers = {{"content-type", answer.content_type}};
    response.body = world_.redactor.redact(answer.body);
    co_return response;
  }

  Result<void> listen() {
    std::error_code ignored;
    std::filesystem::create_directories(std::filesystem::path(config().daemon.socket_path).parent_path(),
                                        ignored);
    if (auto bound = server_.listen_unix(config().daemon.socket_path, 0660); !bound) {
      Error error = bound.error().within("GPUWARDEN_SOCKET");
      if (error.kind == ErrorKind::conflict)
        error.message += ". If it is another gpuwarden: gpuwarden status";
      return fail(std::move(error));
    }
    if (config().daemon.listen_port == 0) return {};
    const auto port = static_cast<std::uint16_t>(config().daemon.listen_port);
    if (auto bound = server_.listen_tcp(config().daemon.listen_host, port); !bound) {
      // The fleet matters more than its metrics.
      log_.warning("no_metrics", bound.error().within("GPUWARDEN_LISTEN").message);
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
      } else if (config().daemon.drain_on_exit && !asked) {
        begin_drain();
      } else {
        log_.info("stopping", "asked to stop");
        loop_.stop();
        end_soon();
      }
      asked = asked || signal != SIGHUP;
    }
  }

  void begin_drain() {
    const Duration limit = config().policy.shutdown_timeout + kDrainMargin;
    log_.info("draining", "asked to stop: draining the fleet first; a second signal stops at once",
              {{"at_most", format_duration(limit)}});
    notify_.stopping();
    notify_.extend_stop();
    loop_.drain_and_stop(limit);
  }

  /// A configuration that does not hold is refused whole; the daemon goes on with the one it has. What needs
  /// a restart stays as it is, so that nothing is half applied.
  void reload() {
    const config::Loaded fresh = config::load(read_source(), config::SshKey::make);
    if (!fresh.config) {
      for (const config::Problem& problem : fresh.errors)
        log_.error("reload_refused", problem.message, {{"name", problem.name}});
      return;
    }
    config::teach(world_.redactor, *fresh.config);
    tell_warnings(fresh);
    const std::vector<config::Change> changes = config::differences(in_force_, fresh);
    tell_changes(changes);
    in_force_ = config::keep_until_restart(in_force_, fresh);
    log_.set_level(config().daemon.log_level);
    loop_.apply(loop_settings(config(), holder_));
  }

  void tell_changes(const std::vector<config::Change>& changes) {
    std::size_t waiting = 0;
    for (const config::Change& change : changes) {
      waiting += change.restart ? 1 : 0;
      const std::string_view when = change.restart ? "after a restart" : "in force now";
      log_.info("reloaded", fmt::format("{}: {}, {}", change.name, change.text, when),
                {{"name", change.name}, {"takes_effect", change.restart ? "after_restart" : "now"}});
    }
    if (changes.empty()) log_.info("reloaded", "nothing changed");
    if (waiting > 0)
      log_.warning("restart_needed",
                   fmt::format("{} of {} changes take effect with: systemctl restart gpuwarden", waiting,
                               changes.size()));
  }

  boost::asio::io_context io_{1};        // the one event loop
  config::Loaded in_force_;              // what SIGHUP compares with
  World world_;                          // Supabase, Runpod, SSH, clocks
  LogOutputs log_;                       // standard error, file, webhook, database
  std::string holder_;                   // our name in the leader lease
  control::ControlLoop loop_;            // observe, decide, act
  std::optional<Journal> journal_;       // every decision, for replay
  ops::Api api_;                         // what operators may look at
  http::Server server_;                  // control socket and loopback listener
  boost::asio::signal_set signals_;      // SIGTERM, SIGINT, SIGHUP
  boost::asio::steady_timer hard_stop_;  // ends what does not end by itself
  Notify notify_;                        // systemd
  BurstMemory memory_;
  bool ending_{false};
};

}  // namespace

int run_daemon(const config::Loaded& loaded) {
  return Daemon(loaded).run();
}

}  // namespace gpuwarden::app
