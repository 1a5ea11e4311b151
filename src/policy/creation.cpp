#include "creation.hpp"

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

namespace gpuwarden::policy {

IntentVerdict judge_intent(const Tick& tick, const Member& member) {
  const Worker& worker = *member.worker;
  if (member.pod != nullptr)
    return {IntentFate::adopt, fmt::format("pod {} bears the worker's name", member.pod->id.str())};
  if (!absent_twice(member)) return {};
  const Settings& settings = tick.settings;
  if (worker.phase == Phase::unknown) {
    if (worker.phase_age < settings.unknown_timeout) return {};
    return {IntentFate::abandon, fmt::format("the create was ambiguous {} ago and no pod has shown since",
                                             format_duration(worker.phase_age))};
  }
  // The POST was lost with its process, at an instant that nobody knows: the time counts from our first look.
  if (absent_for(tick, member) < settings.intent_timeout) return {};
  return {IntentFate::abandon, fmt::format("no pod in complete lists for {}, and none was waited for",
                                           format_duration(absent_for(tick, member)))};
}

void settle_intents(Tick& tick) {
  if (!tick.pods_known()) return;
  for (Member& member : tick.members) {
    const Worker& worker = *member.worker;
    if (!member.free() || worker.status != WorkerStatus::spawning || !worker.pod.empty()) continue;
    IntentVerdict verdict = judge_intent(tick, member);
    switch (verdict.fate) {
      case IntentFate::wait:
        break;
      case IntentFate::adopt:
        tick.act(member, AdoptPod{worker.id, member.pod->id}, std::move(verdict.reason));
        break;
      case IntentFate::abandon:
        tick.act(member, AbandonIntent{worker.id}, std::move(verdict.reason));
        break;
    }
  }
}

}  // namespace gpuwarden::policy
