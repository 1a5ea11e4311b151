#include "place_permits.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "breaker.hpp"

namespace gpuwarden::policy {
namespace {

/// Unproven pods that a closed place may have, by what its starts say that no breaker has explained.
int limit_at(const Place& place, int proven_alive, const Evidence& evidence, const Scopes& scopes,
             const Settings& settings) {
  View view;
  for (const Start& start : evidence.starts) {
    if (start.place() == place && (start.outcome->success || is_of_place(start.blames())) &&
        !scopes.explain(start))
      view.push_back(&start);
  }
  const Tally there = tally(view, {}, settings);
  const int credit = there.successes_since_trouble;
  return unproven_limit(there.had_trouble ? credit : std::max(credit, proven_alive));
}

}  // namespace

PlacePermits::PlacePermits(const Snapshot& snapshot, const std::vector<Offer>& offers,
                           const Evidence& evidence, const Scopes& scopes, int ghosts,
                           const Settings& settings) {
  for (const Offer& offer : offers) add(place_of(offer.placement));
  for (const ScopeBreaker& scope : scopes.all) {
    const auto key = parse_key(scope.key);
    if (key && scope.state != BreakerState::closed) add(key->place);
  }
  count(snapshot, settings);
  for (Room& room : rooms_)
    room.slots =
        std::max(0, limit_at(room.place(), room.proven_alive, evidence, scopes, settings) - room.unproven);
  for (const ScopeBreaker& scope : scopes.all) {
    const auto key = parse_key(scope.key);
    if (!key || scope.state == BreakerState::closed) continue;
    if (Room* room = find(key->place)) hold_back(*room, scope, *key, snapshot, ghosts);
  }
}

void PlacePermits::count(const Snapshot& snapshot, const Settings& settings) {
  for (const Worker& worker : snapshot.workers) {
    Room* room = find(place_of(worker.placement));
    if (room == nullptr) continue;
    if (worker.status == WorkerStatus::spawning) ++room->unproven;
    if (worker.status == WorkerStatus::active && worker.proven && worker.script_hash == settings.script_hash)
      ++room->proven_alive;
  }
}

void PlacePermits::hold_back(Room& room, const ScopeBreaker& scope, const ScopeKey& key,
                             const Snapshot& snapshot, int ghosts) {
  if (scope.state == BreakerState::open) {
    const Duration left = opens_in(scope, snapshot.db_now);
    // Faults of several classes: the last one to open again counts.
    if (room.opens_in && *room.opens_in >= left) return;
    room.opens_in = left;
    room.slots = 0;
    room.probe = false;
    room.reason = fmt::format("{}: open: {}", scope_words(key), scope.reason);
    return;
  }
  if (room.opens_in) return;
  // Whoever was asked for since the place opened may be its canary, also where the state was not saved.
  const WallTime opened = std::chrono::floor<std::chrono::seconds>(scope.since - scope.pause);
  const auto is_canary = [&](const Worker& worker) {
    return worker.status == WorkerStatus::spawning && place_of(worker.placement) == key.place &&
           asked_for_at(worker.id).value_or(snapshot.db_now) >= opened;
  };
  const bool waits = ghosts > 0 || std::any_of(snapshot.workers.begin(), snapshot.workers.end(), is_canary);
  room.probe = true;
  room.slots = waits ? 0 : 1;
  room.reason = fmt::format("{}: half open: {}, {} of {} came up", scope_words(key),
                            waits ? "waiting for the canary there" : "one canary at a time",
                            scope.canary_successes, kSuccessesToClose);
}

bool PlacePermits::has_room(const Placement& placement) const {
  const Room* room = find(place_of(placement));
  return room == nullptr || room->slots > 0;
}

void PlacePermits::take(const Placement& placement) {
  if (Room* room = find(place_of(placement))) --room->slots;
}

bool PlacePermits::is_probe(const Placement& placement) const {
  const Room* room = find(place_of(placement));
  return room != nullptr && room->probe;
}

std::vector<Gate> PlacePermits::gates() const {
  std::vector<Gate> found;
  for (const Room& room : rooms_) {
    if (!room.reason.empty()) found.push_back({"place", room.reason, room.opens_in});
  }
  return found;
}

std::optional<Gate> PlacePermits::why_none(const std::vector<Offer>& candidates) const {
  const Room* soonest = nullptr;
  bool any_shut = false;
  for (const Offer& offer : candidates) {
    const Room* room = find(place_of(offer.placement));
    if (room == nullptr || room->slots > 0) return std::nullopt;
    any_shut = any_shut || !room->reason.empty();
    if (room->opens_in && (soonest == nullptr || *room->opens_in < *soonest->opens_in)) soonest = room;
  }
  if (candidates.empty()) return std::nullopt;
  if (!any_shut)
    return Gate{"slow_start",
                "every place has as many pods on their way to their first heartbeat as may be until more "
                "succeed there",
                std::nullopt};
  Gate gate{"places", "no candidate is left: every place is held back by its own breaker or by slow start",
            std::nullopt};
  if (soonest == nullptr) return gate;
  gate.reason += fmt::format("; the soonest to be tried again is {}", place_words(soonest->place()));
  gate.opens_in = soonest->opens_in;
  return gate;
}

PlacePermits::Room* PlacePermits::find(const Place& place) {
  const auto room =
      std::find_if(rooms_.begin(), rooms_.end(), [&](const Room& known) { return known.place() == place; });
  return room == rooms_.end() ? nullptr : &*room;
}

const PlacePermits::Room* PlacePermits::find(const Place& place) const {
  const auto room =
      std::find_if(rooms_.begin(), rooms_.end(), [&](const Room& known) { return known.place() == place; });
  return room == rooms_.end() ? nullptr : &*room;
}

PlacePermits::Room& PlacePermits::add(const Place& place) {
  if (Room* known = find(place)) return *known;
  Room room;
  room.gpu = place.gpu;
  room.data_center = place.data_center;
  rooms_.push_back(std::move(room));
  return rooms_.back();
}

}  // namespace gpuwarden::policy
