#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gpuwarden/domain/incident.hpp"

namespace gpuwarden::diagnosis {

/// How often each value occurs, the most frequent first.
using Counts = std::vector<std::pair<std::string, int>>;

/// What lets the fleet grow, or stops it.
enum class Scaling {
  running,   ///< starts are allowed
  limited,   ///< some places have a breaker of their own that is not closed
  probing,   ///< the breaker is half-open: canaries only
  blocked,   ///< the breaker is open
  released,  ///< an operator lets everything through
  held,      ///< an operator lets nothing through
  paused,    ///< an operator stopped everything
  no_daemon  ///< nobody leads: nothing is done at all
};
std::string_view to_string(Scaling scaling);

/// One fault: everything with one fingerprint.
struct ReportedCause {
  std::string cause, fingerprint, summary, evidence_line, advice, scope;
  int pods{0};
  double cost_usd{0};
  WallTime first{}, last{};
  WorkerId newest;                      ///< the worker to look at
  Counts channels, data_centers, gpus;  ///< where it was seen, and what spoke first
  Counts phases;                        ///< where in life
  Counts commits, images, scripts;      ///< what it ran with
  std::optional<int> exit_code;         ///< where all of them have the same
  std::string signal;                   ///< the same
  std::vector<std::string> last_words;  ///< of the newest
  Counts missing;                       ///< what of the evidence could not be had
  bool counts{true};                    ///< for the breaker
};

/// A value that came into use with a fault and that nothing which succeeded has.
struct Change {
  std::string what;    ///< script, image, commit, GPU type or data centre
  std::string option;  ///< the variable that chooses it; empty = none does so alone
  std::string value, previous;
  WallTime since{};                          ///< first start with the value
  std::optional<WallTime> previous_success;  ///< last success of a start with `previous`
  int failures{0};
  int previous_successes{0};  ///< with any other value
};

/// Failures close together.
struct Burst {
  WallTime first{}, last{};
  int pods{0};
  Counts causes;
};

struct Pattern {
  std::vector<Burst> bursts;       ///< oldest first
  std::optional<Duration> period;  ///< from burst to burst, where they come regularly
  int earlier{0}, later{0};        ///< failures in the first and second half of the time since the first one
  std::vector<Change> changes;     ///< of the leading fault
};

/// What it is not, and how that is known.
struct RuledOut {
  std::string what, evidence;
};

/// Something to do or to expect, with the commands to type for it.
struct Step {
  std::string text;
  std::vector<std::string> commands;
};

struct IncidentReport {
  WallTime now{};
  Duration window{0};
  std::string headline;  ///< one line: the true cause first
  // Current state.
  int starts{0}, failed_starts{0};  ///< that ended in the window; only what the breaker counts
  Scaling scaling{Scaling::running};
  std::string scaling_why;
  LiveWorkers live;
  QueueDepth queue;
  long failures{0};  ///< in the window
  double failures_usd{0};
  double spent_last_day_usd{0};
  long unread{0};  ///< failures too old to be in the list that the rest is made of
  /// Set where the leading fault is over: starts that succeeded after its last failure, and when the first of
  /// them did.
  int recovered{0};
  std::optional<WallTime> recovered_at;
  std::vector<ReportedCause> causes;  ///< by pods, then by dollars
  Pattern pattern;
  std::vector<RuledOut> ruled_out;
  std::vector<Step> fixes, next;
};

/// What is known beside the database, all of it optional.
struct ReportContext {
  /// From the running daemon: how long until the breaker may let a canary through.
  std::optional<Duration> canary_in;
  /// How long the records of failures are kept.
  std::optional<Duration> retention{};
};

/// The report on the failures of the last `window`. Pure. What the records do not show is not said.
IncidentReport make_report(const Incident& incident, Duration window, const ReportContext& context = {});

/// Bursts: the pauses between failures, sorted by length, are cut where one is at least four times the one
/// before it, at the widest such place; the longer ones separate bursts. Without such a place each failure is
/// alone where the usual pause is 30 s or more, and all are one burst where it is not. A period is told from
/// four bursts on whose distances differ from their median by a quarter at most: three equal ones by chance
/// are rare, and the 10 min 30 s of the day that this report was made for are within 2 %.
std::vector<Burst> bursts_of(const std::vector<FailedWorker>& failures);
std::optional<Duration> period_of(const std::vector<Burst>& bursts);

/// Values that all failures of a fault share and no success has, while others succeeded before (script,
/// image, commit) or elsewhere (GPU type, data centre). At least two failures.
std::vector<Change> changes_of(const std::vector<const FailedWorker*>& fault,
                               const std::vector<StartRecord>& starts);

}  // namespace gpuwarden::diagnosis
