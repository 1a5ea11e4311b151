#pragma once

#include <string>

#include "gpuwarden/domain/action.hpp"
#include "gpuwarden/domain/snapshot.hpp"

namespace gpuwarden::ops {

/// What becomes of a gate.
struct GateAdvice {
  bool by_itself{true};  ///< it opens without anybody's help
  std::string remedy;    ///< what an operator can do or has to do, with the command; may be empty
};

/// `snapshot` tells an operator's own word from the daemon's judgement; null = not known.
GateAdvice advice_for(const Gate& gate, const Snapshot* snapshot);

}  // namespace gpuwarden::ops
