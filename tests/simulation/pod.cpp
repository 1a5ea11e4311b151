#include "simulation/pod.hpp"

#include "simulation/container.hpp"

namespace gpuwarden::simulation {

Health SimPod::health() const {
  return container ? container->health() : Health{};
}

double SimPod::cost(MonoTime now) const {
  if (!exists() || state == PodStatus::exited) return billed;
  return billed + cost_per_hr * std::chrono::duration<double, std::ratio<3600>>(now - billed_from).count();
}

void SimPod::bill(MonoTime now) {
  billed = cost(now);
  billed_from = now;
}

void SimPod::say(bool system, std::string text, WallTime time) {
  constexpr std::size_t kKept = 400;
  if (log.size() == kKept) log.pop_front();
  log.push_back({system, std::move(text), time});
}

}  // namespace gpuwarden::simulation
