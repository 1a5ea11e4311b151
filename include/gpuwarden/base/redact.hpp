#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gpuwarden {

/// Replaces secrets in text that leaves the process (logs, errors, database rows, reports) by "[redacted]".
/// It knows the values it was told of and the shapes of common credentials: Supabase `sb_secret_...`, JWTs,
/// Runpod `rpa_...`, `Bearer ...`, private-key blocks, URL passwords, GitHub and Hugging Face tokens.
class Redactor {
 public:
  /// Values shorter than 8 characters are ignored: replacing them would destroy ordinary text.
  void add(std::string_view secret);
  std::string redact(std::string_view text) const;

 private:
  std::vector<std::string> secrets_;
};

/// Only the shapes, for code that has no Redactor at hand.
std::string redact_shapes(std::string_view text);

}  // namespace gpuwarden
