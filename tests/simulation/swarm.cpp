#include "simulation/swarm.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "simulation/container.hpp"

namespace gpuwarden::simulation {
namespace {

using namespace std::chrono_literals;

/// Of an exponential distribution: the next of something that happens `per_hour` times an hour.
Duration wait_for(Random& random, double per_hour) {
  const double hours = -std::log(1.0 - random.unit()) / per_hour;
  return Duration(static_cast<Duration::rep>(std::min(hours, 1000.0) * 3'600'000));
}

// Longer than an ambiguous create is waited for.
constexpr Duration kLatestCreate = 12min;

/// Short ones are the rule, the longest the exception.
Duration lasting_at_most(Random& random, Duration longest) {
  const double least = 5000;
  const double most = std::max(least, static_cast<double>(longest.count()));
  return Duration(static_cast<Duration::rep>(least * std::pow(most / least, random.unit())));
}

const Losses& losses_of(const Faults& faults, Service service) {
  if (service == Service::supabase) return faults.supabase;
  return service == Service::runpod ? faults.runpod : faults.ssh;
}

std::string_view name_of(Service service) {
  if (service == Service::supabase) return "supabase";
  return service == Service::runpod ? "runpod" : "ssh";
}

std::string_view name_of(Fate::Kind kind) {
  switch (kind) {
    case Fate::Kind::done:
      return "done";
    case Fate::Kind::not_reached:
      return "not_reached";
    case Fate::Kind::refused:
      return "refused";
    case Fate::Kind::reply_lost:
      return "reply_lost";
    case Fate::Kind::failed_but_done:
      return "failed_but_done";
    case Fate::Kind::request_lost:
      return "request_lost";
  }
  return "";
}

Fate::Kind draw_kind(Random& random, const Losses& losses) {
  const double drawn = random.unit();
  double sum = losses.lost;
  if (drawn < sum) {
    const Fate::Kind kinds[]{Fate::Kind::not_reached, Fate::Kind::request_lost, Fate::Kind::reply_lost};
    return kinds[random.between(0, 2)];
  }
  if (drawn < (sum += losses.refused)) return Fate::Kind::refused;
  if (drawn < (sum += losses.failed_but_done)) return Fate::Kind::failed_but_done;
  return Fate::Kind::done;
}

/// Everything that can keep a pod from its first heartbeat.
constexpr std::array kStartCauses{FailureCause::image_pull_failed,
                                  FailureCause::provision_timeout,
                                  FailureCause::pod_exited,
                                  FailureCause::pod_error,
                                  FailureCause::pod_vanished,
                                  FailureCause::ssh_unreachable,
                                  FailureCause::ssh_auth_failed,
                                  FailureCause::ssh_host_key_mismatch,
                                  FailureCause::preflight_gpu,
                                  FailureCause::preflight_memory,
                                  FailureCause::preflight_disk,
                                  FailureCause::preflight_mount,
                                  FailureCause::preflight_network,
                                  FailureCause::preflight_credentials,
                                  FailureCause::fetch_failed,
                                  FailureCause::setup_failed,
                                  FailureCause::start_failed,
                                  FailureCause::bootstrap_timeout,
                                  FailureCause::first_heartbeat_timeout,
                                  FailureCause::out_of_memory,
                                  FailureCause::gpu_error,
                                  FailureCause::disk_full,
                                  FailureCause::no_capacity,
                                  FailureCause::invalid_request};
constexpr std::array kReleaseCauses{FailureCause::image_pull_failed, FailureCause::fetch_failed,
                                    FailureCause::setup_failed,      FailureCause::start_failed,
                                    FailureCause::bootstrap_timeout, FailureCause::first_heartbeat_timeout,
                                    FailureCause::pod_exited,        FailureCause::ssh_auth_failed};
constexpr std::array kPlaceCauses{FailureCause::preflight_gpu, FailureCause::pod_error,
                                  FailureCause::ssh_unreachable, FailureCause::preflight_network,
                                  FailureCause::gpu_error};

template <std::size_t Count>
FailureCause one_of(Random& random, const std::array<FailureCause, Count>& causes) {
  return causes[static_cast<std::size_t>(random.next() % Count)];
}

}  // namespace

Swarm::Swarm(Universe& universe, Random random)
    : universe_(universe),
      faults_(universe.profile.faults),
      calls_(random.fork()),
      episodes_(random.fork()),
      pods_(random.fork()),
      tasks_(random.fork()) {}

void Swarm::begin() {
  universe_.weather.duplicates = faults_.request_duplicates;
  universe_.cloud.weather.late_create = faults_.late_create;
  universe_.cloud.weather.latest_create = kLatestCreate;
  // Others use the account too, with names that look like ours.
  for (const char* name : {"somebody", "gpu-other-20261124000000-00000001",
                           "gpu-sim2-20261124000000-00000001", "gpu-max-20261124000000-00000001"})
    universe_.cloud.add_foreign(name);
  now_and_then(faults_.database_outages, &Swarm::database_outage);
  now_and_then(faults_.database_slow ? 2 : 0, &Swarm::database_slowness);
  now_and_then(faults_.cloud_episodes, &Swarm::cloud_episode);
  now_and_then(faults_.bad_releases, &Swarm::bad_release);
  now_and_then(faults_.bad_places, &Swarm::bad_place);
  now_and_then(faults_.mass_silences, &Swarm::mass_silence);
  now_and_then(faults_.mass_deaths, &Swarm::mass_death);
}

void Swarm::heal() {
  universe_.healed = true;
  universe_.weather = {};
  universe_.database.set_read_only(false);
  universe_.cloud.heal();
  bad_release_.reset();
  bad_release_since_.reset();
  bad_place_.clear();
  silenced_until_ = universe_.now();
}

void Swarm::now_and_then(double per_hour, Begin begin) {
  if (per_hour <= 0) return;
  universe_.scheduler.after(wait_for(episodes_, per_hour), [this, per_hour, begin] {
    if (universe_.healed) return;
    (this->*begin)();
    now_and_then(per_hour, begin);
  });
}

void Swarm::lasting(Duration duration, std::function<void()> end) {
  universe_.scheduler.after(duration, [this, end = std::move(end)] {
    if (!universe_.healed) end();
  });
}

void Swarm::follow(const Scenario& scenario, CrashAt crash) {
  scenario_ = &scenario;
  crash_ = crash;
}

Fate Swarm::told(Service service, std::string_view call) {
  Fate fate;
  if (universe_.healed || !changes_something(service, call)) return fate;
  ++changing_calls_;
  fate.kind = scenario_->call(call, changing_calls_).value_or(Fate::Kind::done);
  using How = CrashAt::How;
  const bool lost = crash_.how == How::reply_lost || crash_.how == How::only_reply_lost;
  const bool failed = crash_.how == How::failed_but_done || crash_.how == How::only_failed_but_done;
  if (crash_.call > 0 && changing_calls_ == crash_.call) {
    fate.kind = lost ? Fate::Kind::reply_lost : failed ? Fate::Kind::failed_but_done : Fate::Kind::done;
    if (!lost && !failed) crash_call_ = call;
  }
  const bool kills_next = crash_.how == How::reply_lost || crash_.how == How::failed_but_done;
  if (crash_.call > 0 && kills_next && changing_calls_ == crash_.call + 1) crash_call_ = call;
  if (fate.kind != Fate::Kind::done) {
    note_trouble(service);
    universe_.note(fmt::format("fate of {}: {}", call, name_of(fate.kind)));
  }
  return fate;
}

Fate Swarm::of(Service service, std::string_view call) {
  if (const auto said = word.call ? word.call(service, call) : std::nullopt) {
    if (said->kind != Fate::Kind::done) note_trouble(service);
    return *said;
  }
  if (scenario_ != nullptr) return told(service, call);
  const Losses& losses = losses_of(faults_, service);
  Fate fate;
  fate.latency = calls_.between(Duration(5), losses.latency * 2);
  if (universe_.healed) return fate;
  fate.kind = draw_kind(calls_, losses);
  if (fate.kind != Fate::Kind::done) {
    note_trouble(service);
    universe_.reached(fmt::format("fate.{}.{}", name_of(service), name_of(fate.kind)));
    universe_.note(fmt::format("fate of {}: {}", call, name_of(fate.kind)));
  }
  if (service == Service::supabase && !universe_.weather.healthy()) note_trouble(service);
  return fate;
}

void Swarm::effect(Service service, std::string_view call) {
  if (on_effect) on_effect(service, call);
  if (crash_call_.empty() || call != crash_call_) return;
  crash_call_.clear();
  if (!on_crash) return;
  if (crash_.how != CrashAt::How::at_answer) return on_crash();
  universe_.scheduler.after(Fate{}.latency + 1ms, [this] { on_crash(); });
}

bool Swarm::reply_to_pod_lost() {
  return !universe_.healed && faults_.pod_calls_lost > 0 && calls_.chance(faults_.pod_calls_lost);
}

// Episodes.

void Swarm::database_outage() {
  DatabaseWeather& weather = universe_.weather;
  if (weather.fault != DatabaseWeather::Fault::none) return;
  weather.fault = episodes_.one_of(faults_.database_faults);
  universe_.database.set_read_only(weather.fault == DatabaseWeather::Fault::read_only);
  const Duration duration = lasting_at_most(episodes_, faults_.database_outage_longest);
  universe_.reached(fmt::format("database.{}", to_string(weather.fault)));
  universe_.note(fmt::format("database: {} for {} s", to_string(weather.fault), duration.count() / 1000));
  note_trouble(Service::supabase);
  lasting(duration, [this] {
    universe_.weather.fault = DatabaseWeather::Fault::none;
    universe_.database.set_read_only(false);
    universe_.note("database: back");
    note_trouble(Service::supabase);
  });
}

void Swarm::database_slowness() {
  universe_.weather.slow = episodes_.between(Duration(1000), Duration(15000));
  universe_.reached("database.slow");
  universe_.note(fmt::format("database: slow by up to {} ms", universe_.weather.slow.count()));
  lasting(lasting_at_most(episodes_, 10min), [this] {
    universe_.weather.slow = Duration{0};
    note_trouble(Service::supabase);
  });
}

void Swarm::cloud_episode() {
  CloudWeather& weather = universe_.cloud.weather;
  const Duration duration = lasting_at_most(episodes_, 20min);
  note_trouble(Service::runpod);
  const auto until = [&](std::string_view what, std::function<void(CloudWeather&)> end) {
    universe_.reached(fmt::format("runpod.{}", what));
    universe_.note(fmt::format("runpod: {} for {} s", what, duration.count() / 1000));
    for (Duration at{0}; at < duration; at += 10s)
      universe_.scheduler.after(at, [this] { note_trouble(Service::runpod); });
    lasting(duration, [this, end = std::move(end)] {
      end(universe_.cloud.weather);
      note_trouble(Service::runpod);
      universe_.note("runpod: back");
    });
  };
  switch (episodes_.between(0, 7)) {
    case 0:
      weather.down = true;
      return until("down", [](CloudWeather& w) { w.down = false; });
    case 1:
      weather.list_fails = true;
      return until("list_fails", [](CloudWeather& w) { w.list_fails = false; });
    case 2:
      weather.page_fails = 0.7;
      weather.page_size = 2;
      return until("partial_lists", [](CloudWeather& w) { w.page_fails = 0, w.page_size = 1000; });
    case 3:
      universe_.cloud.block(std::min<Duration>(duration, 5min));
      return until("rate_limited", [](CloudWeather&) {});
    case 4: {
      const auto& gpus = universe_.profile.settings.policy.gpu_types;
      weather.sold_out.insert(episodes_.chance(0.4) ? "*" : episodes_.one_of(gpus));
      return until("sold_out", [](CloudWeather& w) { w.sold_out.clear(); });
    }
    case 5:
      weather.balance = false;
      return until("no_balance", [](CloudWeather& w) { w.balance = true; });
    case 6:
      weather.key_accepted = false;
      return until("key_refused", [](CloudWeather& w) { w.key_accepted = true; });
    default:
      weather.page_size = 3;
      return until("paged_lists", [](CloudWeather& w) { w.page_size = 1000; });
  }
}

void Swarm::bad_release() {
  if (bad_release_) return;
  bad_release_ = one_of(episodes_, kReleaseCauses);
  bad_release_since_ = universe_.now();
  universe_.reached("pods.bad_release");
  universe_.note(fmt::format("every start fails: {}", gpuwarden::to_string(*bad_release_)));
  lasting(lasting_at_most(episodes_, 40min), [this] {
    bad_release_.reset();
    bad_release_since_.reset();
    universe_.note("starts work again");
  });
}

void Swarm::bad_place() {
  if (!bad_place_.empty()) return;
  bad_place_ = episodes_.one_of(universe_.profile.settings.policy.gpu_types);
  universe_.reached("pods.bad_place");
  universe_.note("every start fails on " + bad_place_);
  lasting(lasting_at_most(episodes_, 40min), [this] { bad_place_.clear(); });
}

void Swarm::mass_silence() {
  const Duration duration = lasting_at_most(episodes_, 15min);
  silence(duration);
  universe_.reached("pods.mass_silence");
  universe_.note(fmt::format("no pod reaches the database for {} s", duration.count() / 1000));
  // Each third time it is the pods' whole network, and we cannot reach them either.
  if (duration.count() % 3 != 0) return;
  universe_.reached("pods.unreachable");
  universe_.note("and nobody reaches the pods");
  for (const SimPodPtr& pod : universe_.cloud.pods()) {
    if (pod->exists() && pod->container) cut_off(*pod, RuntimeFault::Kind::ssh_down, duration);
  }
}

/// A host or a rack is lost: most pods go at once, in one way; or some of them freeze, which no status tells.
void Swarm::mass_death() {
  const std::int64_t way = episodes_.between(0, 3);
  universe_.reached(way == 3 ? "pods.freeze" : "pods.mass_death");
  universe_.note(way == 3 ? "some pods freeze" : "most pods die at once");
  for (const SimPodPtr& pod : universe_.cloud.pods()) {
    if (!pod->exists() || pod->foreign || pod->state != PodStatus::running) continue;
    if (episodes_.chance(way == 3 ? 0.65 : 0.2)) continue;
    if (way == 0) universe_.cloud.vanish(pod);
    if (way == 1) universe_.cloud.exit(pod);
    if (way == 2) universe_.cloud.restart(pod);
    if (way == 3) freeze(*pod);
  }
}

/// Takes one of its ways to the world from a pod, and notes it where its health is judged.
void Swarm::cut_off(SimPod& pod, RuntimeFault::Kind way, Duration lasts) {
  if (!pod.container || !pod.running_since) return;
  pod.fate.faults.push_back({way, universe_.now() - *pod.running_since, lasts});
  if (way == RuntimeFault::Kind::network_down) pod.container->network_down(lasts);
  if (way == RuntimeFault::Kind::ssh_down) pod.container->ssh_down(lasts);
}

/// It is RUNNING, and neither heard nor reached any more.
void Swarm::freeze(SimPod& pod) {
  cut_off(pod, RuntimeFault::Kind::network_down, 24h);
  cut_off(pod, RuntimeFault::Kind::ssh_down, 24h);
  if (pod.container) pod.container->strike(RuntimeFault::Kind::hang, 24h);
}

// Pods and tasks.

void Swarm::add_death(PodFate& fate) {
  using Kind = RuntimeFault::Kind;
  static constexpr std::array kKinds{
      Kind::crash,        Kind::out_of_memory,     Kind::gpu_error,  Kind::disk_full,
      Kind::hang,         Kind::heartbeats_stop,   Kind::agent_dies, Kind::network_down,
      Kind::ssh_down,     Kind::restarts_in_place, Kind::pod_exits,  Kind::pod_errors,
      Kind::pod_vanishes, Kind::spot_reclaimed};
  RuntimeFault fault;
  fault.kind = kKinds[static_cast<std::size_t>(pods_.next() % kKinds.size())];
  fault.after = wait_for(pods_, faults_.pod_death_rate);
  fault.lasts = pods_.chance(0.5) ? lasting_at_most(pods_, 10min) : Duration(24h);
  fate.faults.push_back(fault);
}

PodFate Swarm::pod_fate(const nlohmann::json& request) {
  if (auto said = word.pod ? word.pod(request) : std::nullopt) return std::move(*said);
  PodFate fate;
  fate.provisioning = pods_.between(Duration(3000), Duration(20000));
  fate.pulling = pods_.between(Duration(5000), Duration(45000));
  fate.setup = pods_.between(Duration(5000), Duration(50000));
  fate.loading = pods_.between(Duration(2000), Duration(15000));
  fate.prints_host_keys = pods_.chance(0.8);
  fate.has_own_key = pods_.chance(0.9);
  ++starts_;
  if (scenario_ != nullptr) {
    fate = {};
    if (!universe_.healed) fate.cause = scenario_->start(starts_);
    return fate;
  }
  const double fails = pods_.unit(), strikes = pods_.unit();
  const Duration lag = pods_.between(Duration{0}, faults_.list_lag_longest);
  if (universe_.healed) return fate;
  fate.list_lag = lag;
  fate.strikes_after = Duration(static_cast<Duration::rep>(strikes * 20000));
  const std::string gpu = request.contains("gpu") ? request["gpu"].value("id", "") : "";
  if (bad_release_) {
    fate.cause = bad_release_;
  } else if (!bad_place_.empty() && gpu == bad_place_) {
    fate.cause = one_of(pods_, kPlaceCauses);
  } else if (fails < faults_.start_fails) {
    fate.cause = one_of(pods_, kStartCauses);
  }
  if (fate.cause) universe_.reached(fmt::format("start.{}", gpuwarden::to_string(*fate.cause)));
  if (fate.cause == FailureCause::no_capacity || fate.cause == FailureCause::invalid_request) return fate;
  if (pods_.chance(faults_.slow_starts)) {
    universe_.reached("pods.slow_start");
    (pods_.chance(0.5) ? fate.pulling : fate.setup) = pods_.between(Duration(60'000), Duration(400'000));
  }
  if (faults_.pod_death_rate > 0) add_death(fate);
  if (pods_.chance(faults_.undeletable)) {
    fate.undeletable = true;
    universe_.reached("pods.undeletable");
  }
  if (pods_.chance(faults_.slow_deletes)) fate.delete_takes = pods_.between(Duration(1000), Duration(60'000));
  if (pods_.chance(faults_.odd_completions)) {
    if (pods_.chance(0.5)) {
      fate.stalled = pods_.between(Duration(30'000), Duration(600'000));
    } else {
      fate.echo = pods_.between(Duration(1000), Duration(300'000));
    }
    universe_.reached(fate.stalled ? "pods.late_completion" : "pods.repeated_completion");
  }
  return fate;
}

TaskFate Swarm::task_fate(const std::string& type, int attempt) {
  if (const auto said = word.task ? word.task(type, attempt) : std::nullopt) return *said;
  using Outcome = TaskFate::Outcome;
  const TaskMix& mix = universe_.profile.tasks;
  TaskFate fate;
  fate.duration = tasks_.between(Duration(5000), mix.longest);
  const double drawn = tasks_.unit();
  if (universe_.healed) {
    fate.duration = std::min<Duration>(fate.duration, 40s);
    return fate;
  }
  double sum = mix.fails;
  if (type == "poison") {
    fate.outcome = Outcome::kills_worker;
    universe_.reached("tasks.poison");
  } else if (drawn < sum) {
    fate.outcome = Outcome::fails;
    universe_.reached("tasks.fails");
  } else if (drawn < (sum += mix.kills)) {
    fate.outcome = Outcome::kills_worker;
    universe_.reached("tasks.kills_worker");
  } else if (drawn < (sum += mix.never_ends)) {
    fate.outcome = Outcome::never_ends;
    universe_.reached("tasks.never_ends");
  }
  if (attempt > 1) universe_.reached("tasks.tried_again");
  return fate;
}

}  // namespace gpuwarden::simulation
