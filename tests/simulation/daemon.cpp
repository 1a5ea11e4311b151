#include "simulation/daemon.hpp"

#include <exception>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <fmt/format.h>

namespace gpuwarden::simulation {

/// Log lines as words of the trace.
class Daemon::Lines final : public ports::Log {
 public:
  explicit Lines(Daemon& daemon) : daemon_(daemon) {}
  void write(ports::LogLevel level, std::string_view event, std::string_view message,
             const ports::LogFields& fields) override {
    if (level == ports::LogLevel::debug || !daemon_.on_log) return;
    std::string line = fmt::format("{} {}: {}", daemon_.name_, event, message);
    for (const auto& [name, value] : fields) {
      if (name != "advice") line += fmt::format(" {}={}", name, value);
    }
    daemon_.on_log(line);
  }

 private:
  Daemon& daemon_;
};

Daemon::Daemon(const Outside& outside, control::LoopSettings settings, int number, Random random)
    : name_(fmt::format("daemon {}", number)),
      settings_(std::move(settings)),
      redactor_(outside.redactor),
      random_(random),
      process_(std::make_shared<Process>(outside.cloud.world().scheduler)),
      clock_(*process_),
      store_(*process_, outside.database, outside.weather, outside.fates, random_.fork(), name_),
      provider_(outside.cloud, outside.fates, clock_, random_.fork(), name_),
      shell_(outside.cloud, outside.fates, clock_, random_.fork()),
      log_(std::make_unique<Lines>(*this)) {
  settings_.holder = name_;
  process_->origin = random_.between(Duration(1'000'000), Duration(100'000'000'000));
  loop_ = std::make_unique<control::ControlLoop>(environment(), settings_);
}

Daemon::~Daemon() {
  process_->kill();
}

control::Environment Daemon::environment() {
  return {store_,
          provider_,
          shell_,
          clock_,
          *log_,
          [this] { return last_random_ = random_.next(); },
          [this] {
            const std::string token = fmt::format("token-{}-{}-{:016x}", name_, ++tokens_, random_.next());
            return control::WorkerToken{Secret(token), sql::sha256_hex(token)};
          },
          [this](std::string_view text) { return redactor_.redact(text); }};
}

void Daemon::turn() {
  process_->ready();
  process_->turn();
}

void Daemon::start() {
  loop_->on_decision = [this](const control::DecisionRecord& record) {
    last_view_.offers = record.seen.offers;
    last_view_.in_flight = record.seen.in_flight;
    last_view_.held_script = record.seen.held_script;
    last_view_.draining_all = record.seen.draining_all;
  };
  loop_->on_tick = [this](const control::TickReport& report) {
    if (on_tick) on_tick(report);
  };
  boost::asio::co_spawn(process_->io(), loop_->run(), [this](const std::exception_ptr& failure) {
    if (failure) std::rethrow_exception(failure);
    ended_ = true;
    if (on_end) on_end();
  });
  turn();
}

void Daemon::stop() {
  if (ended()) return;
  loop_->stop();
  turn();
}

void Daemon::drain_and_stop(Duration limit) {
  if (ended()) return;
  loop_->drain_and_stop(limit);
  turn();
}

void Daemon::apply(control::LoopSettings settings) {
  if (ended()) return;
  settings_ = std::move(settings);
  settings_.holder = name_;
  loop_->apply(settings_);
  turn();
}

void Daemon::kill() {
  process_->kill();
}

}  // namespace gpuwarden::simulation
