#include "placement.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <tuple>

namespace gpuwarden::policy {
namespace {

using std::chrono::minutes;

constexpr std::array<Duration, 6> kPauses{minutes(1),  minutes(2),  minutes(5),
                                          minutes(10), minutes(20), minutes(40)};
constexpr Duration kForgetAfter = minutes(60);
constexpr Duration kNoBalancePause = minutes(5);
constexpr int kPerCandidate = 2;
constexpr Duration kMistrust = minutes(5), kMostMistrust = minutes(60);
constexpr double kUnpriced = 1e9;  // a price that is not known is tried last

/// Keys of places whose newest starts failed by a fault of host or place, too lately to try them first.
std::set<std::string> mistrusted_places(const std::vector<StartOutcome>& outcomes) {
  struct Streak {
    int failures{0};
    Duration newest{0};
    bool over{false};
  };
  std::map<std::string, Streak> streaks;
  for (const StartOutcome& outcome : outcomes) {
    const CauseFacts& cause = facts(outcome.cause);
    const bool blames_place = cause.scope == FailureScope::host || cause.scope == FailureScope::placement;
    // Of other failures nothing follows for the place, neither way.
    if (!outcome.success && (!blames_place || !cause.counts_for_breaker)) continue;
    Streak& streak = streaks[outcome.placement.key()];
    if (streak.over) continue;
    streak.over = outcome.success;
    if (outcome.success) continue;
    if (streak.failures++ == 0) streak.newest = outcome.age;
  }
  std::set<std::string> keys;
  for (const auto& [key, streak] : streaks) {
    if (streak.failures > 0 && streak.newest < mistrust(streak.failures)) keys.insert(key);
  }
  return keys;
}

void set_aside(Memory& memory, const Placement& placement, std::string detail, bool refused, MonoTime now) {
  Memory::CandidatePause& pause = memory.exhausted[placement.key()];
  pause.detail = std::move(detail);
  pause.refused = refused;
  if (now < pause.until) return;  // several creates of one tick are one answer
  pause.pause = exhaustion_pause(pause.pause);
  pause.until = now + pause.pause;
}

}  // namespace

Duration exhaustion_pause(Duration previous) {
  const auto next = std::find_if(kPauses.begin(), kPauses.end(), [&](Duration p) { return p > previous; });
  return next == kPauses.end() ? kPauses.back() : *next;
}

Duration mistrust(int failures) {
  constexpr int kDoublings = 8;
  return std::min<Duration>(kMistrust * (1L << std::clamp(failures - 1, 0, kDoublings)), kMostMistrust);
}

std::vector<Offer> usable(const std::vector<Offer>& offers, const Memory& memory, MonoTime now,
                          const std::vector<StartOutcome>& outcomes) {
  const std::set<std::string> mistrusted = mistrusted_places(outcomes);
  struct Ranked {
    std::tuple<bool, bool, int, double, int> rank;
    const Offer* offer;
  };
  std::vector<Ranked> ranked;
  for (const Offer& offer : offers) {
    const std::string key = offer.placement.key();
    const auto paused = memory.exhausted.find(key);
    if (paused != memory.exhausted.end() && now < paused->second.until) continue;
    const double price = offer.placement.price_per_hr;
    ranked.push_back({{mistrusted.contains(key), offer.stock == StockLevel::none, offer.preference,
                       price > 0 ? price : kUnpriced, -static_cast<int>(offer.stock)},
                      &offer});
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const Ranked& a, const Ranked& b) { return a.rank < b.rank; });
  std::vector<Offer> result;
  result.reserve(ranked.size());
  for (const Ranked& one : ranked) result.push_back(*one.offer);
  return result;
}

std::optional<Duration> next_candidate_in(const std::vector<Offer>& offers, const Memory& memory,
                                          MonoTime now) {
  std::optional<Duration> soonest;
  for (const Offer& offer : offers) {
    const auto paused = memory.exhausted.find(offer.placement.key());
    if (paused == memory.exhausted.end()) continue;
    const Duration left = std::max(Duration{0}, paused->second.until - now);
    soonest = soonest ? std::min(*soonest, left) : left;
  }
  return soonest;
}

bool Spread::has_room(const Offer& offer) const {
  if (offer.stock == StockLevel::medium || offer.stock == StockLevel::high) return true;
  const auto given = given_.find(offer.placement.key());
  return given == given_.end() || given->second < kPerCandidate;
}

Placement Spread::take(const Offer& offer) {
  ++given_[offer.placement.key()];
  return offer.placement;
}

void forget_old_pauses(Memory& memory, MonoTime now) {
  std::erase_if(memory.exhausted, [&](const auto& entry) { return entry.second.until + kForgetAfter < now; });
}

std::optional<std::string> refused_everywhere(const std::vector<Offer>& offers, const Memory& memory) {
  const Memory::CandidatePause* newest = nullptr;
  for (const Offer& offer : offers) {
    const auto paused = memory.exhausted.find(offer.placement.key());
    if (paused == memory.exhausted.end() || !paused->second.refused) return std::nullopt;
    if (newest == nullptr || paused->second.until - paused->second.pause >= newest->until - newest->pause)
      newest = &paused->second;
  }
  return newest == nullptr ? std::nullopt : std::optional(newest->detail);
}

void note_no_capacity(Memory& memory, const Placement& placement, std::string detail, MonoTime now) {
  set_aside(memory, placement, std::move(detail), false, now);
}

void note_refused(Memory& memory, const Placement& placement, std::string detail, MonoTime now) {
  set_aside(memory, placement, std::move(detail), true, now);
}

void note_created(Memory& memory, const Placement& placement) {
  memory.exhausted.erase(placement.key());
  memory.no_balance_until.reset();
}

void note_no_balance(Memory& memory, MonoTime now) {
  memory.no_balance_until = now + kNoBalancePause;
}

void note_rate_limited(Memory& memory, MonoTime until) {
  memory.rate_limited_until = std::max(memory.rate_limited_until.value_or(until), until);
}

}  // namespace gpuwarden::policy
