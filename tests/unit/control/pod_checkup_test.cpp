#include "gpuwarden/control/pod_checkup.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "loop_world.hpp"

namespace gpuwarden::control {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct CheckingAPod : testing::Test {
  LoopWorld world;
  std::string tail{R"("in order: gpu: RTX 4090","in order: credentials: refused as it must be")"};
  std::string event{"end"};
  std::vector<std::string> waiting;
  Duration call_off{24h};
  std::string payload;

  CheckingAPod() {
    world.shell.on_run = [this](ports::ShellCommand command) -> ports::Async<ports::ShellResult> {
      payload = command.stdin_data;
      const std::string head = "@gpuwarden {\"v\":1,\"worker\":\"w\",\"step\":\"preflight\",\"event\":\"";
      command.on_stdout(head + "begin\"}\n" + head + event + "\",\"tail\":[" + tail + "]}\n");
      co_return ports::ShellResult{0, ""};
    };
  }
  PodCheckup run() {
    PodCheckupHooks hooks;
    hooks.waiting = [this](const std::string& what) { waiting.push_back(what); };
    hooks.called_off = [this] { return world.clock.sleep_for(call_off); };
    return world.finish(check_pod(world.environment(), LoopWorld::settings(), std::move(hooks)), 30min);
  }
  static std::vector<std::string> story(const PodCheckup& checkup) {
    std::vector<std::string> told;
    for (const PodFinding& finding : checkup.findings)
      told.push_back(finding.check + (finding.ok ? "" : " is wrong"));
    return told;
  }
  static PodFinding of(const PodCheckup& checkup, const std::string& check) {
    for (const PodFinding& finding : checkup.findings)
      if (finding.check == check) return finding;
    return {};
  }
};

TEST_F(CheckingAPod, GoesFromTheCreateOverPreflightToAPodThatIsGone) {
  const PodCheckup checkup = run();
  EXPECT_THAT(story(checkup), ElementsAre("capacity", "pod", "ssh", "gpu", "credentials", "deleted"));
  EXPECT_TRUE(is_doctor_name_of(checkup.name, "default"));
  EXPECT_EQ(of(checkup, "gpu").detail, "RTX 4090");
  EXPECT_TRUE(world.provider.pods.empty());
  EXPECT_EQ(world.provider.count("create"), 1);
  EXPECT_TRUE(world.store.calls.empty()) << "it has no row";
  EXPECT_THAT(payload, HasSubstr("gw_preflight_only='\\''1'\\''"));
}

TEST_F(CheckingAPod, AsksForThePodAsForAWorkers) {
  const PodCheckup checkup = run();
  const PodSpec& spec = world.provider.created.at(0);
  EXPECT_EQ(spec.image, "image");
  EXPECT_EQ(spec.ssh_public_key, "ssh-ed25519 AAAA test");
  EXPECT_EQ(spec.env.at("WORKER_ID"), checkup.name);
}

TEST_F(CheckingAPod, TellsWhatIsWrongWithAdviceAndDeletesThePod) {
  event = "fail";
  tail = R"("in order: disk: 1 MB","preflight: gpu: No devices were found","preflight: memory: too little")";
  const PodCheckup checkup = run();
  EXPECT_THAT(story(checkup),
              ElementsAre("capacity", "pod", "ssh", "disk", "gpu is wrong", "memory is wrong", "deleted"));
  EXPECT_EQ(of(checkup, "gpu").detail, "No devices were found");
  EXPECT_EQ(of(checkup, "gpu").remedy, facts(FailureCause::preflight_gpu).advice);
  EXPECT_TRUE(world.provider.pods.empty());
}

TEST_F(CheckingAPod, TakesTheFirstPlaceThatHasCapacity) {
  world.provider.offers.push_back({"NVIDIA A40", "A40", 0.3, StockLevel::high, {}, 48});
  LoopSettings settings = LoopWorld::settings();
  settings.policy.gpu_types.emplace_back("NVIDIA A40");
  world.provider.on_create = [this](const PodSpec& spec) -> ports::CreateOutcome {
    if (spec.placement.gpu != "NVIDIA A40") return CreateNoCapacity{"none left"};
    return PodCreated{world.provider.add_pod(spec)};
  };
  const PodCheckup checkup = world.finish(check_pod(world.environment(), settings, {}));
  EXPECT_EQ(checkup.gpu, "NVIDIA A40");
  EXPECT_THAT(of(checkup, "capacity").detail, HasSubstr("no capacity on NVIDIA GeForce RTX 4090"));
  EXPECT_TRUE(world.provider.pods.empty());
}

TEST_F(CheckingAPod, SaysThatThereIsNoCapacityAnywhereAndDeletesNothing) {
  world.provider.on_create = [](const PodSpec&) -> ports::CreateOutcome {
    return CreateNoCapacity{"none left"};
  };
  EXPECT_THAT(story(run()), ElementsAre("capacity is wrong"));
  EXPECT_EQ(world.provider.count("remove"), 0);
}

TEST_F(CheckingAPod, FindsAndDeletesThePodOfACreateThatGotNoAnswer) {
  world.provider.on_create = [this](const PodSpec& spec) -> ports::CreateOutcome {
    world.provider.add_pod(spec);
    return CreateAmbiguous{500, "internal error"};
  };
  EXPECT_THAT(story(run()), ElementsAre("capacity", "pod", "ssh", "gpu", "credentials", "deleted"));
  EXPECT_TRUE(world.provider.pods.empty());
}

TEST_F(CheckingAPod, LooksOnceMoreForThePodOfAFailedCreateBeforeItEnds) {
  world.provider.on_create = [](const PodSpec&) -> ports::CreateOutcome {
    return CreateAmbiguous{0, "timed out"};
  };
  world.start([](CheckingAPod& test) -> boost::asio::awaitable<void> {
    co_await test.world.clock.sleep_for(45s);
    PodSpec spec;
    spec.name = test.world.provider.created.at(0).name;
    test.world.provider.add_pod(spec);
  }(*this));
  const PodCheckup checkup = run();
  EXPECT_THAT(story(checkup), ElementsAre("capacity is wrong", "deleted"));
  EXPECT_TRUE(world.provider.pods.empty());
}

TEST_F(CheckingAPod, DeletesThePodWhenItIsCalledOff) {
  world.provider.new_pod_status = PodStatus::provisioning;
  call_off = 7s;
  const PodCheckup checkup = run();
  EXPECT_TRUE(checkup.called_off);
  EXPECT_THAT(story(checkup), ElementsAre("capacity", "deleted"));
  EXPECT_TRUE(world.provider.pods.empty());
  EXPECT_LE(checkup.took, 30s);
}

TEST_F(CheckingAPod, DeletesAPodThatNeverRunsWithinTwelveMinutesAndSaysWhatItWaitsFor) {
  world.provider.new_pod_status = PodStatus::provisioning;
  const PodCheckup checkup = run();
  EXPECT_FALSE(of(checkup, "pod").ok);
  EXPECT_THAT(of(checkup, "pod").detail, HasSubstr("PROVISIONING after 10m"));
  EXPECT_LE(checkup.took, 12min);
  EXPECT_TRUE(world.provider.pods.empty());
  EXPECT_THAT(waiting, Contains(HasSubstr("waiting for the pod to run (PROVISIONING), 2s so far")));
  EXPECT_LE(waiting.size(), 70U);
}

TEST_F(CheckingAPod, DeletesFirstWhatAnEarlierOneLeftBehind) {
  PodSpec left;
  left.name = "gpu-default-doctor-20261123000000";
  world.provider.add_pod(left);
  PodSpec others;
  others.name = "gpu-other-doctor-20261123000000";
  world.provider.add_pod(others);
  const PodCheckup checkup = run();
  EXPECT_EQ(story(checkup).at(0), "left-overs");
  EXPECT_THAT(checkup.findings.at(0).detail, HasSubstr("pod-1"));
  ASSERT_EQ(world.provider.pods.size(), 1U);
  EXPECT_EQ(world.provider.pods.at(0).name, others.name);
}

TEST_F(CheckingAPod, SaysWhenThePodCouldNotBeDeleted) {
  world.provider.on_remove = [](const PodId&) { return DeleteOutcome::ambiguous; };
  const PodCheckup checkup = run();
  EXPECT_FALSE(of(checkup, "deleted").ok);
  EXPECT_THAT(of(checkup, "deleted").detail, HasSubstr("is still there"));
  EXPECT_GE(world.provider.count("remove"), 3);
}

TEST_F(CheckingAPod, NamesAnSshThatRefusesOurKey) {
  world.shell.refuse = Error{ErrorKind::unauthorized, "Permission denied (publickey)", 0, "", {}};
  const PodCheckup checkup = run();
  EXPECT_FALSE(of(checkup, "ssh").ok);
  EXPECT_EQ(of(checkup, "ssh").remedy, facts(FailureCause::ssh_auth_failed).advice);
  EXPECT_TRUE(world.provider.pods.empty());
}

}  // namespace
}  // namespace gpuwarden::control
