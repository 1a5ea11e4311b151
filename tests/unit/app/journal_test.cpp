#include "gpuwarden/app/journal.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/app/replay.hpp"

#include "app/journal_codec.hpp"
#include "support/process.hpp"
#include "unit/control/loop_world.hpp"

namespace gpuwarden::app {
namespace {

using namespace std::chrono_literals;
using control::ControlLoop;
using control::LoopSettings;
using control::LoopWorld;
using Json = nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kSecret = "sb_secret_PLANTEDsecretPLANTED01";

/// A daemon's loop on virtual time that records what it decides.
struct Recorded : testing::Test {
  std::string dir = [] {
    std::string pattern = (std::filesystem::temp_directory_path() / "gpuwarden-journal.XXXXXX").string();
    return std::string(mkdtemp(pattern.data()));
  }();
  std::string path = dir + "/journal.jsonl";
  Redactor redactor;
  std::size_t rotate_at{64U << 20U};
  LoopSettings settings = LoopWorld::settings();

  Recorded() { redactor.add(kSecret); }
  ~Recorded() override { std::filesystem::remove_all(dir); }

  /// One process, from its start to its end. `play` makes the world's events.
  template <class Play>
  void process(Play play, std::uint64_t seed = 1) {
    LoopWorld world;
    world.seed = seed;
    Journal journal({path, rotate_at}, redactor, world.log);
    ControlLoop loop(world.environment(), settings);
    loop.on_decision = [&](const control::DecisionRecord& decision) { journal.record(decision); };
    world.start(loop.run());
    play(world, loop);
    loop.stop();
    world.advance(15s);
  }
  /// A queue that fills, creates that are refused now and then, an outage, workers that come up.
  static void busy_day(LoopWorld& world, ControlLoop& /*loop*/) {
    int creates = 0;
    world.provider.on_create = [&](const PodSpec& spec) -> ports::CreateOutcome {
      ++creates;
      if (creates % 3 == 0) return CreateNoCapacity{"no instances available"};
      if (creates == 4) return CreateNoBalance{"no money"};
      if (creates == 5) return CreateRateLimited{30s, "slow down"};
      return PodCreated{world.provider.add_pod(spec)};
    };
    for (int minute = 0; minute < 20; ++minute) {
      world.store.state.queue.queued = minute < 12 ? minute * 2 : 0;
      world.store.outage.reset();
      if (minute == 8) world.store.outage = Error{ErrorKind::unavailable, "PGRST001", 503, "PGRST001", {}};
      for (Worker& worker : world.store.state.workers) {
        worker.age += 60s;
        worker.phase_age += 60s;
        if (minute % 2 == 0 && worker.status == WorkerStatus::spawning) worker.heartbeat_age = 1s;
        if (worker.status == WorkerStatus::active) worker.idle_for = worker.idle_for.value_or(0s) + 60s;
      }
      world.advance(60s);
    }
    world.provider.on_create = {};
  }
  Json replayed(std::vector<std::pair<std::string, std::string>> changes = {}, std::string file = {}) const {
    const auto answer = replay({file.empty() ? path : file, std::move(changes)});
    if (!answer) throw std::runtime_error(answer.error().message);
    return Json::parse(*answer);
  }
  std::string text() const { return test::read_file(path); }
};

TEST_F(Recorded, AReplayMakesEveryDecisionAgain) {
  process(busy_day);
  const Json json = replayed();
  EXPECT_TRUE(json["reproduced"]) << json["first_mismatch"].dump(2);
  EXPECT_GE(json["ticks"].get<int>(), 200);
  EXPECT_EQ(json["processes"], 1);
  EXPECT_THAT(json["warnings"], IsEmpty());
  EXPECT_GE(json["summary"]["recorded"]["actions"]["spawn"].get<int>(), 3);
  EXPECT_GT(json["summary"]["recorded"]["wanted_pod_s"].get<double>(), 0.0);
  EXPECT_FALSE(json.contains("differences"));
  EXPECT_THAT(text(), HasSubstr("\"notes\":")) << "what happened to creates is part of the record";
}

TEST_F(Recorded, OtherSettingsShowWhatWouldHaveDiffered) {
  process(busy_day);
  const Json json = replayed({{"MAX_ACTIVE_GPUS", "1"}});
  EXPECT_TRUE(json["reproduced"]);
  EXPECT_GT(json["differing_ticks"].get<int>(), 0);
  EXPECT_LT(json["summary"]["changed"]["wanted_pod_s"], json["summary"]["recorded"]["wanted_pod_s"]);
  EXPECT_LE(json["summary"]["changed"]["most_missing"].get<int>(), 1);
  bool ceiling = false;
  for (const Json& difference : json["differences"])
    for (const Json& gate : difference["gates_new"]) ceiling = ceiling || gate == "ceiling";
  EXPECT_FALSE(json["differences"][0]["wanted"][0] == json["differences"][0]["wanted"][1]);
  EXPECT_TRUE(ceiling || json["summary"]["changed"]["most_missing"] == 1);
}

TEST_F(Recorded, TheSameSettingsDifferNowhere) {
  process(busy_day);
  const Json json = replayed({{"MAX_ACTIVE_GPUS", "10"}});
  EXPECT_EQ(json["differing_ticks"], 0);
  EXPECT_THAT(json["differences"], IsEmpty());
}

TEST_F(Recorded, AFileThatWasBegunInTheMiddleOfAProcessIsReplayedExactly) {
  rotate_at = 60'000;
  process(busy_day);
  ASSERT_TRUE(std::filesystem::exists(path + ".1"));
  EXPECT_FALSE(std::filesystem::exists(path + ".2"));
  EXPECT_LT(std::filesystem::file_size(path + ".1"), rotate_at + 20'000);
  for (const std::string& file : {path, path + ".1"}) {
    const Json json = replayed({}, file);
    EXPECT_TRUE(json["reproduced"]) << file << json["first_mismatch"].dump(2);
    EXPECT_GT(json["ticks"].get<int>(), 0) << file;
  }
}

TEST_F(Recorded, ASecondProcessBeginsWithAFreshMemory) {
  process(busy_day, 1);
  process(busy_day, 5000);
  const Json json = replayed();
  EXPECT_EQ(json["processes"], 2);
  EXPECT_TRUE(json["reproduced"]) << json["first_mismatch"].dump(2);
}

TEST_F(Recorded, SettingsThatChangeOnTheWayAreFollowed) {
  process([&](LoopWorld& world, ControlLoop& loop) {
    world.store.state.queue.queued = 9;
    world.advance(30s);
    settings.policy.max_active = 2;
    loop.apply(settings);
    world.advance(30s);
  });
  EXPECT_THAT(text(), HasSubstr("{\"k\":\"settings\""));
  EXPECT_TRUE(replayed()["reproduced"]);
  const Json json = replayed({{"MAX_ACTIVE_GPUS", "9"}});
  EXPECT_EQ(json["differences"][0]["wanted"], (Json{2, 9}));
}

TEST_F(Recorded, ALineThatWasCutByAKillIsToldAndCostsNothingElse) {
  process(busy_day, 1);
  const auto whole = replayed()["ticks"].get<int>();
  const std::string all = text();
  std::ofstream(path, std::ios::trunc) << all.substr(0, all.size() - 100);
  process(busy_day, 5000);
  const Json json = replayed();
  EXPECT_TRUE(json["reproduced"]);
  EXPECT_EQ(json["ticks"], 2 * whole - 1);
  ASSERT_EQ(json["warnings"].size(), 1U);
  EXPECT_THAT(json["warnings"][0].get<std::string>(), HasSubstr("cannot be read"));
}

TEST_F(Recorded, ARecordThatOtherDecisionsLeadToIsNotedWithItsTick) {
  process([&](LoopWorld& world, ControlLoop&) {
    world.store.state.queue.queued = 3;
    world.advance(30s);
  });
  std::istringstream lines(text());
  std::string changed;
  for (std::string line; std::getline(lines, line);) {
    auto json = nlohmann::ordered_json::parse(line);
    if (json["k"] == "tick" && json["n"] == 3) json["plan"]["scale"]["wanted"] = 77;
    changed += json.dump() + "\n";
  }
  std::istringstream journal(changed);
  const Json json = Json::parse(*replay(journal, {"-", {}}));
  EXPECT_FALSE(json["reproduced"]);
  EXPECT_EQ(json["mismatches"], 1);
  EXPECT_EQ(json["first_mismatch"]["tick"], 3);
  EXPECT_EQ(json["first_mismatch"]["line"], 4);
  EXPECT_EQ(json["first_mismatch"]["difference"]["wanted"], (Json{77, 3}));
}

TEST_F(Recorded, SecretsDoNotGetIntoTheFile) {
  process([&](LoopWorld& world, ControlLoop&) {
    Worker worker;
    worker.id = WorkerId("gpu-default-20261124000000-00c0ffee");
    worker.status = WorkerStatus::active;
    worker.phase = Phase::idle;
    worker.heartbeat_age = 1s;
    worker.crash =
        CrashReport{{}, 1, "", {std::string("key: ") + kSecret, "-----BEGIN PRIVATE KEY-----"}, {}};
    world.store.state.workers.push_back(worker);
    world.advance(11s);
  });
  EXPECT_THAT(text(), Not(HasSubstr("PLANTEDsecret")));
  EXPECT_THAT(text(), HasSubstr("[redacted]"));
  EXPECT_TRUE(replayed()["reproduced"]) << "a redacted line is still a line";
}

TEST_F(Recorded, AFileThatCannotBeWrittenIsToldOnceAndStopsNothing) {
  path = dir + "/missing/journal.jsonl";
  LoopWorld world;
  Journal journal({path, rotate_at}, redactor, world.log);
  ControlLoop loop(world.environment(), settings);
  loop.on_decision = [&](const control::DecisionRecord& decision) { journal.record(decision); };
  world.start(loop.run());
  world.advance(60s);
  EXPECT_EQ(world.log.count("journal_failed"), 1);
  EXPECT_GE(loop.view().last->number, 12U);
  loop.stop();
  world.advance(15s);
}

TEST_F(Recorded, WhatIsNoJournalIsRefusedInWords) {
  const auto why = [](const std::string& text,
                      std::vector<std::pair<std::string, std::string>> changes = {}) {
    std::istringstream journal(text);
    const auto answer = replay(journal, {"-", std::move(changes)});
    return answer ? std::string("accepted")
                  : std::string(to_string(answer.error().kind)) + ": " + answer.error().message;
  };
  EXPECT_EQ(why(""), "malformed: there is no journal in it");
  EXPECT_EQ(why("hello\n"), "malformed: line 1: no JSON object");
  EXPECT_THAT(why(R"({"k":"settings","settings":{}})"), HasSubstr("does not begin with a start line"));
  EXPECT_THAT(why("", {{"MAX_ACTIVE_GPU", "3"}}),
              HasSubstr("invalid_input: MAX_ACTIVE_GPU is not known. Did you"));
  const auto missing = replay({dir + "/nothing", {}});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ErrorKind::not_found);
}

/// What one tick costs on disk; the figures are in the README.
TEST_F(Recorded, ATickOfAFleetStaysSmall) {
  const auto bytes_of = [&](int workers) {
    policy::Observation seen;
    seen.snapshot.emplace();
    seen.pods.emplace();
    for (int i = 0; i < workers; ++i) {
      Worker worker;
      worker.id = make_worker_id("default", fakes::FakeClock::kWallStart, static_cast<std::uint32_t>(i));
      worker.status = WorkerStatus::active;
      worker.phase = Phase::busy;
      worker.pod = PodId("k3jd83hf7s" + std::to_string(i));
      worker.placement.gpu = "NVIDIA GeForce RTX 4090";
      worker.placement.data_center = "EU-RO-1";
      worker.age = worker.phase_age = worker.agent_uptime.emplace(3'600'123ms);
      worker.heartbeat_age = 4321ms;
      worker.tasks.emplace_back("8c0d63a2-8f6c-4a44-9d0c-0e3b7a7f6b11");
      worker.cost_per_hr = worker.placement.price_per_hr = 0.44;
      worker.proven = true;
      worker.script_hash = "0123456789abcdef";
      worker.git_commit = "0123456789abcdef0123456789abcdef01234567";
      worker.vram_total_mb = 24564;
      worker.vram_used_mb = 20000;
      worker.disk_free_mb = 30000;
      Pod pod;
      pod.id = worker.pod;
      pod.name = worker.id.str();
      pod.status = PodStatus::running;
      pod.status_text = "RUNNING";
      pod.ssh = SshEndpoint{"213.173.108.12", 12345, "root"};
      pod.uptime = 3'500s;
      pod.gpu = worker.placement.gpu;
      pod.data_center = worker.placement.data_center;
      pod.image = "runpod/pytorch:2.4.0-py3.11-cuda12.4.1-devel-ubuntu22.04";
      pod.cost_per_hr = 0.44;
      seen.snapshot->running.push_back({worker.tasks.front(), "render", worker.id, 1, 60s});
      seen.snapshot->workers.push_back(std::move(worker));
      seen.pods->push_back(std::move(pod));
    }
    return journal::tick_json({1, {}, {}, 1, seen, {}, {}, {}, {}}).dump().size();
  };
  EXPECT_LT(bytes_of(10), 16'000U);
  EXPECT_LT(bytes_of(200), 300'000U);
  RecordProperty("bytes_10_workers", static_cast<int>(bytes_of(10)));
  RecordProperty("bytes_200_workers", static_cast<int>(bytes_of(200)));
}

}  // namespace
}  // namespace gpuwarden::app
