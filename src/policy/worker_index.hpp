#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace gpuwarden::policy {

/// Worker id -> place in the tick's list. Made anew in every tick, so it is one block of memory instead of
/// one a worker. The ids must outlive it.
class WorkerIndex {
 public:
  /// Room for so many workers; what was in it is forgotten.
  void reset(std::size_t workers);
  /// False = one of that name is there already.
  bool add(std::string_view worker, std::size_t place);
  std::optional<std::size_t> find(std::string_view worker) const;

 private:
  struct Slot {
    std::uint64_t hash{0};
    std::string_view worker;  ///< without data = free
    std::size_t place{0};
  };
  /// Where the worker is, or the free slot where it belongs.
  std::size_t slot_of(std::string_view worker, std::uint64_t hash) const;

  std::vector<Slot> slots_;  ///< a power of two, at most half of them taken
};

}  // namespace gpuwarden::policy
