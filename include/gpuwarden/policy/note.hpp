#pragma once

#include <string>

#include "gpuwarden/policy/decide.hpp"

namespace gpuwarden::policy {

/// What happened to a create between two ticks, as data, so that it can be recorded and told to a memory
/// again.
struct Note {
  enum class Kind { no_capacity, refused, created, no_balance, rate_limited } kind{Kind::created};
  Placement placement{};  ///< no_capacity, refused, created
  std::string detail{};   ///< no_capacity, refused: the provider's words
  MonoTime at{};          ///< when it happened; rate_limited: until when nothing can be sent
};

/// Calls the note_ function that is meant.
void apply(Memory& memory, const Note& note);

}  // namespace gpuwarden::policy
