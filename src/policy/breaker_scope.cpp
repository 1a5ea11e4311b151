#include "breaker_scope.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/policy/decide.hpp"

#include "cusum.hpp"

namespace gpuwarden::policy {
namespace {

constexpr double kJitter = 0.2;

/// 0..1, another for each place, the same for the same seed.
double jitter_of(std::uint64_t random, std::string_view key) {
  constexpr std::uint64_t kOffset = 14695981039346656037ULL, kPrime = 1099511628211ULL, kSteps = 1000;
  std::uint64_t hash = kOffset ^ random;  // FNV-1a
  for (const char c : key) hash = (hash ^ static_cast<unsigned char>(c)) * kPrime;
  return static_cast<double>((hash >> 32U) % kSteps) / static_cast<double>(kSteps - 1);
}

bool same_place_succeeded_after(const std::vector<Start>& starts, std::size_t failure) {
  for (std::size_t i = failure + 1; i < starts.size(); ++i) {
    if (starts[i].outcome->success && starts[i].place() == starts[failure].place()) return true;
  }
  return false;
}

/// Another place knows this way to fail and survived it.
bool is_known_elsewhere(const Evidence& evidence, const Place& place, const std::string& fingerprint) {
  for (std::size_t i = 0; i < evidence.starts.size(); ++i) {
    const Start& start = evidence.starts[i];
    if (!start.outcome->success && start.outcome->fingerprint == fingerprint && !(start.place() == place) &&
        same_place_succeeded_after(evidence.starts, i))
      return true;
  }
  return false;
}

std::optional<std::string> reason_to_open(const Evidence& evidence, const ScopeKey& key, const View& view,
                                          const Tally& tally) {
  if (tally.repeats && !is_known_elsewhere(evidence, key.place, tally.fingerprint))
    return fmt::format("{} starts there in a row failed in the same new way: {}", tally.failures_in_a_row,
                       tally.repeats_words);
  if (!tally.alarmed) return std::nullopt;
  return fmt::format("{} of {} starts there failed ({}), newest: {}",
                     static_cast<int>(view.size()) - tally.successes, view.size(), figures(tally),
                     tally.newest_words);
}

struct Judge {
  const Evidence& evidence;
  std::uint64_t random;
  const Settings& settings;
  Scopes& scopes;
  bool may_open{true};

  void change(ScopeBreaker& scope, const ScopeKey& key, BreakerState state, std::string reason) const {
    scopes.news.push_back(
        fmt::format("{}: {} -> {}: {}", scope_words(key), to_string(scope.state), to_string(state), reason));
    scope.state = state;
    scope.since = evidence.now;
    scope.canary_successes = 0;
    scope.reason = std::move(reason);
  }
  void open(ScopeBreaker& scope, const ScopeKey& key, Duration pause, std::string reason) const {
    if (scope.state == BreakerState::closed) scopes.newly_open.push_back(key.scope);
    scope.pause = breaker_pause(pause, jitter_of(random, scope.key), settings);
    change(scope, key, BreakerState::open, std::move(reason));
  }

  void advance(ScopeBreaker& scope, const ScopeKey& key) const {
    // A clock that was set back must not make a pause longer.
    scope.since = std::min(scope.since, evidence.now);
    if (scope.state == BreakerState::open) {
      if (evidence.now - scope.since >= scope.pause)
        change(scope, key, BreakerState::half_open,
               fmt::format("paused for {}", format_duration(scope.pause)));
      return;
    }
    if (scope.state == BreakerState::closed && !may_open) return;
    const View view = starts_in(evidence, key, scope.since);
    std::vector<StartUnderWay> under_way;
    std::copy_if(evidence.under_way.begin(), evidence.under_way.end(), std::back_inserter(under_way),
                 [&](const StartUnderWay& start) { return start.place() == key.place; });
    const Tally there = tally(view, under_way, settings);
    if (scope.state == BreakerState::closed) {
      if (auto reason = reason_to_open(evidence, key, view, there))
        open(scope, key, first_pause(settings), std::move(*reason));
      return;
    }
    if (there.newest)
      return open(scope, key, next_pause(scope.pause, settings),
                  fmt::format("the canary failed: {}", there.newest_words));
    scope.canary_successes = std::max(scope.canary_successes, there.successes);
    if (scope.canary_successes < kSuccessesToClose) return;
    change(scope, key, BreakerState::closed, fmt::format("{} canaries came up", kSuccessesToClose));
    scope.pause = Duration{0};
  }
};

}  // namespace

std::string key_text(const ScopeKey& key) {
  return fmt::format("{}|{}|{}", to_string(key.scope), key.place.gpu, key.place.data_center);
}

std::optional<ScopeKey> parse_key(const std::string& text) {
  const std::string_view all = text;
  const std::size_t first = all.find('|');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = all.find('|', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  for (const FailureScope scope : {FailureScope::host, FailureScope::placement, FailureScope::network}) {
    if (to_string(scope) == all.substr(0, first))
      return ScopeKey{scope, {all.substr(first + 1, second - first - 1), all.substr(second + 1)}};
  }
  return std::nullopt;
}

std::string scope_words(const ScopeKey& key) {
  return fmt::format("{} faults on {}", to_string(key.scope), place_words(key.place));
}

bool is_after(const Start& start, WallTime since) {
  // Names say when a pod was asked for to the second only.
  return start.ended > since && start.asked >= std::chrono::floor<std::chrono::seconds>(since);
}

const ScopeBreaker* Scopes::find(const ScopeKey& key) const {
  for (const ScopeBreaker& scope : all) {
    if (const auto parsed = parse_key(scope.key); parsed && *parsed == key) return &scope;
  }
  return nullptr;
}

bool Scopes::explain(const Start& start) const {
  if (start.outcome->success || !is_of_place(start.blames())) return false;
  const ScopeBreaker* scope = find({start.blames(), start.place()});
  return scope != nullptr && !is_after(start, scope->since);
}

Duration breaker_pause(Duration pause, double jitter, const Settings& settings) {
  const double factor = 1 - kJitter + 2 * kJitter * std::clamp(jitter, 0.0, 1.0);
  const auto spread = Duration(static_cast<Duration::rep>(static_cast<double>(pause.count()) * factor));
  return std::min(spread, std::max(settings.breaker_probe_max, settings.breaker_probe_interval));
}

Duration first_pause(const Settings& settings) {
  return settings.breaker_probe_interval;
}

Duration next_pause(Duration pause, const Settings& settings) {
  return std::max(pause, settings.breaker_probe_interval) * 2;
}

Scopes judge_scopes(const Evidence& evidence, const std::vector<ScopeBreaker>& kept, bool may_open,
                    std::uint64_t random, const Settings& settings) {
  Scopes scopes;
  const Judge judge{evidence, random, settings, scopes, may_open};
  scopes.all.reserve(kept.size());
  for (const ScopeBreaker& before : kept) {
    const auto key = parse_key(before.key);
    if (!key) continue;
    ScopeBreaker scope = before;
    judge.advance(scope, *key);
    // A closed place is remembered as long as starts of before it closed may still be in the evidence.
    if (scope.state != BreakerState::closed || evidence.now - scope.since <= evidence_window(settings))
      scopes.all.push_back(std::move(scope));
  }
  std::vector<ScopeKey> judged;
  for (const Start& start : evidence.starts) {
    if (start.outcome->success || !is_of_place(start.blames())) continue;
    const ScopeKey key{start.blames(), start.place()};
    if (std::find(judged.begin(), judged.end(), key) != judged.end() || scopes.find(key) != nullptr) continue;
    judged.push_back(key);
    ScopeBreaker scope;
    scope.key = key_text(key);
    judge.advance(scope, key);
    if (scope.state != BreakerState::closed) scopes.all.push_back(std::move(scope));
  }
  const auto by_key = [](const ScopeBreaker& a, const ScopeBreaker& b) { return a.key < b.key; };
  std::sort(scopes.all.begin(), scopes.all.end(), by_key);
  return scopes;
}

void open_scope(Scopes& scopes, const ScopeKey& key, std::string reason, const Evidence& evidence,
                std::uint64_t random, const Settings& settings) {
  const std::string text = key_text(key);
  auto at = std::lower_bound(scopes.all.begin(), scopes.all.end(), text,
                             [](const ScopeBreaker& scope, const std::string& k) { return scope.key < k; });
  if (at == scopes.all.end() || at->key != text) {
    at = scopes.all.insert(at, ScopeBreaker{});
    at->key = text;
  }
  Judge{evidence, random, settings, scopes}.open(*at, key, first_pause(settings), std::move(reason));
}

View starts_in(const Evidence& evidence, const ScopeKey& key, WallTime since) {
  View view;
  for (const Start& start : evidence.starts) {
    const bool about =
        start.outcome->success ? start.place() == key.place : start.blames(key.scope, key.place);
    if (about && is_after(start, since)) view.push_back(&start);
  }
  return view;
}

Duration opens_in(const ScopeBreaker& scope, WallTime now) {
  return std::clamp(scope.pause - (now - scope.since), Duration{0}, scope.pause);
}

}  // namespace gpuwarden::policy
