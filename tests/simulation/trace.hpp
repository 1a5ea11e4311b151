#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>

#include "gpuwarden/base/time.hpp"

namespace gpuwarden::simulation {

/// Everything that happened in a run, as a hash, and its newest lines in words. Two runs of one seed have the
/// same hash.
class Trace {
 public:
  void note(MonoTime at, std::string_view what) {
    mix(std::to_string(at.time_since_epoch().count()));
    mix(what);
    ++lines_;
    if (kept_.size() == kKept) kept_.pop_front();
    kept_.push_back({at, std::string(what)});
  }
  std::uint64_t hash() const { return hash_; }
  std::uint64_t lines() const { return lines_; }
  struct Line {
    MonoTime at;
    std::string what;
  };
  const std::deque<Line>& newest() const { return kept_; }

 private:
  static constexpr std::size_t kKept = 400;
  void mix(std::string_view text) {  // FNV-1a
    for (const char c : text) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    hash_ = (hash_ ^ 0xffU) * 0x100000001b3ULL;
  }
  std::uint64_t hash_{0xcbf29ce484222325ULL};
  std::uint64_t lines_{0};
  std::deque<Line> kept_;
};

/// "Sometimes" probes: how often each rare state and each fault was really reached.
class Probes {
 public:
  void reached(std::string_view name, std::uint64_t times = 1) {
    const auto found = counts_.find(name);
    if (found == counts_.end()) {
      counts_.emplace(std::string(name), times);
    } else {
      found->second += times;
    }
  }
  const std::map<std::string, std::uint64_t, std::less<>>& counts() const { return counts_; }

 private:
  std::map<std::string, std::uint64_t, std::less<>> counts_;
};

}  // namespace gpuwarden::simulation
