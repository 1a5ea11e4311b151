#include "gpuwarden/policy/explain.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "lifecycle.hpp"
#include "observer.hpp"
#include "stuck_tasks.hpp"

namespace gpuwarden::policy {
namespace {

/// What the parts of a story are made from.
struct Case {
  const Worker& worker;
  const Snapshot& snapshot;
  const Memory& memory;
  const Plan& plan;
  const Settings& settings;
  MonoTime now;
  const Memory::WorkerSeen* seen;  ///< null: not watched
};

void add(WorkerStory& story, std::string what, std::string setting, std::optional<Duration> in,
         std::string then) {
  story.deadlines.push_back({std::move(what), std::move(setting), in, std::move(then)});
}

/// What `overdue` would call it at that age.
std::string cause_at(const Worker& worker, Duration age, const Settings& settings) {
  Worker old = worker;
  old.age = age + Duration{1};
  const auto late = overdue(old, settings);
  return late ? std::string(to_string(late->cause)) : std::string();
}

void spawning_deadlines(const Case& c, WorkerStory& story) {
  const Worker& worker = c.worker;
  const Settings& settings = c.settings;
  const bool asked = worker.phase == Phase::intent || worker.phase == Phase::unknown;
  if (worker.pod.empty() && worker.phase == Phase::unknown)
    add(story, "a pod must show under its name, for the create was ambiguous", "RUNPOD_LIST_LAG_SEC",
        settings.list_lag - worker.phase_age, "it is given up; no failure is counted");
  if (worker.pod.empty() && worker.phase == Phase::intent) {
    const auto since = c.seen == nullptr ? std::nullopt : c.seen->absent_since;
    add(story, "a pod must show under its name", "RUNPOD_LIST_LAG_SEC",
        since ? std::optional<Duration>(settings.list_lag - (c.now - *since)) : std::nullopt,
        since ? "it is given up; no failure is counted"
              : "counts from the first complete list without its pod");
  }
  if (asked || worker.phase == Phase::provisioning || worker.phase == Phase::starting)
    add(story, "its pod must run and have SSH", "PROVISION_TIMEOUT_SEC",
        settings.provision_timeout - worker.age,
        "it fails as " + cause_at(worker, settings.provision_timeout, settings));
  add(story, "it must send its first heartbeat", "SPAWNING_TIMEOUT_SEC",
      settings.spawning_timeout - worker.age,
      "it fails as " + cause_at(worker, settings.spawning_timeout, settings));
  if (!worker.canary)
    add(story, "it is left alone even where it is not needed any more", "SPAWNING_GRACE_PERIOD_SEC",
        settings.spawning_grace - worker.age, "it is cancelled if there are more than are wanted");
}

void task_deadlines(const Case& c, WorkerStory& story) {
  for (const RunningTask& task : c.snapshot.running) {
    if (task.worker != c.worker.id) continue;
    const std::string what = fmt::format("task {} ({}) must end", task.id.str(), task.type);
    const auto limit = stuck_limit(task.type, c.settings);
    if (!limit) {
      add(story, what, "TASK_STUCK_EXEMPT", std::nullopt, "tasks of this type may run for any time");
    } else {
      const bool general = *limit == c.settings.task_stuck_timeout;
      add(story, what, general ? "TASK_STUCK_TIMEOUT_SEC" : "TASK_STUCK_TYPES", *limit - task.running_for,
          "the worker fails as task_stuck");
    }
  }
}

void working_deadlines(const Case& c, WorkerStory& story) {
  const Worker& worker = c.worker;
  const Settings& settings = c.settings;
  add(story, "it must send a heartbeat", "HEARTBEAT_TIMEOUT_SEC",
      settings.heartbeat_timeout - silence(worker), "it is suspected dead; a second source decides");
  task_deadlines(c, story);
  if (worker.status != WorkerStatus::active || !worker.idle_for) return;
  add(story, "it may stay idle while there are more than are wanted", "GPU_OVERCAPACITY_IDLE_TIMEOUT_SEC",
      settings.overcapacity_idle_timeout - *worker.idle_for, "it is drained if there are too many");
  add(story, "it may stay idle", "GPU_IDLE_TIMEOUT_SEC", settings.idle_timeout - *worker.idle_for,
      "it is drained if more are there than are needed");
}

void ending_deadlines(const Case& c, WorkerStory& story) {
  const Worker& worker = c.worker;
  const Settings& settings = c.settings;
  if (worker.phase == Phase::deleting) {
    add(story, "its pod must be gone", "", settings.undeletable_after - worker.phase_age,
        "it is reported as undeletable; the deletes go on");
  } else if (worker.status == WorkerStatus::error) {
    add(story, "its crash bundle is collected", "", settings.collect_timeout - worker.phase_age,
        "its pod is deleted");
  } else if (!worker.tasks.empty()) {
    add(story, fmt::format("it may finish task {}", worker.tasks.front().str()),
        "GRACEFUL_SHUTDOWN_TIMEOUT_SEC", settings.shutdown_timeout - worker.phase_age,
        "it fails as task_stuck, which frees the task");
  }
}

std::string drained_or_not(const Case& c) {
  const Worker& worker = c.worker;
  const ScaleFigures& scale = c.plan.scale;
  if (worker.status == WorkerStatus::terminating)
    return "It is draining: " +
           (worker.drain_reason.empty() ? std::string("no reason is stored") : worker.drain_reason);
  if (worker.status == WorkerStatus::error) return "It is not drained: it has failed.";
  if (!worker.tasks.empty())
    return fmt::format("It is not drained: it works on task {}.", worker.tasks.front().str());
  if (c.snapshot.switches.paused) return "It is not drained: the fleet is paused.";
  const std::string figures = fmt::format("{} are wanted and {} are there", scale.wanted, scale.capacity);
  if (scale.capacity <= scale.wanted) return fmt::format("It is not drained: {}.", figures);
  if (worker.status == WorkerStatus::active && scale.active <= c.settings.min_active)
    return fmt::format("It is not drained: MIN_ACTIVE_GPUS keeps {} active workers.", c.settings.min_active);
  return fmt::format("It is not drained yet: {}, and its time is not up or another goes first.", figures);
}

std::string failed_or_not(const Case& c) {
  const Worker& worker = c.worker;
  if (worker.status == WorkerStatus::error) return "It has failed: gpuwarden worker ID says why.";
  if (worker.crash)
    return "Its pod has reported a crash: " + suspicion_of(*worker.crash, worker.proven).reason;
  if (!is_watched(worker)) {
    if (worker.status == WorkerStatus::spawning) return "It is not failed: its deadlines have not passed.";
    return "It is not watched any more: only its pod is left to end.";
  }
  const Duration silent = silence(worker);
  if (silent <= c.settings.heartbeat_timeout)
    return fmt::format("It is not failed: its newest heartbeat is {} old, {} are allowed.",
                       format_duration(silent), format_duration(c.settings.heartbeat_timeout));
  return fmt::format(
      "It has been silent for {}, and it is not failed on that alone: our own clock must agree, and "
      "a second source (its pod, or its process over SSH).",
      format_duration(silent));
}

std::string deleted_or_not(const Case& c) {
  const Worker& worker = c.worker;
  if (worker.phase == Phase::deleting)
    return fmt::format("Its pod was deleted {} ago; the row ends when two complete lists lack it.",
                       format_duration(worker.phase_age));
  if (worker.status == WorkerStatus::error) return "Its pod is deleted once its crash bundle is in.";
  if (worker.status == WorkerStatus::terminating)
    return worker.tasks.empty() ? "Its pod is deleted next."
                                : "Its pod is not deleted before its task has ended.";
  return worker.pod.empty() ? "There is no pod to delete yet."
                            : "Its pod is not deleted: only drained and failed workers lose theirs.";
}

}  // namespace

WorkerStory explain_worker(const Worker& worker, const Snapshot& snapshot, const Memory& memory,
                           const Plan& plan, const Settings& settings, MonoTime now) {
  const auto seen = memory.workers.find(worker.id);
  const Case c{
      worker, snapshot, memory, plan, settings, now, seen == memory.workers.end() ? nullptr : &seen->second};
  WorkerStory story;
  story.heartbeat_by_database = worker.heartbeat_age;
  if (c.seen != nullptr) {
    if (c.seen->last_heartbeat) story.heartbeat_by_us = now - c.seen->heartbeat_changed;
    story.watched_for = now - std::max(c.seen->first_seen, memory.timers_restarted);
  }
  if (worker.status == WorkerStatus::spawning) {
    spawning_deadlines(c, story);
  } else if (is_watched(worker)) {
    working_deadlines(c, story);
  }
  if (worker.status == WorkerStatus::terminating || worker.status == WorkerStatus::error)
    ending_deadlines(c, story);
  const auto sooner = [](const Deadline& a, const Deadline& b) {
    return a.in.value_or(Duration::max()) < b.in.value_or(Duration::max());
  };
  std::stable_sort(story.deadlines.begin(), story.deadlines.end(), sooner);

  for (const PlannedAction& planned : plan.actions) {
    if (worker_of(planned.action) == worker.id)
      story.because.push_back(
          fmt::format("This tick: {}, because {}", action_name(planned.action), planned.reason));
  }
  story.because.push_back(drained_or_not(c));
  story.because.push_back(failed_or_not(c));
  story.because.push_back(deleted_or_not(c));
  return story;
}

}  // namespace gpuwarden::policy
