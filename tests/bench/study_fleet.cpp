#include "study_fleet.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace gpuwarden::study {
namespace {

constexpr double kBegins = 0.05, kLength = 5, kWorse = 3;

/// Ways in which starts fail now and then, of every class.
constexpr std::array kWays{FailureCause::provision_timeout, FailureCause::pod_error,
                           FailureCause::pod_vanished,      FailureCause::ssh_unreachable,
                           FailureCause::preflight_network, FailureCause::image_pull_failed,
                           FailureCause::setup_failed,      FailureCause::first_heartbeat_timeout};

Duration seconds(double value) {
  return Duration(static_cast<Duration::rep>(value * 1000));
}

}  // namespace

Fleet::Fleet(std::uint64_t seed, int places) : random_(seed) {
  settings.script_hash = "s1";
  snapshot_.db_now = WallTime{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};
  changed_ = snapshot_.db_now;
  for (int i = 0; i < places; ++i) {
    policy::Offer offer;
    offer.placement.gpu = "RTX 4090";
    offer.placement.data_center = fmt::format("DC-{}", i);
    offers_.push_back(std::move(offer));
  }
  kept_for_ = policy::evidence_window(settings);
}

void Fleet::move_to(WallTime time) {
  if (snapshot_.breaker.state != BreakerState::closed) shut += time - snapshot_.db_now;
  snapshot_.db_now = time;
  while (!ended_.empty() && time - ended_.back() > kept_for_) {
    ended_.pop_back();
    snapshot_.outcomes.pop_back();
  }
  for (std::size_t i = 0; i < ended_.size(); ++i) snapshot_.outcomes[i].age = time - ended_[i];
  snapshot_.breaker.state_age = time - changed_;
}

void Fleet::end_next() {
  Coming start = std::move(coming_.extract(coming_.begin()).value());
  move_to(start.at);
  std::erase_if(snapshot_.workers, [&](const Worker& worker) { return worker.id == start.row.id; });
  ++(start.outcome.success ? successes : wanted_);  // who failed is wanted still
  if (start.of_fault) ++outcomes_of_fault;
  snapshot_.outcomes.insert(snapshot_.outcomes.begin(), std::move(start.outcome));
  ended_.insert(ended_.begin(), start.at);
}

bool Fleet::fails_by_weather() {
  if (!weather.bursts) return chance(weather.failing);
  in_burst_ = in_burst_ ? !chance(1 / kLength) : chance(kBegins);
  constexpr double kShare = kBegins / (kBegins + 1 / kLength);
  const double worse = std::min(0.9, weather.failing * kWorse);
  return chance(in_burst_ ? worse : (weather.failing - kShare * worse) / (1 - kShare));
}

void Fleet::fail_by_weather(Coming& start) {
  StartOutcome& outcome = start.outcome;
  outcome.success = false;
  outcome.took.reset();
  const std::size_t way = weather.identical ? kWays.size() - 1 : random_() % kWays.size();
  outcome.cause = kWays.at(way);
  outcome.fingerprint = fmt::format("way-{}", way);
  const double kind = uniform(0, 1);
  const Duration after = kind < 0.7   ? seconds(uniform(20, 300))
                         : kind < 0.9 ? settings.provision_timeout
                                      : settings.spawning_timeout;
  start.at = snapshot_.db_now + after;
}

Fleet::Coming Fleet::draw(int place) {
  Coming start;
  start.outcome.success = true;
  const Duration took = seconds(180 * std::exp(std::normal_distribution<>(0, 0.5)(random_)));
  start.outcome.took = took;
  start.at = snapshot_.db_now + took;
  start.of_fault = fault_ && (!fault_->place || *fault_->place == place);
  if (start.of_fault && chance(fault_->failing)) {
    start.outcome.success = false;
    start.outcome.took.reset();
    start.outcome.cause = fault_->of_host ? FailureCause::pod_error : FailureCause::start_failed;
    start.outcome.fingerprint = fault_->identical ? "fault" : fmt::format("fault-{}", random_());
    start.at = snapshot_.db_now +
               seconds(static_cast<double>(fault_->ends_after.count()) / 1000 * uniform(0.8, 1.2));
  } else if (fails_by_weather()) {
    fail_by_weather(start);
  }
  return start;
}

void Fleet::ask(const policy::BreakerVerdict& verdict, const Placement& placement) {
  int place = 0;
  while (offers_[static_cast<std::size_t>(place)].placement.key() != placement.key()) ++place;
  Coming start = draw(place);
  start.row.id = make_worker_id("study", snapshot_.db_now, static_cast<std::uint32_t>(random_()));
  start.row.placement = placement;
  start.row.script_hash = settings.script_hash;
  start.row.generation = verdict.state.generation;
  start.row.canary = verdict.permit.canary;
  start.outcome.worker = start.row.id;
  start.outcome.placement = placement;
  start.outcome.script_hash = settings.script_hash;
  start.outcome.generation = verdict.state.generation;
  snapshot_.workers.push_back(start.row);
  coming_.insert(std::move(start));
  ++starts;
}

std::optional<Duration> Fleet::decide() {
  policy::BreakerVerdict verdict = policy::judge({snapshot_, offers_, 0, random_()}, settings);
  const auto is_open = [](const ScopeBreaker& scope) { return scope.state == BreakerState::open; };
  const auto& before = snapshot_.breaker.scopes;
  const auto& after = verdict.state.scopes;
  const auto open_before = std::count_if(before.begin(), before.end(), is_open);
  const auto open_after = std::count_if(after.begin(), after.end(), is_open);
  if (open_after > open_before) ++places_opened;
  if (verdict.state.generation != snapshot_.breaker.generation) {
    changed_ = snapshot_.db_now;
    if (verdict.state.state == BreakerState::open && snapshot_.breaker.state == BreakerState::closed)
      ++opened;
  }
  snapshot_.breaker = verdict.state;
  int slots = verdict.permit.slots;
  for (; wanted_ > 0 && slots > 0; --wanted_, --slots) {
    const auto offer = std::find_if(offers_.begin(), offers_.end(), [&](const policy::Offer& candidate) {
      return verdict.places.has_room(candidate.placement);
    });
    if (offer == offers_.end()) break;
    verdict.places.take(offer->placement);
    ask(verdict, offer->placement);
  }
  if (wanted_ <= 0) return std::nullopt;
  if (verdict.permit.opens_in) return verdict.permit.opens_in;
  const auto held = verdict.places.why_none(offers_);
  return held ? held->opens_in : std::nullopt;
}

void Fleet::churn_until(double wanted_per_hour, long enough, WallTime end) {
  const auto next = [&] { return seconds(std::exponential_distribution<>(wanted_per_hour / 3600)(random_)); };
  wanted_ = 0;
  WallTime arrives = snapshot_.db_now + next();
  while (starts < enough && snapshot_.db_now < end) {
    const std::optional<Duration> pause = decide();
    std::optional<WallTime> again;
    if (pause) again = snapshot_.db_now + std::max(*pause, Duration(1s));
    WallTime soonest = again ? std::min(arrives, *again) : arrives;
    if (!coming_.empty() && coming_.begin()->at <= soonest) {
      end_next();
    } else {
      move_to(soonest);
      if (soonest == arrives) {
        ++wanted_;
        arrives += next();
      }
    }
  }
}

void Fleet::churn(double wanted_per_hour, long enough) {
  churn_until(wanted_per_hour, starts + enough, WallTime::max());
}

void Fleet::churn_for(double wanted_per_hour, Duration time) {
  churn_until(wanted_per_hour, std::numeric_limits<long>::max(), snapshot_.db_now + time);
}

void Fleet::break_down(const Fault& fault) {
  const WallTime moment = snapshot_.db_now + 2s;
  while (!coming_.empty() && coming_.begin()->at <= moment) end_next();
  move_to(moment);
  fault_ = fault;
}

bool Fleet::demand(int wanted, int outcomes) {
  const long opened_before = opened, enough = outcomes_of_fault + outcomes;
  while (outcomes_of_fault < enough) {
    wanted_ = wanted - static_cast<long>(coming_.size());
    const std::optional<Duration> pause = decide();
    if (opened > opened_before) return true;
    if (!coming_.empty()) {
      end_next();
    } else if (pause) {
      move_to(snapshot_.db_now + std::max(*pause, Duration(1s)));
    } else {
      return false;
    }
  }
  return false;
}

}  // namespace gpuwarden::study
