#include "gpuwarden/control/gate_history.hpp"

#include <algorithm>

namespace gpuwarden::control {

void GateHistory::note(const TickReport& report) {
  const bool saw_everything = report.snapshot && report.snapshot->writable && report.pods;
  const auto& gates = report.plan.gates;
  for (Entry& entry : entries_) {
    if (entry.interval.until) continue;
    entry.interval.lasted = report.now - entry.began;
    const auto still = std::find_if(gates.begin(), gates.end(),
                                    [&](const Gate& gate) { return gate.name == entry.interval.gate; });
    if (still != gates.end()) {
      entry.interval.reason = still->reason;
    } else if (saw_everything) {
      entry.interval.until = report.at;
      entry.ended = report.now;
    }
  }
  for (const Gate& gate : gates) {
    const bool known = std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
      return !entry.interval.until && entry.interval.gate == gate.name;
    });
    if (!known)
      entries_.push_back({{gate.name, gate.reason, report.at, std::nullopt, Duration{0}}, report.now, {}});
  }
  std::erase_if(entries_,
                [&](const Entry& entry) { return entry.interval.until && report.now - entry.ended > kKept; });
  while (entries_.size() > kMost) entries_.pop_front();
}

std::deque<GateInterval> GateHistory::intervals() const {
  std::deque<GateInterval> all;
  for (const Entry& entry : entries_) all.push_back(entry.interval);
  return all;
}

}  // namespace gpuwarden::control
