#include "gpuwarden/domain/worker.hpp"

#include <string>

#include <gtest/gtest.h>

#include "gpuwarden/base/format.hpp"

namespace gpuwarden {
namespace {

const WallTime kNow = parse_time("2026-11-24T01:48:40.999Z").value_or(WallTime{});

TEST(WorkerNames, CarryOwnerTimeAndEightHexDigits) {
  EXPECT_EQ(make_worker_id("default", kNow, 0xBEEF).str(), "gpu-default-20261124014840-0000beef");
  EXPECT_EQ(make_worker_id("a-b", kNow, 0xFFFFFFFF).str(), "gpu-a-b-20261124014840-ffffffff");
  EXPECT_EQ(make_worker_id("a", kNow, 0).str(), "gpu-a-20261124014840-00000000");
}

TEST(WorkerNames, BelongToTheirOwnerOnly) {
  const std::string a = make_worker_id("a", kNow, 7).str();
  const std::string ab = make_worker_id("a-b", kNow, 7).str();
  EXPECT_TRUE(is_worker_name_of(a, "a"));
  EXPECT_TRUE(is_worker_name_of(ab, "a-b"));
  EXPECT_FALSE(is_worker_name_of(ab, "a"));
  EXPECT_FALSE(is_worker_name_of(a, "a-b"));
  EXPECT_FALSE(is_worker_name_of(a, ""));
  EXPECT_FALSE(is_worker_name_of(a, "A"));
}

TEST(WorkerNames, OfAnOwnerThatLooksLikeATimeStampStayApart) {
  const std::string plain = make_worker_id("a", kNow, 7).str();
  const std::string tricky = make_worker_id("a-20261124014840", kNow, 7).str();
  EXPECT_FALSE(is_worker_name_of(tricky, "a"));
  EXPECT_FALSE(is_worker_name_of(plain, "a-20261124014840"));
}

TEST(WorkerNames, AreNeverSeenInWhatOthersCallTheirPods) {
  for (const char* name :
       {"", "gpu-", "gpu-a-", "gpu-a-20261124014840", "gpu-a-20261124014840-", "gpu-a-20261124014840-0000000",
        "gpu-a-20261124014840-000000000", "gpu-a-20261124014840-0000000G", "gpu-a-20261124014840-0000BEEF",
        "gpu-a-2026112401484x-00000000", "gpu-a-2026112401484-000000000", "gpu-a-20261124014840_00000000",
        "GPU-a-20261124014840-00000000", "xgpu-a-20261124014840-00000000", "gpu-a-20261124014840-00000000 ",
        "gpu-b-20261124014840-00000000", "my-gpu-pod"}) {
    EXPECT_FALSE(is_worker_name_of(name, "a")) << name;
  }
}

TEST(WorkerNames, RoundTripForManyOwnersAndNumbers) {
  std::uint32_t random = 1;
  for (const char* owner : {"default", "a", "team-7", "x-y-z", "0", "prod_eu"}) {
    for (int i = 0; i < 50; ++i) {
      random = random * 1664525U + 1013904223U;
      EXPECT_TRUE(is_worker_name_of(make_worker_id(owner, kNow, random).str(), owner)) << owner << random;
    }
  }
}

TEST(DoctorNames, AreKnownByTheirOwnerAndAreNoWorkers) {
  const WallTime at = parse_time("2026-11-24T01:48:40Z").value();
  const std::string name = make_doctor_name("default", at).str();
  EXPECT_EQ(name, "gpu-default-doctor-20261124014840");
  EXPECT_TRUE(is_doctor_name_of(name, "default"));
  EXPECT_FALSE(is_doctor_name_of(name, "other"));
  EXPECT_FALSE(is_worker_name_of(name, "default"));
  EXPECT_FALSE(is_worker_name_of(name, "default-doctor"));
  for (const auto* other :
       {"gpu-default-doctor-2026112401484", "gpu-default-doctor-20261124014840-1a2b3c4d",
        "gpu-default-doctor-2026112401484x", "gpu-default-doctor", "doctor-20261124014840"})
    EXPECT_FALSE(is_doctor_name_of(other, "default")) << other;
}

TEST(Phases, ReadBackWhatIsStored) {
  for (const Phase phase : {Phase::intent, Phase::unknown, Phase::provisioning, Phase::starting,
                            Phase::connecting, Phase::bootstrapping, Phase::awaiting_heartbeat, Phase::idle,
                            Phase::busy, Phase::draining, Phase::collecting, Phase::deleting, Phase::gone}) {
    EXPECT_EQ(parse_phase(to_string(phase)), phase);
    EXPECT_EQ(parse_phase(phase_text(phase, std::nullopt)), phase);
  }
  for (const BootStep step : {BootStep::preflight, BootStep::fetch, BootStep::setup, BootStep::start}) {
    EXPECT_EQ(parse_boot_step(to_string(step)), step);
    EXPECT_EQ(parse_phase(phase_text(Phase::bootstrapping, step)), Phase::bootstrapping);
  }
  EXPECT_EQ(phase_text(Phase::bootstrapping, BootStep::setup), "bootstrapping:setup");
  EXPECT_EQ(phase_text(Phase::idle, BootStep::setup), "idle");
  EXPECT_FALSE(parse_phase("sleeping").has_value());
  EXPECT_FALSE(parse_phase("").has_value());
  EXPECT_FALSE(parse_boot_step("stop").has_value());
}

TEST(Statuses, KeepTheValuesThatOtherProgramsRelyOn) {
  EXPECT_EQ(to_string(WorkerStatus::spawning), "spawning");
  EXPECT_EQ(to_string(WorkerStatus::active), "active");
  EXPECT_EQ(to_string(WorkerStatus::terminating), "terminating");
  EXPECT_EQ(to_string(WorkerStatus::error), "error");
  EXPECT_EQ(to_string(WorkerStatus::terminated), "terminated");
  EXPECT_EQ(parse_worker_status("terminating"), WorkerStatus::terminating);
  EXPECT_FALSE(parse_worker_status("Active").has_value());
}

TEST(Workers, AreCapacityWhileTheySpawnOrWork) {
  Worker worker;
  for (const WorkerStatus status : {WorkerStatus::spawning, WorkerStatus::active, WorkerStatus::terminating,
                                    WorkerStatus::error, WorkerStatus::terminated}) {
    worker.status = status;
    EXPECT_EQ(is_capacity(worker), status == WorkerStatus::spawning || status == WorkerStatus::active)
        << to_string(status);
  }
}

TEST(Placements, AreTheSameCandidateWhateverThePrice) {
  Placement one{"NVIDIA GeForce RTX 4090", "EU-RO-1", "v1", "models", Cloud::secure, 0.44};
  Placement other = one;
  other.price_per_hr = 0.69;
  EXPECT_EQ(one.key(), other.key());
  EXPECT_EQ(one.key(), "NVIDIA GeForce RTX 4090|EU-RO-1|v1|SECURE");
  other.cloud = Cloud::community;
  EXPECT_NE(one.key(), other.key());
}

TEST(Clouds, ReadBackTheirNames) {
  EXPECT_EQ(parse_cloud("SECURE"), Cloud::secure);
  EXPECT_EQ(parse_cloud(to_string(Cloud::community)), Cloud::community);
  EXPECT_FALSE(parse_cloud("ALL").has_value());
}

}  // namespace
}  // namespace gpuwarden
