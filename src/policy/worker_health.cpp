#include "worker_health.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "pod_signs.hpp"
#include "words.hpp"

namespace gpuwarden::policy {
namespace {

constexpr Duration kReplacementWindow{600'000};
constexpr int kReplacementPercent = 20;
constexpr int kProbesPerTick = 8;
// Logs are read from the same request quota as lists, and after everything else.
constexpr int kLogLooksPerTick = 3;
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

/// Not before the second heartbeat is missed, however short the time-out.
Duration probe_after(const Settings& settings) {
  return std::min(std::max(late_after(settings), settings.heartbeat_interval * 2),
                  settings.heartbeat_timeout);
}

Signs signs_of(const Tick& tick, const Member& member, bool list_doubted) {
  const Memory::WorkerSeen& seen = *member.seen;
  Signs signs;
  signs.silent = silence(*member.worker);
  signs.watched_silent = watched_silence(tick, member);
  const PodSigns pod = pod_signs(member);
  signs.provider_says_gone = pod.gone && is_believed(tick, member, pod, list_doubted);
  signs.provider_words = pod.words;
  if (seen.probed_alive && tick.now - seen.probed_at <= probe_every(tick.settings) * 2)
    signs.process_lives = seen.probed_alive;
  // Nobody is asked in an outage, so none of it counts.
  // And what was asked last must be news, or it is asked again first.
  const bool can_answer = member.pod != nullptr && member.pod->ssh;
  const bool asked_lately = seen.last_probe && tick.now - *seen.last_probe <= probe_every(tick.settings) * 2;
  if (seen.unanswered_since && (asked_lately || !can_answer))
    signs.probes_unanswered = tick.now - std::max(*seen.unanswered_since, tick.memory.timers_restarted);
  if (seen.log_moved) signs.log_moved = tick.now - *seen.log_moved;
  return signs;
}

/// A look at the log alone is worth a probe too, where the pod has no SSH endpoint.
bool can_be_asked(const Tick& tick, const Case& one) {
  const Member& member = *one.member;
  const auto& last = member.seen->last_probe;
  return one.verdict.wants_probe && member.free() && member.pod != nullptr && !member.foreign_pod() &&
         (!last || tick.now - *last >= probe_every(tick.settings));
}

/// Those that have waited longest first, so that everybody's turn comes.
template <class When>
void by_turn(std::vector<const Case*>& cases, const When& last) {
  std::stable_sort(cases.begin(), cases.end(), [&](const Case* a, const Case* b) {
    return last(*a->member->seen).value_or(MonoTime{}) < last(*b->member->seen).value_or(MonoTime{});
  });
}

void probe(Tick& tick, const std::vector<Case>& cases) {
  std::vector<const Case*> asked;
  for (const Case& one : cases) {
    if (can_be_asked(tick, one)) asked.push_back(&one);
  }
  by_turn(asked, [](const Memory::WorkerSeen& seen) { return seen.last_probe; });
  if (asked.size() > kProbesPerTick) asked.resize(kProbesPerTick);
  by_turn(asked, [](const Memory::WorkerSeen& seen) { return seen.last_log_look; });
  int looks = kLogLooksPerTick;
  for (const Case* one : asked) {
    Memory::WorkerSeen& seen = *one->member->seen;
    const bool look = looks-- > 0;
    // A pod without an SSH endpoint cannot answer either.
    if (!seen.unanswered_since) seen.unanswered_since = tick.now;
    if (!look && !one->member->pod->ssh) continue;
    seen.last_probe = tick.now;
    if (look) seen.last_log_look = tick.now;
    tick.act(*one->member, ProbeWorker{one->member->worker->id, one->member->pod->id, look},
             one->verdict.reason);
  }
}

bool may_act(const Case& one, const ObserverView& observer, const Settings& settings) {
  if (one.verdict.life != Life::dead) return false;
  if (observer.trusted) return true;
  const bool proof = one.member->seen->probed_alive == std::optional(false);
  return observer.mass_silence && proof &&
         observer.mass_silent_for >= settings.heartbeat_timeout * kMassPatience;
}

/// What this process has replaced, and what the database remembers of the one before.
void remember_replacements(Tick& tick) {
  auto& replaced = tick.memory.replaced;
  for (const RecentFailure& failure : tick.snapshot.recent_failures) {
    if (failure.silent > tick.settings.heartbeat_timeout)
      replaced.emplace(failure.worker, tick.now - failure.age);
  }
  std::erase_if(replaced, [&](const auto& entry) { return tick.now - entry.second >= kReplacementWindow; });
}

Duration until_next_replacement(const Memory& memory, MonoTime now) {
  MonoTime first = now;
  for (const auto& [worker, at] : memory.replaced) first = std::min(first, at);
  return first + kReplacementWindow - now;
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
    const Worker& worker = *one->member->worker;
    tick.memory.replaced[worker.id] = tick.now;
    tick.act(
        *one->member,
        FailWorker{worker.id, own_pod(tick, *one->member), FailureCause::heartbeat_lost, one->verdict.reason},
        one->verdict.reason);
  }
  if (held > 0)
    tick.gate("replacement_rate",
              fmt::format("{} more {}: at most {} % of the fleet is replaced in 10 minutes", held,
                          held == 1 ? "silent worker waits" : "silent workers wait", kReplacementPercent),
              until_next_replacement(tick.memory, tick.now));
}

}  // namespace

HealthVerdict assess(const Signs& signs, const Settings& settings) {
  const Duration limit = settings.heartbeat_timeout;
  const std::string silent = fmt::format("no heartbeat for {}", format_duration(signs.silent));
  if (signs.silent <= limit) {
    const bool late = std::min(signs.silent, signs.watched_silent) > probe_after(settings);
    return {Life::alive, late, late ? silent + ": asking over SSH early" : "heartbeats arrive"};
  }
  if (signs.watched_silent <= limit)
    return {
        Life::unknown, signs.watched_silent > probe_after(settings),
        fmt::format("{}, but we have watched for {} only", silent, format_duration(signs.watched_silent))};
  if (signs.provider_says_gone)
    return {Life::dead, false, fmt::format("{} and {}", silent, signs.provider_words)};
  if (signs.process_lives)
    return *signs.process_lives
               ? HealthVerdict{Life::alive, true, silent + ", but the worker process lives (SSH)"}
               : HealthVerdict{Life::dead, false, silent + " and the worker process is gone (SSH)"};
  const Duration patience = limit * 2;
  if (signs.probes_unanswered <= patience) return {Life::unknown, true, silent + ": asking over SSH"};
  const std::string unreachable =
      fmt::format("{} and SSH unreachable for {}", silent, format_duration(signs.probes_unanswered));
  if (signs.log_moved && *signs.log_moved <= patience)
    return {Life::unknown, true, unreachable + ", but its log goes on"};
  return {Life::dead, true, unreachable};
}

int replacements_left(const Memory& memory, int watched, MonoTime now) {
  const auto recent = std::count_if(memory.replaced.begin(), memory.replaced.end(), [&](const auto& entry) {
    return now - entry.second < kReplacementWindow;
  });
  return std::max(1, watched * kReplacementPercent / 100) - static_cast<int>(recent);
}

void judge_health(Tick& tick, const ObserverView& observer) {
  remember_replacements(tick);
  std::vector<Case> cases;
  int watched = 0, held = 0;
  const Duration early = probe_after(tick.settings);
  const bool list_doubted = list_is_doubted(tick);
  for (Member& member : tick.members) {
    if (!is_watched(*member.worker)) continue;
    ++watched;
    if (!member.free() || silence(*member.worker) <= early) continue;
    HealthVerdict verdict = assess(signs_of(tick, member, list_doubted), tick.settings);
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
    tick.gate("observer",
              observer.why + (held > 0 ? fmt::format("; {} left alone", counted_are(held, "silent worker"))
                                       : std::string()));
}

}  // namespace gpuwarden::policy
