#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "gpuwarden/base/time.hpp"

namespace gpuwarden::sandbox {

/// Requests that a key may still make: fixed windows of a minute, an hour and a day, each of which begins
/// with the first request that falls into it.
class Quota {
 public:
  /// The hour and the day allow 50 and 833 times as much as the minute, as Runpod's do.
  explicit Quota(long per_minute);
  /// Takes effect at once for the minute, of which what was spent stays spent. Hour and day keep their
  /// limits: after a busy hour a small one would refuse everything long after the limit was lifted again.
  void set_per_minute(long per_minute);

  struct Exceeded {
    std::string_view window;
    long retry_after_s{0};
  };
  /// Spends one request, or says which window is used up and spends nothing.
  std::optional<Exceeded> spend(MonoTime now);

  std::string rate_limit_header(MonoTime now) const;  ///< "minute";r=59;t=60, ...
  std::string policy_header() const;                  ///< "minute";q=60;w=60, ...

 private:
  struct Window {
    std::string_view name;
    long seconds{0}, quota{0}, used{0};
    MonoTime began{};
  };
  long left_s(const Window& window, MonoTime now) const;
  std::array<Window, 3> windows_;
};

}  // namespace gpuwarden::sandbox
