#include "control/perform.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "loop_world.hpp"

namespace gpuwarden::control {
namespace {

/// One worker with a pod, in the database and in what the loop knows.
struct Perform : testing::Test {
  LoopWorld world;
  Context context{world.environment(), LoopWorld::settings()};
  Worker worker;

  Perform() {
    context.epoch = world.store.state.leader.epoch;
    PodSpec spec;
    spec.name = make_worker_id("default", fakes::FakeClock::kWallStart, 7).str();
    const Pod pod = world.provider.add_pod(spec);
    context.pods.emplace(pod.id, pod);
    worker.id = WorkerId(spec.name);
    worker.pod = pod.id;
    is(WorkerStatus::active, Phase::idle);
  }
  void is(WorkerStatus status, Phase phase) {
    worker.status = status;
    worker.phase = phase;
    world.store.state.workers = {worker};
    context.workers = {{worker.id, worker}};
  }
  std::shared_ptr<RunningBringUp> bring_up() {
    auto running = std::make_shared<RunningBringUp>();
    running->pod = worker.pod;
    context.bring_ups[worker.id] = running;
    return running;
  }
  Result<std::string> run(Action action) {
    return world.finish(perform(context, {std::move(action), "needed"}));
  }
  Result<std::string> probe_ending(ports::ShellResult result) {
    world.shell.on_run = [result](ports::ShellCommand) -> ports::Async<ports::ShellResult> {
      co_return result;
    };
    return run(ProbeWorker{worker.id, worker.pod});
  }
};

TEST_F(Perform, AProbeThatAnswersIsTakenAtItsWord) {
  ASSERT_TRUE(probe_ending({0, ""}));
  EXPECT_TRUE(context.shell_probe.at(worker.id));
  ASSERT_TRUE(probe_ending({1, ""}));
  EXPECT_FALSE(context.shell_probe.at(worker.id));
}

TEST_F(Perform, AProbeThatCouldNotBeRunProvesNothing) {
  const std::vector<ports::ShellResult> strange{{126, ""}, {127, ""},    {124, ""},  {254, ""},
                                                {-1, ""},  {-1, "KILL"}, {1, "TERM"}};
  for (const ports::ShellResult& result : strange) {
    EXPECT_FALSE(probe_ending(result)) << result.exit_status << result.exit_signal;
    EXPECT_TRUE(context.shell_probe.empty()) << result.exit_status << result.exit_signal;
  }
}

TEST_F(Perform, AProbeWithoutAnAnswerLooksAtTheLogWhereItMay) {
  const WallTime old{std::chrono::sys_days{std::chrono::year{2026} / 11 / 24}};
  world.provider.log_lines[worker.pod] = {{"container", "older", old},
                                          {"container", "newest", old + 5s},
                                          {"container", "without a time", {}},
                                          {"system", "of another log", old + 1h}};
  world.shell.refuse = Error{ErrorKind::unavailable, "connection refused", 0, "", {}};
  EXPECT_FALSE(run(ProbeWorker{worker.id, worker.pod, false}));
  EXPECT_TRUE(world.provider.log_queries.empty());
  EXPECT_FALSE(run(ProbeWorker{worker.id, worker.pod, true}));
  ASSERT_EQ(world.provider.log_queries.size(), 1u);
  EXPECT_LE(world.provider.log_queries[0].tail, 20);
  EXPECT_EQ(context.log_lines.at(worker.id), old + 5s);
  EXPECT_TRUE(context.shell_probe.empty());
}

TEST_F(Perform, AProbeOfAPodWithoutSshLooksAtTheLog) {
  context.pods.at(worker.pod).ssh.reset();
  world.provider.log_lines[worker.pod] = {{"container", "line", fakes::FakeClock::kWallStart}};
  EXPECT_FALSE(run(ProbeWorker{worker.id, worker.pod, true}));
  EXPECT_TRUE(context.log_lines.contains(worker.id));
}

std::string end_of(const WorkerId& worker) {
  return "@gpuwarden {\"v\":1,\"worker\":\"" + worker.str() +
         R"(","step":"start","event":"fail","t":"","exit":2,"tail":["error: unrecognized arguments: --turbo"]})";
}

TEST_F(Perform, Case04TheEndThatAProbeBringsFailsTheWorkerWithWhatItSays) {
  world.shell.on_run = [this](ports::ShellCommand command) -> ports::Async<ports::ShellResult> {
    if (command.on_stdout) command.on_stdout("last words\n" + end_of(worker.id) + "\n");
    co_return ports::ShellResult{1, ""};
  };
  is(WorkerStatus::spawning, Phase::awaiting_heartbeat);
  ASSERT_TRUE(run(ProbeWorker{worker.id, worker.pod, true}));
  ASSERT_EQ(world.store.failed.size(), 1u);
  EXPECT_EQ(world.store.failed[0].verdict.cause, FailureCause::start_failed);
  EXPECT_EQ(world.store.failed[0].evidence.channel, "ssh");
  EXPECT_EQ(world.store.failed[0].evidence.exit_code, 2);
  EXPECT_EQ(world.provider.count("remove"), 1);
}

TEST_F(Perform, Case04TheEndInTheLogFailsAWorkerWhoseSshAndReportsAreAway) {
  world.shell.refuse = Error{ErrorKind::unavailable, "connection refused", 0, "", {}};
  worker.proven = true;
  is(WorkerStatus::active, Phase::busy);
  world.provider.log_lines[worker.pod] = {{"container", end_of(WorkerId("gpu-other")), {}}};
  EXPECT_FALSE(run(ProbeWorker{worker.id, worker.pod, true}));
  EXPECT_TRUE(world.store.failed.empty()) << "another worker's end";
  world.provider.log_lines[worker.pod].push_back({"container", end_of(worker.id), {}});
  ASSERT_TRUE(run(ProbeWorker{worker.id, worker.pod, true}));
  ASSERT_EQ(world.store.failed.size(), 1u);
  EXPECT_EQ(world.store.failed[0].verdict.cause, FailureCause::worker_crashed);
  EXPECT_EQ(world.store.failed[0].evidence.channel, "container_log");
  EXPECT_THAT(world.store.failed[0].verdict.evidence_line, testing::HasSubstr("--turbo"));
}

TEST_F(Perform, AWorkerWhoseProcessLivesIsNotFailedForWhatItsLogSays) {
  world.shell.on_run = [this](ports::ShellCommand command) -> ports::Async<ports::ShellResult> {
    command.on_stdout(end_of(worker.id) + "\n");
    co_return ports::ShellResult{0, ""};
  };
  ASSERT_TRUE(run(ProbeWorker{worker.id, worker.pod, true}));
  EXPECT_TRUE(world.store.failed.empty());
}

TEST_F(Perform, SaysWhoToldOfAFailureFirst) {
  const auto told_by = [&](FailureCause cause) {
    world.store.failed.clear();
    is(WorkerStatus::active, Phase::busy);
    run(FailWorker{worker.id, worker.pod, cause, "why"});
    return world.store.failed.empty() ? "" : world.store.failed[0].evidence.channel;
  };
  EXPECT_EQ(told_by(FailureCause::pod_exited), "runpod_api");
  EXPECT_EQ(told_by(FailureCause::pod_vanished), "runpod_api");
  EXPECT_EQ(told_by(FailureCause::task_stuck), "deadline");
  EXPECT_EQ(told_by(FailureCause::heartbeat_lost), "deadline");
  context.memory.workers[worker.id].probed_alive = false;
  EXPECT_EQ(told_by(FailureCause::heartbeat_lost), "ssh");
  worker.crash = CrashReport{std::nullopt, 1, "", {"boom"}, 1s};
  EXPECT_EQ(told_by(FailureCause::worker_crashed), "report");
}

TEST_F(Perform, AProbeThatAnswersReadsNoLog) {
  world.shell.on_run = [](ports::ShellCommand) -> ports::Async<ports::ShellResult> {
    co_return ports::ShellResult{0, ""};
  };
  ASSERT_TRUE(run(ProbeWorker{worker.id, worker.pod, true}));
  EXPECT_TRUE(world.provider.log_queries.empty());
}

TEST_F(Perform, ALogThatCannotBeReadSaysNothing) {
  world.shell.refuse = Error{ErrorKind::unavailable, "connection refused", 0, "", {}};
  world.provider.on_logs = [](const ports::LogQuery&) -> Result<std::vector<PodLogLine>> {
    return fail(ErrorKind::rate_limited, "later");
  };
  EXPECT_FALSE(run(ProbeWorker{worker.id, worker.pod, true}));
  EXPECT_TRUE(context.log_lines.empty());
}

TEST_F(Perform, ADeleteIsRememberedAsAcceptedOnlyWhenTheProviderSaidYes) {
  is(WorkerStatus::terminating, Phase::draining);
  for (const DeleteOutcome outcome : {DeleteOutcome::not_found, DeleteOutcome::ambiguous,
                                      DeleteOutcome::refused, DeleteOutcome::accepted}) {
    world.provider.on_remove = [outcome](const PodId&) { return outcome; };
    run(DeletePod{worker.id, worker.pod});
    const auto tries = context.memory.deletes.find(worker.pod);
    EXPECT_EQ(tries != context.memory.deletes.end() && tries->second.accepted,
              outcome == DeleteOutcome::accepted)
        << to_string(outcome);
  }
}

TEST_F(Perform, TheFirstHeartbeatEndsTheBringUp) {
  is(WorkerStatus::spawning, Phase::bootstrapping);
  const auto running = bring_up();
  ASSERT_TRUE(run(ActivateWorker{worker.id}));
  EXPECT_TRUE(running->cancelled);
  EXPECT_EQ(world.store.find(worker.id)->status, WorkerStatus::active);
}

TEST_F(Perform, ACancelledSpawnIsDrainedAndItsBringUpCalledOff) {
  is(WorkerStatus::spawning, Phase::bootstrapping);
  const auto running = bring_up();
  ASSERT_TRUE(run(DrainWorker{worker.id}));
  EXPECT_TRUE(running->cancelled);
  EXPECT_EQ(world.store.find(worker.id)->phase, Phase::draining);
  EXPECT_EQ(world.provider.count("remove"), 0);
}

TEST_F(Perform, APodIsDeletedOnlyUnderAWorkerThatIsOnItsWayOut) {
  EXPECT_FALSE(run(DeletePod{worker.id, worker.pod}));  // active: it may have a task by now
  EXPECT_EQ(world.provider.count("remove"), 0);
  for (const WorkerStatus status : {WorkerStatus::terminating, WorkerStatus::error}) {
    is(status, status == WorkerStatus::error ? Phase::collecting : Phase::draining);
    ASSERT_TRUE(run(DeletePod{worker.id, worker.pod}));
    EXPECT_EQ(world.store.find(worker.id)->status, status);
    EXPECT_EQ(world.store.find(worker.id)->phase, Phase::deleting);
  }
  EXPECT_EQ(world.provider.count("remove"), 2);
}

TEST_F(Perform, WhatIsNewInTheBreakersMemoryIsSaidInWords) {
  SaveBreaker save;
  save.memory.good_script = "0123456789abcdef";
  EXPECT_EQ(run(save).value(), "breaker closed");
  save.places_only = true;
  EXPECT_EQ(run(save).value(), "places held back: 0");
  save.script_only = true;
  EXPECT_EQ(run(save).value(), "script 01234567 is proven");
}

TEST_F(Perform, APhaseIsWrittenDownOfASpawningWorkerOnly) {
  EXPECT_FALSE(run(NotePhase{worker.id, Phase::starting}));
  is(WorkerStatus::spawning, Phase::provisioning);
  ASSERT_TRUE(run(NotePhase{worker.id, Phase::starting}));
  EXPECT_EQ(world.store.find(worker.id)->phase, Phase::starting);
}

TEST_F(Perform, APlaceThatIsShutIsNoNewsOfTheWholeBreaker) {
  BreakerMemory memory;
  for (const BreakerState state : {BreakerState::open, BreakerState::half_open, BreakerState::closed}) {
    ScopeBreaker scope;
    scope.key = "host|RTX 4090|" + std::string(to_string(state));
    scope.state = state;
    memory.scopes.push_back(scope);
  }
  EXPECT_EQ(run(SaveBreaker{memory, true}), "places held back: 2");
  memory.state = BreakerState::half_open;
  EXPECT_EQ(run(SaveBreaker{memory, false}), "breaker half_open");
}

}  // namespace
}  // namespace gpuwarden::control
