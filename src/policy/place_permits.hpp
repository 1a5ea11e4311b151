#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gpuwarden/domain/action.hpp"
#include "gpuwarden/policy/decide.hpp"

#include "breaker_scope.hpp"

namespace gpuwarden::policy {

/// How many more pods each place may get this tick: none where it is open, one canary where it is half open,
/// and where it is closed twice as many unproven ones with every success there, beginning with two. A place
/// that is not known has room.
class PlacePermits {
 public:
  PlacePermits() = default;
  /// `ghosts` = spawns under way whose rows are not read yet.
  PlacePermits(const Snapshot& snapshot, const std::vector<Offer>& offers, const Evidence& evidence,
               const Scopes& scopes, int ghosts, const Settings& settings);

  bool has_room(const Placement& placement) const;
  /// A pod is asked for there.
  void take(const Placement& placement);
  /// The place is half open: a pod there is its canary.
  bool is_probe(const Placement& placement) const;

  /// One gate for each place that is not closed.
  std::vector<Gate> gates() const;
  /// Why none of the candidates has room, with the soonest opening; none = one of them has, or there is none.
  std::optional<Gate> why_none(const std::vector<Offer>& candidates) const;

 private:
  struct Room {
    std::string gpu, data_center;
    int slots{0};
    int unproven{0}, proven_alive{0};
    bool probe{false};
    std::string reason;  ///< empty: closed
    std::optional<Duration> opens_in;
    Place place() const { return {gpu, data_center}; }
  };
  Room* find(const Place& place);
  const Room* find(const Place& place) const;
  Room& add(const Place& place);
  void count(const Snapshot& snapshot, const Settings& settings);
  void hold_back(Room& room, const ScopeBreaker& scope, const ScopeKey& key, const Snapshot& snapshot,
                 int ghosts);

  std::vector<Room> rooms_;  // few
};

}  // namespace gpuwarden::policy
