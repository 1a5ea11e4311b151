#include "creation.hpp"

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

namespace gpuwarden::policy {
namespace {

// By then a registration whose answer was lost has long run or never will.
constexpr Duration kRememberNoPod{3'600'000};

}  // namespace

IntentVerdict judge_intent(const Tick& tick, const Member& member) {
  const Worker& worker = *member.worker;
  if (member.pod != nullptr)
    return {IntentFate::adopt, fmt::format("pod {} bears the worker's name", member.pod->id.str())};
  if (tick.memory.without_pod.contains(worker.id)) return {IntentFate::abandon, "surely no pod came of it"};
  if (!absent_twice(member)) return {};
  const Duration patience = tick.settings.list_lag;
  if (worker.phase == Phase::unknown) {
    if (worker.phase_age < patience) return {};
    return {IntentFate::abandon, fmt::format("the create was ambiguous {} ago and no pod has shown since",
                                             format_duration(worker.phase_age))};
  }
  // The process that would have told is gone. It may have sent the POST, at an instant that nobody knows: the
  // time counts from our first look.
  const Duration absent = absent_for(tick, member);
  if (absent < patience) return {};
  return {IntentFate::abandon,
          fmt::format("nobody knows whether its pod was asked for, and no pod has shown for {}",
                      format_duration(absent))};
}

void note_no_pod(Memory& memory, const WorkerId& worker, MonoTime now) {
  memory.without_pod.insert_or_assign(worker, now);
}

void settle_intents(Tick& tick) {
  std::erase_if(tick.memory.without_pod,
                [&](const auto& entry) { return tick.now - entry.second > kRememberNoPod; });

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
