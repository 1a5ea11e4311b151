#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "breaker_evidence.hpp"

namespace gpuwarden::policy {

/// What a narrow breaker is about: faults of one class at one place.
struct ScopeKey {
  FailureScope scope{FailureScope::host};
  Place place;
  bool operator==(const ScopeKey&) const = default;
};
/// "host|NVIDIA GeForce RTX 4090|EU-RO-1"
std::string key_text(const ScopeKey& key);
/// None for what no version of ours writes. The places are views into `text`.
std::optional<ScopeKey> parse_key(const std::string& text);
/// "host faults on RTX 4090 in EU-RO-1"
std::string scope_words(const ScopeKey& key);

/// Asked for after the scope's state changed, and not ended before.
bool is_after(const Start& start, WallTime since);

/// The narrow breakers after this tick's evidence.
struct Scopes {
  std::vector<ScopeBreaker> all;         ///< ordered by key; as kept when nothing changed
  std::vector<std::string> news;         ///< each change of state in words
  std::vector<FailureScope> newly_open;  ///< classes of those that went from closed to open
  const ScopeBreaker* find(const ScopeKey& key) const;
  /// A failure that an open place explains, or one that has been tried again since, is none of the fleet's.
  bool explain(const Start& start) const;
};

/// Successes of a canary that close a breaker.
inline constexpr int kSuccessesToClose = 2;

/// First pause of a breaker and those that follow, with jitter of a fifth, `jitter` = 0..1, at most
/// BREAKER_PROBE's longest.
Duration breaker_pause(Duration pause, double jitter, const Settings& settings);
Duration first_pause(const Settings& settings);
Duration next_pause(Duration pause, const Settings& settings);

/// A place opens by its own CUSUM over the starts there, or by three new failures there that are the same;
/// half-opens after its pause; closes after two successes and reopens by one failure, with twice the pause.
/// Without `may_open` none opens newly: where there is only one place, its faults are the fleet's.
/// `random` = seed of this tick.
Scopes judge_scopes(const Evidence& evidence, const std::vector<ScopeBreaker>& kept, bool may_open,
                    std::uint64_t random, const Settings& settings);

/// Opens a closed place by hand of the fleet's judge.
void open_scope(Scopes& scopes, const ScopeKey& key, std::string reason, const Evidence& evidence,
                std::uint64_t random, const Settings& settings);

/// Starts at a place that speak of a class: its successes, and its failures of the class, after `since`.
View starts_in(const Evidence& evidence, const ScopeKey& key, WallTime since);

/// When an open place is tried again.
Duration opens_in(const ScopeBreaker& scope, WallTime now);

}  // namespace gpuwarden::policy
