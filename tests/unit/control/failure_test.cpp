#include "control/failure.hpp"

#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gpuwarden/base/redact.hpp"
#include "gpuwarden/ports/evidence_json.hpp"

#include "loop_world.hpp"

namespace gpuwarden::control {
namespace {

struct Failing : testing::Test {
  LoopWorld world;
  Context context{world.environment(), LoopWorld::settings()};
  Failure failure;

  Failing() {
    context.epoch = world.store.state.leader.epoch;
    PodSpec spec;
    spec.name = make_worker_id("default", fakes::FakeClock::kWallStart, 7).str();
    const Pod pod = world.provider.add_pod(spec);
    context.pods.emplace(pod.id, pod);
    Worker worker;
    worker.id = WorkerId(spec.name);
    worker.status = WorkerStatus::active;
    worker.phase = Phase::busy;
    worker.pod = pod.id;
    worker.cost_per_hr = 0.5;
    worker.age = 2h;
    worker.crash =
        CrashReport{std::nullopt, 2, "", {"worker.sh: error: unrecognized arguments: --turbo"}, 300ms};
    world.store.state.workers.push_back(worker);
    context.workers.emplace(worker.id, worker);
    failure.worker = worker.id;
    failure.pod = pod.id;
    failure.suspected = FailureCause::worker_crashed;
    failure.evidence = known_evidence(context, worker.id, pod.id);
  }
  Result<std::string> run() { return world.finish(fail_worker(context, failure)); }
  /// What the collect command prints; it ends after `lasts`.
  void pod_prints(std::string text, Duration lasts = 0s) {
    world.shell.on_run = [this, text = std::move(text),
                          lasts](ports::ShellCommand command) -> ports::Async<ports::ShellResult> {
      command.on_stdout(text);
      if (lasts > 0s) co_await world.clock.sleep_for(lasts);
      co_return ports::ShellResult{0, ""};
    };
  }
};

TEST_F(Failing, IsMarkedBeforeAnythingIsCollectedAndThePodIsDeletedAfterwards) {
  ASSERT_TRUE(run());
  EXPECT_EQ(world.store.calls.front().substr(0, 11), "fail_worker");
  EXPECT_EQ(world.provider.calls.back().substr(0, 6), "remove");
  EXPECT_EQ(world.store.evidence_added.size(), 1u);
}

TEST_F(Failing, CarriesCauseEvidenceAndWhatItCost) {
  ASSERT_TRUE(run());
  const ports::FailureRecord& record = world.store.failed.at(0);
  EXPECT_EQ(record.verdict.cause, FailureCause::worker_crashed);
  EXPECT_THAT(record.verdict.evidence_line, testing::HasSubstr("unrecognized arguments: --turbo"));
  EXPECT_DOUBLE_EQ(record.cost_usd, 1.0);
  EXPECT_TRUE(record.counts_as_start);
  EXPECT_EQ(world.log.field("worker_failed", "cause"), "worker_crashed");
}

TEST_F(Failing, IsLoggedWithThePhaseAndTheTimeSinceItsRegistration) {
  ASSERT_TRUE(run());
  EXPECT_EQ(world.log.field("worker_failed", "pod"), failure.pod.str());
  EXPECT_EQ(world.log.field("worker_failed", "phase"), "busy");
  EXPECT_EQ(world.log.field("worker_failed", "duration"), "2h 0m");
  EXPECT_EQ(world.log.field("worker_failed", "fingerprint"), world.store.failed.at(0).verdict.fingerprint);
}

TEST_F(Failing, Case16SecretsThatAPodPrintedBecomeNoRow) {
  context.env.redact = [](std::string_view text) {
    Redactor redactor;
    redactor.add("planted-secret-1");
    return redactor.redact(text);
  };
  failure.evidence.tails["worker"] = {"fatal: bad token planted-secret-1"};
  world.provider.log_lines[failure.pod] = {
      {"container", "export KEY=planted-secret-1", {}},
      {"container", "-----BEGIN OPENSSH PRIVATE KEY-----", {}},
      {"container", "PLANTEDkeybody", {}},
      {"container", "-----END OPENSSH PRIVATE KEY-----", {}},
      {"system", "pull with Bearer PLANTEDbearertoken", {}},
  };
  ASSERT_TRUE(run());
  for (const auto* records : {&world.store.failed, &world.store.evidence_added}) {
    ASSERT_EQ(records->size(), 1U);
    const ports::FailureRecord& record = records->front();
    const std::string row = ports::evidence_to_json(record.evidence) + record.verdict.summary +
                            record.verdict.evidence_line + record.verdict.advice;
    EXPECT_THAT(row, testing::Not(testing::HasSubstr("planted-secret-1")));
    EXPECT_THAT(row, testing::Not(testing::HasSubstr("PLANTED")));
  }
  EXPECT_THAT(ports::evidence_to_json(world.store.evidence_added.front().evidence),
              testing::HasSubstr("export KEY=[redacted]"));
}

TEST_F(Failing, PodIsDeletedWithinTheTimeForTheBundleEvenWhenEveryLogHangs) {
  world.provider.before = [this](std::string_view method) -> boost::asio::awaitable<void> {
    if (method == "logs") co_await world.clock.sleep_for(1h);
  };
  const MonoTime began = world.clock.now();
  ASSERT_TRUE(run());
  EXPECT_LE(world.clock.now() - began, 21s);
  EXPECT_EQ(world.provider.count("remove"), 1);
  EXPECT_THAT(world.store.evidence_added.at(0).evidence.missing,
              testing::Contains(testing::HasSubstr("time for it was up")));
}

TEST_F(Failing, KeepsWhatSshHadToldWhenTheTimeForTheBundleWasUp) {
  pod_prints("@@ worker\nRuntimeError: boom\n@@ missing\ngit: nothing was fetched\n@@ df\n/ 18%\n", 1h);
  world.provider.log_lines[failure.pod] = {{"container", "of the container", {}}};
  const MonoTime began = world.clock.now();
  ASSERT_TRUE(run());
  EXPECT_LE(world.clock.now() - began, 21s);
  const Evidence& evidence = world.store.evidence_added.at(0).evidence;
  EXPECT_THAT(evidence.tails.at("worker"), testing::ElementsAre("RuntimeError: boom"));
  EXPECT_THAT(evidence.tails.at("container"), testing::ElementsAre("of the container"));
  EXPECT_EQ(evidence.probe.at("df"), "/ 18%\n");
  EXPECT_THAT(evidence.missing,
              testing::UnorderedElementsAre(
                  "git: nothing was fetched",
                  testing::HasSubstr("probe over SSH: it had not come when the time for it")));
}

TEST_F(Failing, KnowsThePodAsRunpodDoesNowAndTheTasksThatRan) {
  context.running = {{TaskId("t-1"), "train", failure.worker, 1, 90s},
                     {TaskId("t-2"), "train", WorkerId("gpu-other"), 0, 10s}};
  context.workers.begin()->second.tasks = {TaskId("t-1")};
  failure.evidence = known_evidence(context, failure.worker, failure.pod);
  world.provider.find(failure.pod)->status_text = "EXITED";
  ASSERT_TRUE(run());
  const Evidence& evidence = world.store.evidence_added.at(0).evidence;
  EXPECT_EQ(evidence.pod->status, "EXITED");
  EXPECT_EQ(evidence.task->attempts, 1);
  EXPECT_EQ(evidence.probe.at("tasks"), "t-1 train, attempt 2, running for 1m 30s\n");
}

TEST_F(Failing, AnEmptyLogOfThePodDoesNotDisplaceItsReport) {
  pod_prints("@@ worker\n@@ ps\n1 bash\n");
  ASSERT_TRUE(run());
  EXPECT_THAT(world.store.evidence_added.at(0).evidence.tails.at("worker"),
              testing::ElementsAre(testing::HasSubstr("--turbo")));
}

TEST_F(Failing, ALogThatWasCutOffDoesNotDisplaceItsReport) {
  pod_prints("@@ bootstrap\nfetched\n@@ worker\nstep 1 of 2000\nstep 2 of", 1h);
  ASSERT_TRUE(run());
  const Evidence& evidence = world.store.evidence_added.at(0).evidence;
  EXPECT_THAT(evidence.tails.at("worker"), testing::ElementsAre(testing::HasSubstr("--turbo")));
  EXPECT_THAT(evidence.tails.at("bootstrap"), testing::ElementsAre("fetched"));
}

TEST_F(Failing, ALogWhoseEndCameDisplacesItsReport) {
  pod_prints("@@ worker\nstarting\nRuntimeError: boom\n@@ end\n");
  ASSERT_TRUE(run());
  EXPECT_THAT(world.store.evidence_added.at(0).evidence.tails.at("worker"),
              testing::ElementsAre("starting", "RuntimeError: boom"));
}

TEST_F(Failing, NamesWhatCouldNotBeCollected) {
  world.shell.refuse = Error{ErrorKind::unavailable, "connection refused", 0, "", {}};
  ASSERT_TRUE(run());
  EXPECT_THAT(world.store.evidence_added.at(0).evidence.missing,
              testing::Contains(testing::HasSubstr("connection refused")));
}

TEST_F(Failing, NothingIsDeletedWhenTheMarkCouldNotBeWritten) {
  world.store.on_fail_worker = [](const auto&, const auto&) -> Result<ports::TasksFreed> {
    return fail(ErrorKind::unavailable, "down");
  };
  EXPECT_FALSE(run());
  EXPECT_EQ(world.provider.count("remove"), 0);
}

TEST_F(Failing, IsLeftToWhoeverMarkedItFirst) {
  world.store.find(failure.worker)->status = WorkerStatus::error;
  const auto ended = run();
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().kind, ErrorKind::conflict);
  EXPECT_TRUE(world.store.evidence_added.empty());
  EXPECT_EQ(world.provider.count("logs"), 0);
  EXPECT_EQ(world.provider.count("remove"), 0);
  EXPECT_EQ(world.log.count("worker_failed"), 0);
}

TEST_F(Failing, EndsBeforeTheDeleteWhenAnotherDaemonLeadsMeanwhile) {
  world.provider.before = [this](std::string_view method) -> boost::asio::awaitable<void> {
    if (method == "logs") ++world.store.state.leader.epoch;
    co_return;
  };
  const auto ended = run();
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().kind, ErrorKind::conflict);
  EXPECT_EQ(world.provider.count("remove"), 0);
}

TEST_F(Failing, Case07TheTimeThatADrainTookIsNoFailedStart) {
  context.workers.begin()->second.status = WorkerStatus::terminating;
  world.store.find(failure.worker)->status = WorkerStatus::terminating;
  failure.suspected = FailureCause::task_stuck;
  ASSERT_TRUE(run());
  EXPECT_FALSE(world.store.failed.at(0).counts_as_start);
  EXPECT_TRUE(world.store.state.outcomes.empty());
}

TEST_F(Failing, KeepsTheRowOfAPodThatBearsAnotherName) {
  const PodId renamed = std::exchange(failure.pod, PodId());  // what decide gives for one that is not ours
  ASSERT_TRUE(run());
  const Worker* row = world.store.find(failure.worker);
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->status, WorkerStatus::error);
  EXPECT_EQ(world.store.failed.at(0).pod, renamed);
  EXPECT_EQ(world.provider.count("remove"), 0);
}

TEST_F(Failing, EndsTheRowAtOnceWhereNoPodEverWas) {
  failure.pod = PodId();
  context.workers.begin()->second.pod = PodId();
  ASSERT_TRUE(run());
  EXPECT_EQ(world.store.find(failure.worker), nullptr);
}

}  // namespace
}  // namespace gpuwarden::control
