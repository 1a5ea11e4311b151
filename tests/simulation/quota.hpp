#pragma once

#include <array>
#include <optional>
#include <string>

#include "gpuwarden/base/time.hpp"

namespace gpuwarden::simulation {

/// Request windows of the service, as its RateLimit headers tell them.
class Quota {
 public:
  /// Nullopt = counted; otherwise the name of the window that is used up and whole seconds until it begins
  /// anew.
  struct Exceeded {
    std::string window;
    long retry_after_s;
  };
  std::optional<Exceeded> spend(MonoTime now);
  void set_per_minute(long requests) { windows_.front().quota = requests; }
  std::string rate_limit(MonoTime now) const;
  std::string policy() const;

 private:
  struct Window {
    std::string name;
    long seconds, quota;
    long used{0};
    MonoTime began{};
  };
  static bool over(const Window& window, MonoTime now);
  static long left_s(const Window& window, MonoTime now);
  std::array<Window, 3> windows_{Window{"minute", 60, 120}, Window{"hour", 3600, 6000},
                                 Window{"day", 86400, 100'000}};
};

}  // namespace gpuwarden::simulation
