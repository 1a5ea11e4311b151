#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "gpuwarden/base/time.hpp"

namespace gpuwarden::simulation {

/// Random numbers of a simulation: splitmix64, the same on every machine (the distributions of <random> are
/// not).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15ULL;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31U);
  }
  /// 0 <= x < 1
  double unit() { return static_cast<double>(next() >> 11U) * 0x1.0p-53; }
  bool chance(double probability) { return unit() < probability; }
  /// least..most, both possible.
  std::int64_t between(std::int64_t least, std::int64_t most) {
    return least + static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(most - least + 1));
  }
  Duration between(Duration least, Duration most) { return Duration(between(least.count(), most.count())); }
  template <class T>
  const T& one_of(const std::vector<T>& values) {
    return values[static_cast<std::size_t>(next() % values.size())];
  }
  /// A stream of its own, so that more draws in one part of the world change nothing in another.
  Random fork() { return Random(next()); }

 private:
  std::uint64_t state_;
};

}  // namespace gpuwarden::simulation
