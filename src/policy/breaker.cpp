#include "breaker.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "gpuwarden/base/format.hpp"

#include "breaker_scope.hpp"
#include "cusum.hpp"

namespace gpuwarden::policy {
namespace {

constexpr int kFirstUnproven = 2;
constexpr int kMostDoublings = 16;
/// Pods that may fail besides those that open the breaker: they were on their way when it opened.
constexpr int kAtStakeBeyond = 2;
/// Failures in a row at one place that may be the place's fault alone.
constexpr int kToBlame = 3;

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

BreakerMemory opened(const BreakerInput& input, const Settings& settings, Duration pause,
                     std::string reason) {
  BreakerMemory next = changed(input.kept, BreakerState::open, std::move(reason));
  next.pause = breaker_pause(pause, input.jitter, settings);
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

std::string newest_words(const Tally& tally) {
  return tally.newest_words.empty() ? "failures" : tally.newest_words;
}

BreakerMemory after_probe(const BreakerInput& input, const Settings& settings) {
  const BreakerMemory& kept = input.kept;
  if (input.tally.newest)
    return opened(input, settings, next_pause(kept.pause, settings),
                  fmt::format("the canary failed: {}", input.tally.newest_words));
  const int successes = std::max(kept.canary_successes, input.tally.successes);
  if (successes >= kSuccessesToClose) return closed(kept, fmt::format("{} canaries came up", successes));
  BreakerMemory next = kept;
  next.canary_successes = successes;
  next.canary = input.canary_alive;
  return next;
}

View unexplained(const Evidence& evidence, const Scopes& scopes) {
  View view;
  view.reserve(evidence.starts.size());
  for (const Start& start : evidence.starts) {
    if (!scopes.explain(start)) view.push_back(&start);
  }
  return view;
}

/// Places of the candidates that their own breakers let through.
std::vector<Place> usable_places(const std::vector<Offer>& offers, const Scopes& scopes) {
  std::vector<Place> usable;
  for (const Offer& offer : offers) {
    const Place place = place_of(offer.placement);
    const bool open = std::any_of(scopes.all.begin(), scopes.all.end(), [&](const ScopeBreaker& scope) {
      const auto key = parse_key(scope.key);
      return key && key->place == place && scope.state == BreakerState::open;
    });
    if (!open && std::find(usable.begin(), usable.end(), place) == usable.end()) usable.push_back(place);
  }
  return usable;
}

/// How many more may fail. Where there are several places, the last few are kept for another than the one
/// that fails.
int at_stake(int lost, int places, const Settings& settings) {
  const int most = most_at_stake(settings);
  const int first = places > 1 ? std::max(kFirstUnproven, most - kAtStakeBeyond) : most;
  return lost < first ? first - lost : std::max(1, most - lost);
}

int newest_failures(const View& view) {
  int count = 0;
  for (auto at = view.rbegin(); at != view.rend() && !(*at)->outcome->success; ++at) ++count;
  return count;
}

/// The one place without whose failures the fleet is well; none = the trouble is everywhere, or there is no
/// other place to go to.
std::optional<ScopeKey> place_to_blame(const View& view, const Evidence& evidence, const Scopes& scopes,
                                       const std::vector<Offer>& offers, const Settings& settings) {
  const std::vector<Place> usable = usable_places(offers, scopes);
  std::vector<ScopeKey> tried;
  for (auto at = view.rbegin(); at != view.rend(); ++at) {
    const Start& start = **at;
    if (start.outcome->success || !is_of_place(start.blames())) continue;
    const ScopeKey key{start.blames(), start.place()};
    if (std::find(tried.begin(), tried.end(), key) != tried.end()) continue;
    tried.push_back(key);
    const ScopeBreaker* known = scopes.find(key);
    if (newest_failures(starts_in(evidence, key, known == nullptr ? WallTime{} : known->since)) < kToBlame ||
        std::all_of(usable.begin(), usable.end(), [&](const Place& place) { return place == key.place; }))
      continue;
    View rest = view;
    std::erase_if(rest, [&](const Start* other) { return other->blames(key.scope, key.place); });
    const Tally without = tally(rest, evidence.under_way, settings);
    if (without.score < 2 * failure_weight() && !reason_to_open(without, settings)) return key;
  }
  return std::nullopt;
}

/// Why places that are in trouble together are everybody's fault.
std::optional<std::string> beyond_places(const Scopes& scopes, const std::vector<Offer>& offers,
                                         const View& all, const Settings& settings) {
  for (const FailureScope scope : scopes.newly_open) {
    std::vector<std::string> open;
    for (const ScopeBreaker& one : scopes.all) {
      const auto key = parse_key(one.key);
      if (key && key->scope == scope && one.state == BreakerState::open)
        open.push_back(place_words(key->place));
    }
    if (open.size() >= 2)
      return fmt::format("{} faults in {} places at once: {}", to_string(scope), open.size(),
                         fmt::join(open, ", "));
  }
  if (!scopes.newly_open.empty() && usable_places(offers, scopes).empty())
    return "no place is left: each is held back by its own faults";
  const int lost = newest_failures(all);
  if (lost < most_at_stake(settings)) return std::nullopt;
  const Place newest = all.back()->place();
  const bool elsewhere = std::any_of(all.end() - lost, all.end(),
                                     [&](const Start* start) { return !(start->place() == newest); });
  if (!elsewhere) return std::nullopt;
  return fmt::format("the last {} starts all failed, wherever they were, newest: {}", lost,
                     cause_words(*all.back()->outcome));
}

/// A canary of that generation or a later one (whose state could not be saved yet) on its way.
WorkerId canary_alive(const Snapshot& snapshot, std::int64_t generation) {
  for (const Worker& worker : snapshot.workers) {
    if (worker.canary && worker.status == WorkerStatus::spawning && worker.generation >= generation)
      return worker.id;
  }
  return {};
}

/// Places as they are judged this tick, and what they leave to the fleet.
Scopes judge_places(BreakerInput& input, const Evidence& evidence, const BreakerFacts& facts,
                    const Settings& settings) {
  Scopes scopes;
  const bool several = usable_places(facts.offers, {}).size() > 1;
  if (!input.override_) scopes = judge_scopes(evidence, input.kept.scopes, several, facts.random, settings);
  View view = unexplained(evidence, scopes);
  input.tally = tally(view, evidence.under_way, settings);
  if (input.override_) return scopes;
  if (input.kept.state == BreakerState::closed) {
    while (const auto reason = reason_to_open(input.tally, settings)) {
      const auto blamed = place_to_blame(view, evidence, scopes, facts.offers, settings);
      if (!blamed) break;
      open_scope(scopes, *blamed, "only there starts fail, the rest of the fleet is well: " + *reason,
                 evidence, facts.random, settings);
      view = unexplained(evidence, scopes);
      input.tally = tally(view, evidence.under_way, settings);
    }
  }
  View all;
  all.reserve(evidence.starts.size());
  for (const Start& start : evidence.starts) all.push_back(&start);
  input.lost_in_a_row = newest_failures(all);
  input.beyond_places = beyond_places(scopes, facts.offers, all, settings);
  return scopes;
}

}  // namespace

std::optional<std::string> reason_to_open(const Tally& tally, const Settings& settings) {
  if (tally.certain)
    return fmt::format("failed twice, and the next try would fail the same way: {}", tally.certain_words);
  if (tally.repeats)
    return fmt::format("{} starts in a row failed in the same new way: {}", tally.failures_in_a_row,
                       tally.repeats_words);
  if (tally.outcomes >= std::max(1, settings.min_workers_for_rate) &&
      tally.failures > settings.max_failure_rate * tally.outcomes)
    return fmt::format("{:g} of {} starts failed within {} ({}), newest: {}", tally.failures, tally.outcomes,
                       format_duration(settings.failure_window), figures(tally), newest_words(tally));
  if (tally.alarmed)
    return fmt::format("far more starts fail than usual ({}), newest: {}", figures(tally),
                       newest_words(tally));
  return std::nullopt;
}

BreakerMemory next_state(const BreakerInput& input, const Settings& settings) {
  const BreakerMemory& kept = input.kept;
  if (input.override_ && input.override_->kind == BreakerOverride::Kind::hold) return kept;
  if (input.override_ && input.override_->kind == BreakerOverride::Kind::release) {
    if (kept.state == BreakerState::closed && kept.scopes.empty()) return kept;
    BreakerMemory next = closed(kept, fmt::format("released by {}", input.override_->actor));
    next.scopes.clear();
    return next;
  }
  switch (kept.state) {
    case BreakerState::closed: {
      auto reason = input.beyond_places;
      if (!reason) reason = reason_to_open(input.tally, settings);
      if (!reason) return kept;
      return opened(input, settings, first_pause(settings), std::move(*reason));
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
  return std::clamp(settings.min_workers_for_rate, 1, kFailuresToAlarm) + kAtStakeBeyond;
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
  const int failing = same ? std::max(input.tally.failures_in_a_row, input.lost_in_a_row) : 0;
  const int limit = std::min(unproven_limit(credit), at_stake(failing, input.places, settings));
  result.slots = std::max(0, limit - unproven);
  result.gate = "slow_start";
  result.reason = fmt::format(
      "{} pods are on their way to their first heartbeat, {} may be until more succeed", unproven, limit);
  return result;
}

BreakerVerdict judge(const BreakerFacts& facts, const Settings& settings) {
  const Snapshot& snapshot = facts.snapshot;
  constexpr std::uint64_t kSteps = 1000;
  BreakerInput input;
  input.kept = snapshot.breaker;
  const auto& word = snapshot.breaker_override;
  if (word && (!word->expires_in || *word->expires_in > Duration{0})) input.override_ = word;
  input.canary_alive = canary_alive(snapshot, input.kept.generation);
  input.ghosts = facts.ghosts;
  input.jitter = static_cast<double>(facts.random % kSteps) / static_cast<double>(kSteps - 1);
  const Evidence evidence = collect_evidence(snapshot, settings);
  Scopes scopes = judge_places(input, evidence, facts, settings);

  BreakerVerdict verdict;
  verdict.state = next_state(input, settings);
  if (verdict.state.state != input.kept.state || verdict.state.generation != input.kept.generation)
    verdict.news = fmt::format("{} -> {}: {}", to_string(input.kept.state), to_string(verdict.state.state),
                               verdict.state.reason);
  if (!input.override_) verdict.state.scopes = scopes.all;
  scopes.all = verdict.state.scopes;
  input.places = static_cast<int>(usable_places(facts.offers, scopes).size());
  for (const std::string& news : scopes.news) verdict.news += (verdict.news.empty() ? "" : "; ") + news;

  int unproven = facts.ghosts, proven_alive = 0;
  for (const Worker& worker : snapshot.workers) {
    if (worker.status == WorkerStatus::spawning) ++unproven;
    if (worker.status == WorkerStatus::active && worker.proven && worker.script_hash == settings.script_hash)
      ++proven_alive;
  }
  input.canary_alive = canary_alive(snapshot, verdict.state.generation);
  verdict.permit = permit(verdict.state, input, unproven, proven_alive, settings);
  verdict.places = PlacePermits(snapshot, facts.offers, evidence, scopes, facts.ghosts, settings);
  return verdict;
}

}  // namespace gpuwarden::policy
