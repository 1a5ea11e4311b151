#pragma once

#include <string>

#include "gpuwarden/policy/decide.hpp"

namespace gpuwarden::policy {

/// What happened to a create or a delete between two ticks, as data, so that it can be recorded and told to a
/// memory again.
struct Note {
  enum class Kind {
    no_capacity,
    refused,
    created,
    no_balance,
    rate_limited,
    no_pod,  ///< it is sure that no pod came of the worker's create
    deleted  ///< the provider has accepted the pod's delete
  } kind{Kind::created};
  Placement placement{};  ///< no_capacity, refused, created
  std::string detail{};   ///< no_capacity, refused: the provider's words
  MonoTime at{};          ///< when it happened; rate_limited: until when nothing can be sent
  WorkerId worker{};      ///< no_pod
  PodId pod{};            ///< deleted
};

/// Calls the note_ function that is meant.
void apply(Memory& memory, const Note& note);

}  // namespace gpuwarden::policy
