#include "gpuwarden/domain/breaker.hpp"

namespace gpuwarden {

std::string_view to_string(BreakerState state) {
  switch (state) {
    case BreakerState::closed:
      return "closed";
    case BreakerState::open:
      return "open";
    case BreakerState::half_open:
      return "half_open";
  }
  return "closed";
}

std::optional<BreakerState> parse_breaker_state(std::string_view text) {
  for (const BreakerState state : {BreakerState::closed, BreakerState::open, BreakerState::half_open}) {
    if (text == to_string(state)) return state;
  }
  return std::nullopt;
}

}  // namespace gpuwarden
