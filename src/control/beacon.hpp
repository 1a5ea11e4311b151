#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace gpuwarden::control {

/// Shows whether our writes arrive: each snapshot leaves a value in the database that no other leaves, and
/// the next one must read it back. A request whose answer was lost may have left its value or not, and one
/// that was repeated reads back its own.
class Beacon {
 public:
  /// The value to send with the next request.
  std::string fresh(std::uint64_t random, std::string_view holder);
  /// The request with the newest value was answered, and `returned` read back. True: it is one that we sent
  /// and that may stand there; false: it is another, or none; nothing: we had left none yet that must stand
  /// there.
  std::optional<bool> answered(std::string_view returned);
  /// The request was answered under a leadership that has just begun: what stood there may be anybody's.
  void begin();
  /// We do not lead: nothing is left behind.
  void forget() { sent_.clear(); }

 private:
  struct Sent {
    std::string value;
    bool answered{false};
  };
  std::deque<Sent> sent_;  ///< from the newest answered one on
};

}  // namespace gpuwarden::control
