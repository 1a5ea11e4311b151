#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "gpuwarden/domain/evidence.hpp"

namespace gpuwarden::diagnosis {

/// One cause for the evidence, with the line that decides it. `suspected` is what the machinery believes when
/// the evidence says nothing more exact (a deadline, a lost heartbeat). Pure; never throws; bounded work.
Verdict diagnose(const Evidence& evidence, std::optional<FailureCause> suspected = std::nullopt);

/// Same fault = same text: paths, ids, times, addresses, numbers replaced, then hashed. 16 hex digits.
std::string fingerprint(FailureCause cause, std::string_view evidence_line);

/// ANSI codes, progress bars, carriage returns and broken UTF-8 removed; at most 4 KB.
std::string clean_line(std::string_view line);

}  // namespace gpuwarden::diagnosis
