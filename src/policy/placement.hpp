#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "gpuwarden/policy/decide.hpp"

namespace gpuwarden::policy {

/// How long a candidate without capacity is set aside the n-th time in a row: 1, 2, 5, 10, 20, 40 minutes.
Duration exhaustion_pause(Duration previous);

/// How long a candidate is tried after the others once its newest n starts failed by a fault of host or
/// place: 5 minutes, twice as many with each further one, an hour at most.
Duration mistrust(int failures);

/// Candidates to try now, best first, without those set aside. First those whose newest starts did not fail
/// by a fault of host or place a while ago, then those that the catalogue does not call out of stock (it is a
/// hint), then the operator's order, price, stock. `outcomes`: newest first.
std::vector<Offer> usable(const std::vector<Offer>& offers, const Memory& memory, MonoTime now,
                          const std::vector<StartOutcome>& outcomes);

/// When the next set-aside candidate may be tried again; none = none is set aside.
std::optional<Duration> next_candidate_in(const std::vector<Offer>& offers, const Memory& memory,
                                          MonoTime now);

/// What the service said when it has refused our request for every candidate; none = some candidate was not
/// refused.
std::optional<std::string> refused_everywhere(const std::vector<Offer>& offers, const Memory& memory);

/// Hands out candidates for several spawns of one tick: where the stock is not known to be good, only two go
/// to one candidate before the next one is tried.
class Spread {
 public:
  explicit Spread(std::vector<Offer> candidates) : candidates_(std::move(candidates)) {}
  /// The next candidate that `fits`; none = no candidate does.
  template <class Fits>
  std::optional<Placement> next(const Fits& fits) {
    const Offer* fallback = nullptr;
    for (const Offer& offer : candidates_) {
      if (!fits(offer.placement)) continue;
      if (fallback == nullptr) fallback = &offer;
      if (has_room(offer)) return take(offer);
    }
    if (fallback == nullptr) return std::nullopt;
    given_.clear();
    return take(*fallback);
  }

 private:
  bool has_room(const Offer& offer) const;
  Placement take(const Offer& offer);

  std::vector<Offer> candidates_;
  std::map<std::string, int> given_;
};

/// Drops pauses that ended so long ago that they say nothing any more.
void forget_old_pauses(Memory& memory, MonoTime now);

}  // namespace gpuwarden::policy
