#pragma once

#include <istream>
#include <string>
#include <utility>
#include <vector>

#include "gpuwarden/base/result.hpp"

namespace gpuwarden::app {

/// What `gpuwarden replay` is asked.
struct ReplayRequest {
  std::string file;  ///< "-" = standard input
  /// Variables of the environment and the values to replay with.
  std::vector<std::pair<std::string, std::string>> changes;
};

/// Makes every recorded decision again: with the recorded settings, which must give the recorded plans, and,
/// where there are changes, with the changed ones. The recorded world does not react to the other decisions.
/// JSON text: {file, ticks, processes, from, until, recorded_by, program, reproduced, mismatches,
/// first_mismatch, changes, differing_ticks, differences [{tick, at, wanted, only_recorded, only_changed,
/// gates_gone, gates_new}], summary {recorded, changed}, warnings}. invalid_input: a change that cannot be
/// made; not_found: no such file; malformed: no journal.
Result<std::string> replay(const ReplayRequest& request);
/// The same of an open journal.
Result<std::string> replay(std::istream& journal, const ReplayRequest& request);

}  // namespace gpuwarden::app
