#include "worker_index.hpp"

#include <functional>

namespace gpuwarden::policy {

void WorkerIndex::reset(std::size_t workers) {
  constexpr std::size_t kLeast = 16;
  std::size_t size = kLeast;
  while (size < workers * 2) size *= 2;
  slots_.assign(size, Slot{});
}

std::size_t WorkerIndex::slot_of(std::string_view worker, std::uint64_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash & mask;
  while (slots_[at].worker.data() != nullptr && (slots_[at].hash != hash || slots_[at].worker != worker))
    at = (at + 1) & mask;
  return at;
}

bool WorkerIndex::add(std::string_view worker, std::size_t place) {
  const std::uint64_t hash = std::hash<std::string_view>{}(worker);
  Slot& slot = slots_[slot_of(worker, hash)];
  if (slot.worker.data() != nullptr) return false;
  slot = {hash, worker, place};
  return true;
}

std::optional<std::size_t> WorkerIndex::find(std::string_view worker) const {
  if (slots_.empty()) return std::nullopt;
  const Slot& slot = slots_[slot_of(worker, std::hash<std::string_view>{}(worker))];
  return slot.worker.data() == nullptr ? std::nullopt : std::optional(slot.place);
}

}  // namespace gpuwarden::policy
