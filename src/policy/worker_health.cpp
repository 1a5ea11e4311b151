#include "worker_health.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "pod_signs.hpp"

namespace gpuwarden::policy {
namespace {

constexpr Duration kReplacementWindow{600'000};
constexpr int kReplacementPercent = 20;
constexpr int kProbesPerTick = 8;
// Mass silence is never acted on by silence alone. Only a probe that finds the process gone counts, and only
// after this many heartbeat time-outs.
constexpr int kMassPatience = 5;

struct Case {
  Member* member;
  HealthVerdict verdict;
  Duration silent;
};

Duration probe_every(const Settings& settings) {
  return std::max<Duration>(settings.heartbeat_interval, std::chrono::seconds(5));
}

Signs signs_of(const Tick& tick, const Member& member) {
  const Memory::WorkerSeen& seen = *member.seen;
  Signs signs;
  signs.silent = silence(*member.worker);
  signs.watched_silent = tick.now - std::max(seen.heartbeat_changed, tick.memory.timers_restarted);
  const PodSigns pod = pod_signs(member);
  signs.provider_says_gone = pod.gone;
  signs.provider_words = pod.words;
  if (seen.probed_alive && tick.now - seen.probed_at <= probe_every(tick.settings) * 2)
    signs.process_lives = seen.probed_alive;
  if (seen.unanswered_since) signs.probes_unanswered = tick.now - *seen.unanswered_since;
  return signs;
}

/// A pod without an SSH endpoint cannot answer either.
void note_unreachable(Tick& tick, std::vector<Case>& cases) {
  for (const Case& one : cases) {
    Memory::WorkerSeen& seen = *one.member->seen;
    if (one.verdict.wants_probe && one.member->pod != nullptr && !one.member->pod->ssh &&
        !seen.unanswered_since)
      seen.unanswered_since = tick.now;
  }
}

void probe(Tick& tick, std::vector<Case>& cases) {
  note_unreachable(tick, cases);
  std::erase_if(cases, [&](const Case& one) {
    const auto& last = one.member->seen->last_probe;
    return !one.verdict.wants_probe || !one.member->free() || one.member->pod == nullptr ||
           !one.member->pod->ssh || one.member->foreign_pod() ||
           (last && tick.now - *last < probe_every(tick.settings));
  });
  // Those that have waited longest first, so that everybody's turn comes.
  const auto turn = [](const Case& one) { return one.member->seen->last_probe.value_or(MonoTime{}); };
  std::stable_sort(cases.begin(), cases.end(),
                   [&](const Case& a, const Case& b) { return turn(a) < turn(b); });
  int left = kProbesPerTick;
  for (const Case& one : cases) {
    if (left-- == 0) return;
    Memory::WorkerSeen& seen = *one.member->seen;
    seen.last_probe = tick.now;
    if (!seen.unanswered_since) seen.unanswered_since = tick.now;
    tick.act(*one.member, ProbeWorker{one.member->worker->id, one.member->pod->id}, one.verdict.reason);
  }
}

bool may_act(const Case& one, const ObserverView& observer, const Settings& settings) {
  if (one.verdict.life != Life::dead) return false;
  if (observer.trusted) return true;
  const bool proof = one.member->seen->probed_alive == std::optional(false);
  return observer.mass_silence && proof &&
         observer.mass_silent_for >= settings.heartbeat_timeout * kMassPatience;
}

/// Longest silent first, within the replacement limit.
void bury(Tick& tick, std::vector<Case*>& dead, int watched) {
  std::stable_sort(dead.begin(), dead.end(),
                   [](const Case* a, const Case* b) { return a->silent > b->silent; });
  int left = replacements_left(tick.memory, watched, tick.now);
  int held = 0;
  for (const Case* one : dead) {
    if (left <= 0) {
      ++held;
      continue;
    }
    --left;
    tick.memory.recent_replacements.push_back(tick.now);
    const Worker& worker = *one->member->worker;
    tick.act(
        *one->member,
        FailWorker{worker.id, own_pod(tick, *one->member), FailureCause::heartbeat_lost, one->verdict.reason},
        one->verdict.reason);
  }
  if (held > 0)
    tick.gate("replacement_rate",
              fmt::format("{} more silent workers wait: at most {} % of the fleet is replaced in 10 minutes",
                          held, kReplacementPercent),
              kReplacementWindow);
}

}  // namespace

HealthVerdict assess(const Signs& signs, const Settings& settings) {
  const Duration limit = settings.heartbeat_timeout;
  if (signs.silent <= limit) return {Life::alive, false, "heartbeats arrive"};
  const std::string silent = fmt::format("no heartbeat for {}", format_duration(signs.silent));
  if (signs.watched_silent <= limit)
    return {
        Life::unknown, false,
        fmt::format("{}, but we have watched for {} only", silent, format_duration(signs.watched_silent))};
  if (signs.provider_says_gone)
    return {Life::dead, false, fmt::format("{} and {}", silent, signs.provider_words)};
  if (signs.process_lives)
    return *signs.process_lives
               ? HealthVerdict{Life::alive, true, silent + ", but the worker process lives (SSH)"}
               : HealthVerdict{Life::dead, false, silent + " and the worker process is gone (SSH)"};
  if (signs.probes_unanswered > limit * 2)
    return {Life::dead, true,
            fmt::format("{} and SSH unreachable for {}", silent, format_duration(signs.probes_unanswered))};
  return {Life::unknown, true, silent + ": asking over SSH"};
}

int replacements_left(const Memory& memory, int watched, MonoTime now) {
  const auto recent = std::count_if(memory.recent_replacements.begin(), memory.recent_replacements.end(),
                                    [&](MonoTime at) { return now - at < kReplacementWindow; });
  return std::max(1, watched * kReplacementPercent / 100) - static_cast<int>(recent);
}

void judge_health(Tick& tick, const ObserverView& observer) {
  std::erase_if(tick.memory.recent_replacements,
                [&](MonoTime at) { return tick.now - at >= kReplacementWindow; });
  std::vector<Case> cases;
  int watched = 0, held = 0;
  for (Member& member : tick.members) {
    if (!is_watched(*member.worker)) continue;
    ++watched;
    if (!member.free() || silence(*member.worker) <= tick.settings.heartbeat_timeout) continue;
    HealthVerdict verdict = assess(signs_of(tick, member), tick.settings);
    cases.push_back({&member, std::move(verdict), silence(*member.worker)});
  }
  std::vector<Case*> dead;
  for (Case& one : cases) {
    if (may_act(one, observer, tick.settings)) {
      dead.push_back(&one);
    } else if (one.verdict.life != Life::alive) {
      ++held;
    }
  }
  if (tick.pods_known()) {
    bury(tick, dead, watched);
    probe(tick, cases);
  }
  if (observer.mass_silence || (!observer.trusted && held > 0))
    tick.gate("observer", observer.why + (held > 0 ? fmt::format("; {} silent workers are left alone", held)
                                                   : std::string()));
}

}  // namespace gpuwarden::policy
