#include "control/scripts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gpuwarden/bootstrap/script.hpp"

#include "control/bring_up_runner.hpp"
#include "control/observe.hpp"
#include "control/spawn.hpp"
#include "loop_world.hpp"

namespace gpuwarden::control {
namespace {

using testing::HasSubstr;
using testing::Not;

LoopSettings script(const std::string& hash) {
  LoopSettings settings = LoopWorld::settings();
  settings.policy.script_hash = hash;
  settings.control.image = "image-of-" + hash;
  settings.bootstrap.start_cmd = "./start-" + hash + ".sh";
  settings.bootstrap.pass_env = {{"MODEL", "model-of-" + hash}, {"ONLY_" + hash, "yes"}};
  return settings;
}

/// A daemon that runs script "a", which has proven itself.
struct Scripts : testing::Test {
  LoopWorld world;
  Context context{world.environment(), script("a")};
  Scripts() {
    world.store.state.breaker.good_script = "a";
    world.finish(observe(context, true));
  }
  std::string held() { return world.finish(observe(context, true)).held_script; }
};

TEST_F(Scripts, OfBeforeAreKeptWhenTheyWereGood) {
  EXPECT_EQ(held(), "");
  take_settings(context, script("b"));
  EXPECT_EQ(held(), "a");
  take_settings(context, script("c"));  // b never proved itself
  EXPECT_EQ(held(), "a");
  world.store.state.breaker.good_script = "c";
  EXPECT_EQ(held(), "a");
  take_settings(context, script("d"));
  EXPECT_EQ(held(), "c");
}

TEST_F(Scripts, OfBeforeAreNotKeptWhenTheyWereNot) {
  world.store.state.breaker.good_script = "another";
  world.finish(observe(context, true));
  take_settings(context, script("b"));
  EXPECT_EQ(held(), "");
  EXPECT_FALSE(settings_of(context, "a"));
}

TEST_F(Scripts, ThatStayTheSameAreTakenAsTheyAre) {
  LoopSettings changed = script("a");
  changed.policy.max_active = 77;
  take_settings(context, changed);
  EXPECT_EQ(held(), "");
  EXPECT_EQ(settings_of(context, "a")->policy.max_active, 77);
}

TEST_F(Scripts, ThatAreKeptUseTheSecretsOfNow) {
  LoopSettings next = script("b");
  next.publishable_key = Secret("sb_publishable_new");
  next.ssh_public_key = "ssh-ed25519 NEW";
  take_settings(context, next);
  const auto old = settings_of(context, "a");
  ASSERT_TRUE(old);
  EXPECT_EQ(old->control.image, "image-of-a");
  EXPECT_EQ(old->publishable_key.reveal(), "sb_publishable_new");
  EXPECT_EQ(old->ssh_public_key, "ssh-ed25519 NEW");
  EXPECT_EQ(old->bootstrap.pass_env.at("MODEL"), "model-of-b");
  EXPECT_EQ(old->bootstrap.pass_env.at("ONLY_a"), "yes");
  EXPECT_FALSE(old->bootstrap.pass_env.contains("ONLY_b"));
  EXPECT_EQ(settings_of(context, "")->control.image, "image-of-b");
}

struct SpawnScript : Scripts {
  SpawnWorker action;
  SpawnScript() {
    action.worker = make_worker_id("default", fakes::FakeClock::kWallStart, 7);
    action.placement.gpu = "NVIDIA GeForce RTX 4090";
  }
  Result<std::string> spawn() { return world.finish(spawn_worker(context, action, "needed")); }
};

TEST_F(SpawnScript, IsTheOneOfNowOrTheLastGoodOneAsThePlanSays) {
  take_settings(context, script("b"));
  ASSERT_TRUE(spawn());
  EXPECT_EQ(world.store.registrations.back().script_hash, "b");
  EXPECT_EQ(world.provider.created.back().image, "image-of-b");
  action.worker = make_worker_id("default", fakes::FakeClock::kWallStart, 8);
  action.last_good = true;
  ASSERT_TRUE(spawn());
  EXPECT_EQ(world.store.registrations.back().script_hash, "a");
  EXPECT_EQ(world.store.registrations.back().image, "image-of-a");
  EXPECT_EQ(world.provider.created.back().image, "image-of-a");
}

TEST_F(SpawnScript, ThatIsNotAtHandAsksForNothing) {
  context.good_script = "older";
  action.last_good = true;
  EXPECT_FALSE(spawn());
  EXPECT_EQ(world.store.count("register_worker"), 0);
  EXPECT_EQ(world.provider.count("create"), 0);
}

TEST_F(SpawnScript, StaysTheSameWhileTheIntentIsCommitted) {
  world.store.before = [this](std::string_view method) -> boost::asio::awaitable<void> {
    if (method == "register_worker") take_settings(context, script("b"));
    co_return;
  };
  ASSERT_TRUE(spawn());
  EXPECT_EQ(world.store.registrations.back().script_hash, "a");
  EXPECT_EQ(world.provider.created.back().image, "image-of-a");
}

/// A worker with a pod that runs, registered with some script.
struct LaunchScript : Scripts {
  Worker worker;
  std::string sent;
  std::shared_ptr<RunningBringUp> control = std::make_shared<RunningBringUp>();

  LaunchScript() {
    PodSpec spec;
    spec.name = make_worker_id("default", fakes::FakeClock::kWallStart, 7).str();
    const Pod pod = world.provider.add_pod(spec);
    context.pods.emplace(pod.id, pod);
    worker.id = WorkerId(spec.name);
    worker.pod = pod.id;
    worker.phase = Phase::provisioning;
    world.shell.on_run = [this](ports::ShellCommand command) -> ports::Async<ports::ShellResult> {
      if (command.stdin_data.empty()) co_return ports::ShellResult{bootstrap::kNotStarted, ""};
      sent = command.stdin_data;
      command.on_stdout("@gpuwarden {\"v\":1,\"worker\":\"" + worker.id.str() +
                        R"(","step":"start","event":"end","t":"","exit":0})" + "\n");
      co_return ports::ShellResult{0, ""};
    };
  }
  Result<std::string> bring_up(const std::string& hash) {
    worker.script_hash = hash;
    world.store.state.workers = {worker};
    context.workers = {{worker.id, worker}};
    context.bring_ups[worker.id] = control;
    return world.finish(run_bring_up(context, worker.id, worker.pod, control), 2h);
  }
};

TEST_F(LaunchScript, IsTheOneThatTheWorkerWasRegisteredWith) {
  take_settings(context, script("b"));
  ASSERT_TRUE(bring_up("a"));
  EXPECT_THAT(sent, HasSubstr("start-a.sh"));
  EXPECT_THAT(sent, Not(HasSubstr("start-b.sh")));
  control = std::make_shared<RunningBringUp>();
  ASSERT_TRUE(bring_up("b"));
  EXPECT_THAT(sent, HasSubstr("start-b.sh"));
}

TEST_F(LaunchScript, ThatNobodyHasAnyMoreDrainsTheWorkerInsteadOfTryingAnother) {
  take_settings(context, script("b"));
  const auto ended = bring_up("older");
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().kind, ErrorKind::conflict);
  EXPECT_TRUE(sent.empty());
  EXPECT_TRUE(world.store.failed.empty());  // nobody's fault
  const Worker* row = world.store.find(worker.id);
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->status, WorkerStatus::terminating);
  EXPECT_EQ(row->phase, Phase::draining);
  EXPECT_THAT(row->drain_reason, HasSubstr("script"));
  EXPECT_EQ(world.log.count("script_gone"), 1);
}

TEST_F(LaunchScript, OfAWorkerThatNamesNoneIsTheOneOfNow) {
  ASSERT_TRUE(bring_up(""));
  EXPECT_THAT(sent, HasSubstr("start-a.sh"));
}

}  // namespace
}  // namespace gpuwarden::control
