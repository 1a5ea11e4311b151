#include "simulation/agent.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "simulation/script_run.hpp"

namespace gpuwarden::simulation {
namespace {

using std::chrono::seconds;

constexpr Duration kGrace = seconds(3);
constexpr Duration kStopPatience = seconds(10);
constexpr Duration kFirstPause{250};
constexpr Duration kLeaseAgain = seconds(60);

}  // namespace

Agent::Agent(ScriptRun& run)
    : run_(run), process_(run, [this](FailureWords words) { ended(std::move(words)); }) {}

template <class Event>
void Agent::after(Duration delay, Event event) {
  run_.container().after(delay, [this, event = std::move(event)] {
    if (!dead_) event();
  });
}

void Agent::begin(bool worker) {
  active_ = true;
  began_ = contact_ = run_.container().world().now();
  with_worker_ = worker;
  if (worker) start_worker();
  plan_lease();
}

void Agent::start_worker() {
  alive_ = true;
  started_ = run_.container().world().now();
  ++lives_;
  process_.start();
  run_.container().plan_worker_faults();
  if (announced_) {
    beats_ = true;
    return beat(++beating_);
  }
  run_.line_due(kGrace);
  after(kGrace, [this, life = lives_] {
    if (life != lives_ || !alive_ || announced_) return;
    beats_ = true;
    beat(++beating_);
  });
}

void Agent::beat(int number) {
  if (number != beating_ || !alive_) return;
  const auto again = [this, number](Duration delay) { after(delay, [this, number] { beat(number); }); };
  // What the steps have to say comes first, so that the database sees them in order.
  constexpr Duration kLook{500};
  constexpr int kMostLooks = 4;
  if (!run_.courier().empty() && looks_ < kMostLooks) {
    ++looks_;
    return again(kLook);
  }
  const Duration interval = run_.payload().heartbeat_interval;
  if (send_heartbeat()) {
    pause_ = kFirstPause;
    return again(interval);
  }
  again(std::min(interval, next_pause(pause_, 0)));
}

bool Agent::send_heartbeat() {
  Container& container = run_.container();
  if (container.world().now() < beats_stay_away_until_) return true;
  const auto uptime = std::chrono::duration_cast<seconds>(container.world().now() - began_).count();
  const int used = process_.busy() ? 19'000 : 6'000;
  const Reply reply = run_.report({{"kind", "heartbeat"},
                                   {"vram_total_mb", 24'564},
                                   {"vram_used_mb", used},
                                   {"gpu_util", process_.busy() ? 97 : 0},
                                   {"disk_free_mb", 42'200},
                                   {"uptime_s", uptime}});
  if (!reply.ok()) return false;
  if (!container.pod().first_heartbeat) container.pod().first_heartbeat = container.world().now();
  heard(reply.answer, true);
  return true;
}

void Agent::announce() {
  announced_ = true;
  FailureWords words;
  words.exit_code = 0;
  run_.tell(BootStep::start, ScriptRun::Event::end, std::move(words));
}

void Agent::heard(const nlohmann::json& answer, bool heartbeat) {
  contact_ = run_.container().world().now();
  if (!answer.is_object()) return;
  if (const auto busy = answer.find("busy"); busy != answer.end() && busy->is_boolean())
    busy_ = busy->get<bool>();
  if (const auto told = answer.find("lease_sec"); told != answer.end() && told->is_number())
    told_lease_ = seconds(told->get<long>());
  if (heartbeat && !announced_ && alive_) announce();
  const std::string directive = answer.value("directive", std::string());
  if (directive == "drain" && active_ && !std::exchange(draining_, true)) {
    run_.container().world().probes.reached("pod: directive drain");
    process_.drain();
  }
  if (directive == "stop" && active_) stop();
}

void Agent::stop() {
  if (std::exchange(stopping_, true)) return;
  run_.container().world().probes.reached("pod: directive stop");
  alive_ = false;
  no_more_beats();
  process_.drain();
  if (process_.lives()) kill_after(kStopPatience);
}

/// TERM now, KILL when the process has not ended by then.
void Agent::kill_after(Duration patience) {
  Random& random = run_.container().random();
  const Duration ends = process_.hung() ? patience : random.between(Duration{100}, patience / 2);
  after(ends, [this, life = lives_, killed = process_.hung()] {
    if (life != lives_ || !process_.lives()) return;
    process_.end();
    ended({killed ? 137 : 143, killed ? "SIGKILL" : "SIGTERM", "", {}, {}, ""});
  });
}

void Agent::ended(FailureWords words) {
  if (dead_) return;
  ++lives_;
  alive_ = false;
  no_more_beats();
  run_.log(fmt::format("gpuwarden: the worker has ended with exit code {}", words.exit_code.value_or(-1)));
  judge_end(std::move(words));
}

void Agent::judge_end(FailureWords words) {
  if (stopping_ || (draining_ && words.exit_code == 0)) return;
  if (restarts_ < run_.payload().max_restarts) {
    ++restarts_;
    return after(seconds(std::min(restarts_, 30)), [this] {
      if (!stopping_) start_worker();
    });
  }
  report_crash(std::move(words));
}

void Agent::report_crash(FailureWords words) {
  words.tail = run_.worker_tail();
  words.check.clear();
  const bool early = !announced_;
  if (!early) {
    const double ran = std::chrono::duration<double>(run_.container().world().now() - started_).count();
    run_.courier().spool(
        {{"kind", "crash"},
         {"exit_code", words.exit_code.value_or(1)},
         {"signal", words.signal.empty() ? nlohmann::json(nullptr) : nlohmann::json(words.signal)},
         {"tail", words.tail},
         {"ran_s", ran}});
  } else {
    run_.container().world().probes.reached("script: start fails");
  }
  run_.tell(BootStep::start, ScriptRun::Event::fail, std::move(words), early);
}

void Agent::strike(RuntimeFault::Kind kind, Duration lasts) {
  using enum RuntimeFault::Kind;
  const auto dies = [this](FailureCause cause) {
    if (process_.lives()) process_.die(failure_words(cause, run_.container().random()));
  };
  switch (kind) {
    case crash:
      return dies(FailureCause::worker_crashed);
    case out_of_memory:
      return dies(FailureCause::out_of_memory);
    case gpu_error:
      return dies(FailureCause::gpu_error);
    case disk_full:
      return dies(FailureCause::disk_full);
    case hang:
      return process_.hang();
    case heartbeats_stop:
      beats_stay_away_until_ = run_.container().world().now() + lasts;
      return;
    case agent_dies:
      dead_ = true;
      return;
    default:
      return;
  }
}

Health Agent::health() const {
  Health health;
  health.process = process_.lives();
  health.hung = process_.hung();
  health.busy = process_.busy();
  health.agent = active_ && !dead_ && beats_ && run_.container().world().now() >= beats_stay_away_until_;
  return health;
}

/// The operator's setting and the database's word: the shorter one holds; never so short that a healthy pod
/// ends between two heartbeats.
Duration Agent::lease() const {
  const Duration least = kGrace + 3 * run_.payload().heartbeat_interval;
  const Duration own = run_.payload().lease;
  return std::max(least, told_lease_ && *told_lease_ > Duration{0} ? std::min(own, *told_lease_) : own);
}

void Agent::plan_lease() {
  if (std::exchange(lease_planned_, true)) return;
  const Duration left = contact_ + lease() - run_.container().world().now();
  after(std::max(left, Duration{10}), [this] {
    lease_planned_ = false;
    watch_lease();
  });
}

void Agent::watch_lease() {
  if (run_.container().world().now() - contact_ < lease()) return plan_lease();
  const bool works = process_.lives() && busy_.value_or(false);
  // The next look comes in a minute: by then the task may have ended, or the delete may succeed.
  lease_planned_ = true;
  after(kLeaseAgain, [this] {
    lease_planned_ = false;
    watch_lease();
  });
  if (works) return;
  alive_ = false;
  no_more_beats();
  stopping_ = true;
  if (process_.lives()) kill_after(kStopPatience);
  delete_own_pod();
}

void Agent::delete_own_pod() {
  Container& container = run_.container();
  container.world().probes.reached("pod: lease ran out");
  container.world().note(fmt::format("pod {}: its lease has run out", container.pod().name));
  // Both may end this container, and with it this object: nothing after them touches it.
  const auto kept = container.shared_from_this();
  if (container.pod().fate.has_own_key) {
    const int status = container.outside().delete_pod();
    if (status == 204 || status == 404) return;
  }
  if (kept->pod().container == kept) kept->outside().exit();
}

}  // namespace gpuwarden::simulation
