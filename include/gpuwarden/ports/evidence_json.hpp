#pragma once

#include <string>
#include <string_view>

#include "gpuwarden/base/result.hpp"
#include "gpuwarden/domain/evidence.hpp"

namespace gpuwarden::ports {

/// The evidence document as stored in gpuwarden_failures.evidence: at most `max_bytes`, kept below it by
/// shortening the tails from their middle.
std::string evidence_to_json(const Evidence& evidence, std::size_t max_bytes = 65'536);

/// Reads the same document leniently: absent fields are absent, unknown ones ignored, `signal` a number or a
/// name. Error (malformed) only for text that is no JSON object.
Result<Evidence> evidence_from_json(std::string_view text);

/// "SIGKILL" for 9; empty for 0 and below; "SIG64" for numbers without a name.
std::string signal_name(long number);
/// The same for "9", "KILL" and "SIGKILL"; other text as it is.
std::string signal_name(std::string_view text);

}  // namespace gpuwarden::ports
