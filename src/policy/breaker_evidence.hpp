#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gpuwarden/domain/snapshot.hpp"
#include "gpuwarden/policy/settings.hpp"

namespace gpuwarden::policy {

/// What a fault of a host, of the stock or of a network is about. Views into the snapshot.
struct Place {
  std::string_view gpu, data_center;
  bool operator==(const Place&) const = default;
};
Place place_of(const Placement& placement);
/// "RTX 4090 in EU-RO-1", "RTX 4090 anywhere".
std::string place_words(const Place& place);
/// Host, placement, network: another place may be well.
bool is_of_place(FailureScope scope);

/// When the pod was asked for, to the second, from the worker's name; none where the name does not say.
std::optional<WallTime> asked_for_at(const WorkerId& worker);

/// One start that counts.
struct Start {
  const StartOutcome* outcome{nullptr};
  WallTime asked{};  ///< where the name does not say: when it ended
  WallTime ended{};
  double failed{0};  ///< 1 a failure, 0 a success, 0.5 a success that took longer than the p99 before it

  Place place() const { return place_of(outcome->placement); }
  /// A failure's class; meaningless for a success.
  FailureScope blames() const { return facts(outcome->cause).scope; }
  bool blames(FailureScope scope, const Place& where) const {
    return !outcome->success && blames() == scope && place() == where;
  }
};

/// One start that has not ended yet.
struct StartUnderWay {
  const Worker* worker{nullptr};
  WallTime asked{};
  Place place() const { return place_of(worker->placement); }
};

/// Everything that may be judged by, oldest request first: what began before a fault came may succeed long
/// after those that began behind it have failed, and says nothing against them. Uncounted causes, other
/// generations and other scripts are no evidence. Valid while the snapshot lives.
struct Evidence {
  WallTime now{};  ///< by the database's clock
  std::vector<Start> starts;
  std::vector<StartUnderWay> under_way;
};
Evidence collect_evidence(const Snapshot& snapshot, const Settings& settings);

/// A part of the evidence, in its order.
using View = std::vector<const Start*>;

/// What a view says.
struct Tally {
  int outcomes{0};                      ///< in the operator's window
  double failures{0};                   ///< in the operator's window; slow successes are halves
  int failures_in_a_row{0};             ///< newest ones, however old
  int successes{0};                     ///< of all ages
  int successes_since_trouble{0};       ///< newer than the newest two failures in a row
  bool had_trouble{false};              ///< two failures in a row were found
  double score{0};                      ///< CUSUM, over all ages
  bool alarmed{false};                  ///< by CUSUM
  std::optional<FailureCause> newest;   ///< cause of the newest failure
  std::string newest_words;             ///< `newest` with its one-line cause
  std::optional<FailureCause> certain;  ///< a cause that repeats by nature was seen twice since a success
  std::optional<FailureCause> repeats;  ///< the newest starts failed in the same way, and that way is new
  std::string fingerprint;              ///< of `repeats`
  std::string repeats_words;            ///< the same of the newest of `repeats`
  std::string certain_words;            ///< the same of the newest of `certain`
};
/// `under_way` = those starts on their way that belong to the view.
Tally tally(const View& view, const std::vector<StartUnderWay>& under_way, const Settings& settings);

/// The same words wherever a failure is told: "start_failed: the worker ended at once: unknown argument --x".
/// Only the cause where nothing more is known.
std::string cause_words(const StartOutcome& failure);

/// Unauthorized, invalid request, no balance, refused SSH key: the next try must fail the same way.
bool is_certain(FailureCause cause);

/// "CUSUM 6.9 of 6.9, posterior 60 %".
std::string figures(const Tally& tally);

}  // namespace gpuwarden::policy
