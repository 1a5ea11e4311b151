#include "simulation/worker_process.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "simulation/database.hpp"
#include "simulation/script_run.hpp"

namespace gpuwarden::simulation {
namespace {

using std::chrono::seconds;

constexpr Duration kAgain = seconds(5);     // after a request without an answer
constexpr Duration kRefused = seconds(30);  // after one that was refused
constexpr Duration kDiesAtStart{2500};      // before the agent takes the worker for started

/// A request that nobody waits for any more arrives.
void arrives_late(World& world, const std::string& function, const nlohmann::json& arguments) {
  try {
    const nlohmann::json answer = world.hooks.rpc(function, arguments);
    if (!answer.value("accepted", false)) world.probes.reached("worker: stale completion refused");
  } catch (const SqlError&) {
    world.probes.reached("worker: late completion refused by an error");
  }
}

}  // namespace

template <class Event>
void WorkerProcess::after(Duration delay, Event event) {
  run_.container().after(delay, [this, number = number_, event = std::move(event)] {
    if (number == number_ && lives_) event();
  });
}

void WorkerProcess::start() {
  ++number_;
  lives_ = true;
  hung_ = hang_next_ = waits_ = false;
  task_.reset();
  token_ = run_.payload().token;
  const PodFate& fate = run_.container().pod().fate;
  using enum FailureCause;
  for (const FailureCause cause : {start_failed, worker_crashed, out_of_memory, gpu_error, disk_full}) {
    if (fate.cause != cause) continue;
    after(std::min(fate.strikes_after, kDiesAtStart),
          [this, cause] { die(failure_words(cause, run_.container().random())); });
    return;
  }
  run_.worker_prints("INFO loading models");
  after(fate.loading, [this] { claim(); });
}

void WorkerProcess::end() {
  ++number_;
  lives_ = hung_ = false;
  task_.reset();
}

void WorkerProcess::die(FailureWords words) {
  end();
  for (std::string& line : words.tail) run_.worker_prints(std::move(line));
  words.tail.clear();
  run_.container().machine_says(std::move(words.system), std::move(words.nvidia_smi));
  words.system.clear();
  on_end_(std::move(words));
}

void WorkerProcess::hang() {
  if (!lives_) return;
  if (!task_) {
    hang_next_ = true;
    return;
  }
  hung_ = true;
  ++number_;
}

void WorkerProcess::begin_to_wait(Duration delay) {
  waits_ = true;
  after(delay, [this, wait = ++waiting_] {
    if (waits_ && wait == waiting_) claim();
  });
}

void WorkerProcess::wake() {
  if (lives_ && waits_ && !draining_)
    begin_to_wait(run_.container().random().between(Duration{10}, Duration{900}));
}

void WorkerProcess::claim() {
  waits_ = false;
  if (draining_) return;
  const Reply reply = run_.container().call("gpuwarden_claim_task",
                                            {{"worker_id_param", run_.worker()}, {"token_param", token_}});
  if (!reply.arrived) return begin_to_wait(kAgain);
  if (!reply.refusal.empty()) return begin_to_wait(kRefused);
  if (!reply.answer.is_object()) return begin_to_wait(run_.container().world().claim_interval);
  task_ = Task{reply.answer.at("id"), reply.answer.at("task_type"), reply.answer.at("attempt").get<int>()};
  run_.worker_prints("INFO claimed task " + task_->id);
  work();
}

void WorkerProcess::work() {
  const WorldHooks& hooks = run_.container().world().hooks;
  TaskFate fate;
  if (hooks.task_fate) fate = hooks.task_fate(task_->type, task_->id, task_->attempt);
  if (std::exchange(hang_next_, false)) fate.outcome = TaskFate::Outcome::never_ends;
  switch (fate.outcome) {
    case TaskFate::Outcome::never_ends:
      run_.container().world().probes.reached("worker: task never ends");
      return hang();
    case TaskFate::Outcome::kills_worker:
      return after(fate.duration, [this] {
        run_.container().world().probes.reached("worker: killed by its task");
        die(failure_words(FailureCause::worker_crashed, run_.container().random()));
      });
    case TaskFate::Outcome::completes:
    case TaskFate::Outcome::fails:
      return after(fate.duration, [this, outcome = fate.outcome] { finish(outcome); });
  }
}

void WorkerProcess::finish(TaskFate::Outcome outcome) {
  const bool done = outcome == TaskFate::Outcome::completes;
  nlohmann::json arguments{{"worker_id_param", run_.worker()},
                           {"token_param", token_},
                           {"task_id_param", task_->id},
                           {"attempt_param", task_->attempt}};
  if (done) {
    arguments["result_param"] = {{"output", "s3://results/" + task_->id}};
  } else {
    arguments["error_param"] = "ValueError: prompt is empty";
  }
  const std::string function = done ? "gpuwarden_complete_task" : "gpuwarden_fail_task";
  World& world = run_.container().world();
  const std::optional<Duration> stalled = run_.container().pod().fate.stalled;
  if (!done || !stalled || run_.container().pod().healed || std::exchange(stalled_, true)) {
    return send_end(function, arguments);
  }
  // On its way whatever becomes of the pod meanwhile; the process waits for the answer.
  world.probes.reached("worker: completion under way for long");
  world.scheduler.after(*stalled,
                        [&world, function, arguments] { arrives_late(world, function, arguments); });
  after(*stalled + Duration{1}, [this, function, arguments] { send_end(function, arguments); });
}

void WorkerProcess::send_end(const std::string& function, const nlohmann::json& arguments) {
  const Reply reply = run_.container().call(function, arguments);
  if (!reply.arrived) return after(kAgain, [=, this] { send_end(function, arguments); });
  if (reply.ok() && !reply.answer.value("accepted", false)) {
    run_.container().world().probes.reached("worker: stale completion refused");
  }
  over(function, arguments);
}

void WorkerProcess::over(const std::string& function, const nlohmann::json& arguments) {
  run_.worker_prints("INFO finished task " + task_->id);
  task_.reset();
  World& world = run_.container().world();
  if (const auto echo = run_.container().pod().fate.echo) {
    world.scheduler.after(*echo, [&world, function, arguments] {
      world.probes.reached("worker: request arrives once more");
      arrives_late(world, function, arguments);
    });
  }
  begin_to_wait(Duration{100});
}

}  // namespace gpuwarden::simulation
