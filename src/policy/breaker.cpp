#include "breaker.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

namespace gpuwarden::policy {
namespace {

constexpr int kSuccessesToClose = 2;
constexpr int kCertainFailures = 2;
constexpr int kFirstUnproven = 2;
constexpr int kMostDoublings = 16;
/// Pods that may fail besides those that open the breaker: they were on their way when it opened.
constexpr int kAtStakeBeyond = 2;
constexpr double kJitter = 0.2;

bool is_evidence(const StartOutcome& outcome, const BreakerMemory& kept, const Settings& settings) {
  if (outcome.generation != kept.generation) return false;
  if (!outcome.script_hash.empty() && !settings.script_hash.empty() &&
      outcome.script_hash != settings.script_hash)
    return false;
  return outcome.success || facts(outcome.cause).counts_for_breaker;
}

/// "20261124010203" of a worker id: when the pod was asked for, to the second; empty where the id says
/// nothing.
std::string_view asked_for_at(const WorkerId& worker) {
  constexpr std::size_t kStamp = 14, kTail = 9;  // "-" and eight hex digits
  const std::string_view id = worker.str();
  return id.size() < kStamp + kTail ? std::string_view() : id.substr(id.size() - kStamp - kTail, kStamp);
}

/// Newest first by when the pods were asked for: what started before a fault came may succeed long after
/// those that started behind it have failed, and says nothing against them.
std::vector<const StartOutcome*> evidence(const std::vector<StartOutcome>& outcomes,
                                          const BreakerMemory& kept, const Settings& settings) {
  std::vector<const StartOutcome*> found;
  for (const StartOutcome& outcome : outcomes) {
    if (is_evidence(outcome, kept, settings)) found.push_back(&outcome);
  }
  const auto newer = [](const StartOutcome* a, const StartOutcome* b) {
    const std::string_view first = asked_for_at(a->worker), second = asked_for_at(b->worker);
    return first == second ? a->age < b->age : first > second;
  };
  if (!std::is_sorted(found.begin(), found.end(), newer)) std::stable_sort(found.begin(), found.end(), newer);
  return found;
}

/// The same state under a new generation: outcomes of before are no evidence any more.
BreakerMemory changed(const BreakerMemory& kept, BreakerState state, std::string reason) {
  BreakerMemory next = kept;
  next.state = state;
  ++next.generation;
  next.state_age = Duration{0};
  next.canary_successes = 0;
  next.canary = WorkerId{};
  next.reason = std::move(reason);
  return next;
}

Duration with_jitter(Duration pause, double jitter) {
  const double factor = 1 - kJitter + 2 * kJitter * std::clamp(jitter, 0.0, 1.0);
  return Duration(static_cast<Duration::rep>(static_cast<double>(pause.count()) * factor));
}

BreakerMemory opened(const BreakerInput& input, const Settings& settings, Duration pause,
                     std::string reason) {
  BreakerMemory next = changed(input.kept, BreakerState::open, std::move(reason));
  const Duration longest = std::max(settings.breaker_probe_max, settings.breaker_probe_interval);
  next.pause = std::min(with_jitter(pause, input.jitter), longest);
  next.script_hash = settings.script_hash;
  return next;
}

BreakerMemory half_opened(const BreakerMemory& kept, const Settings& settings, std::string reason) {
  BreakerMemory next = changed(kept, BreakerState::half_open, std::move(reason));
  next.script_hash = settings.script_hash;
  return next;
}

BreakerMemory closed(const BreakerMemory& kept, std::string reason) {
  BreakerMemory next = changed(kept, BreakerState::closed, std::move(reason));
  next.pause = Duration{0};
  return next;
}

std::string words(const std::optional<FailureCause>& cause) {
  return cause ? std::string(to_string(*cause)) : std::string("failures");
}

BreakerMemory after_probe(const BreakerInput& input, const Settings& settings) {
  const BreakerMemory& kept = input.kept;
  if (input.tally.failures_in_a_row > 0) {
    const Duration pause = std::max(kept.pause, settings.breaker_probe_interval) * 2;
    return opened(input, settings, pause, fmt::format("the canary failed: {}", words(input.tally.newest)));
  }
  const int successes = std::max(kept.canary_successes, input.tally.successes);
  if (successes >= kSuccessesToClose) return closed(kept, fmt::format("{} canaries came up", successes));
  BreakerMemory next = kept;
  next.canary_successes = successes;
  next.canary = input.canary_alive;
  return next;
}

}  // namespace

bool is_certain(FailureCause cause) {
  return cause == FailureCause::unauthorized || cause == FailureCause::invalid_request ||
         cause == FailureCause::ssh_auth_failed || cause == FailureCause::insufficient_balance;
}

Tally tally(const std::vector<StartOutcome>& outcomes, const BreakerMemory& kept, const Settings& settings) {
  Tally result;
  std::map<FailureCause, int> certain;
  bool in_a_row = true, last_failed = false;
  for (const StartOutcome* outcome : evidence(outcomes, kept, settings)) {
    if (outcome->age <= settings.failure_window) {
      ++result.outcomes;
      if (!outcome->success) ++result.failures;
    }
    if (outcome->success) {
      in_a_row = false;
      ++result.successes;
      if (!result.had_trouble) ++result.successes_since_trouble;
    } else {
      if (last_failed) result.had_trouble = true;
      if (!result.newest) result.newest = outcome->cause;
      if (in_a_row) {
        ++result.failures_in_a_row;
        if (is_certain(outcome->cause) && ++certain[outcome->cause] >= kCertainFailures)
          result.certain = outcome->cause;
      }
    }
    last_failed = !outcome->success;
  }
  return result;
}

std::optional<std::string> reason_to_open(const Tally& tally, const Settings& settings) {
  if (tally.certain)
    return fmt::format("{} twice: the next try would fail the same way", to_string(*tally.certain));
  const int enough = std::max(1, settings.min_workers_for_rate);
  if (tally.outcomes >= enough && tally.failures >= settings.max_failure_rate * tally.outcomes)
    return fmt::format("{} of {} starts failed within {}, newest: {}", tally.failures, tally.outcomes,
                       format_duration(settings.failure_window), words(tally.newest));
  // Starts that end by a deadline are fewer than the window needs, and a long healthy history hides a new
  // fault: a row of failures is enough.
  if (tally.failures_in_a_row >= enough)
    return fmt::format("the last {} starts all failed, newest: {}", tally.failures_in_a_row,
                       words(tally.newest));
  return std::nullopt;
}

BreakerMemory next_state(const BreakerInput& input, const Settings& settings) {
  const BreakerMemory& kept = input.kept;
  if (input.override_ && input.override_->kind == BreakerOverride::Kind::hold) return kept;
  if (input.override_ && input.override_->kind == BreakerOverride::Kind::release) {
    if (kept.state == BreakerState::closed) return kept;
    return closed(kept, fmt::format("released by {}", input.override_->actor));
  }
  switch (kept.state) {
    case BreakerState::closed: {
      auto reason = reason_to_open(input.tally, settings);
      if (!reason) return kept;
      return opened(input, settings, settings.breaker_probe_interval, std::move(*reason));
    }
    case BreakerState::open:
      if (kept.script_hash != settings.script_hash)
        return half_opened(kept, settings, "startup script or worker configuration changed");
      if (kept.state_age >= kept.pause)
        return half_opened(kept, settings, fmt::format("paused for {}", format_duration(kept.pause)));
      return kept;
    case BreakerState::half_open:
      if (kept.script_hash != settings.script_hash)
        return half_opened(kept, settings, "startup script or worker configuration changed");
      return after_probe(input, settings);
  }
  return kept;
}

int unproven_limit(int successes) {
  return kFirstUnproven << std::clamp(successes, 0, kMostDoublings);
}

int most_at_stake(const Settings& settings) {
  return std::max(1, settings.min_workers_for_rate) + kAtStakeBeyond;
}

SpawnPermit permit(const BreakerMemory& state, const BreakerInput& input, int unproven, int proven_alive,
                   const Settings& settings) {
  SpawnPermit result;
  result.gate = "breaker";
  if (input.override_ && input.override_->kind == BreakerOverride::Kind::hold) {
    result.reason = fmt::format("held by {}: {}", input.override_->actor, input.override_->reason);
    result.opens_in = input.override_->expires_in;
    return result;
  }
  switch (state.state) {
    case BreakerState::open:
      result.reason = fmt::format("open: {}", state.reason);
      result.opens_in = std::max(Duration{0}, state.pause - state.state_age);
      return result;
    case BreakerState::half_open:
      result.canary = true;
      if (!input.canary_alive.empty()) {
        result.reason = fmt::format("half open: waiting for canary {}", input.canary_alive.str());
      } else if (input.ghosts > 0) {
        result.reason = "half open: a spawn is still under way";
      } else {
        result.slots = 1;
        result.reason = fmt::format("half open: one canary at a time, {} of {} came up",
                                    state.canary_successes, kSuccessesToClose);
      }
      return result;
    case BreakerState::closed:
      break;
  }
  // After a change of state the tally speaks of the old generation.
  const bool same = state.generation == input.kept.generation;
  int credit = same ? input.tally.successes_since_trouble : 0;
  if (same && !input.tally.had_trouble) credit = std::max(credit, proven_alive);
  const int failing = same ? input.tally.failures_in_a_row : 0;
  const int limit = std::min(unproven_limit(credit), std::max(1, most_at_stake(settings) - failing));
  result.slots = std::max(0, limit - unproven);
  result.gate = "slow_start";
  result.reason = fmt::format(
      "{} pods are on their way to their first heartbeat, {} may be until more succeed", unproven, limit);
  return result;
}

}  // namespace gpuwarden::policy
