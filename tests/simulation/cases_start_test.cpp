#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "simulation/case_world.hpp"

namespace gpuwarden::simulation {
namespace {

using enum FailureCause;
using Kind = RuntimeFault::Kind;

constexpr Duration kPoll = 5s;

PodFate failing(FailureCause cause, Duration strikes_after = 1s) {
  PodFate fate;
  fate.cause = cause;
  fate.strikes_after = strikes_after;
  return fate;
}

PodFate struck(Kind kind, Duration after) {
  PodFate fate;
  fate.faults = {{kind, after}};
  return fate;
}

/// A pod that is up while its worker never starts: what keeps it, and by which setting it has to be failed.
struct NeverStarts {
  FailureCause cause;
  Duration deadline;
};
class SimulationCase04 : public testing::TestWithParam<NeverStarts> {};
INSTANTIATE_TEST_SUITE_P(, SimulationCase04,
                         testing::Values(NeverStarts{provision_timeout, 300s},
                                         NeverStarts{ssh_unreachable, 120s},
                                         NeverStarts{bootstrap_timeout, 600s},
                                         NeverStarts{first_heartbeat_timeout, 60s}),
                         [](const auto& info) { return std::string(to_string(info.param.cause)); });

TEST_P(SimulationCase04, AWorkerThatNeverStartsIsFailedAtItsDeadlineAndNotBefore) {
  CaseWorld world(calm(1));
  world.pod_fate = [&](const nlohmann::json&) {
    return world.starts == 1 ? failing(GetParam().cause) : PodFate{};
  };
  world.queue(1);
  world.start();
  ASSERT_TRUE(world.until([&] { return !world.failures().empty(); }, 1h));
  const rows::Failure& failure = world.failures().begin()->second;
  const rows::WorkerRow& row = world.universe.database.workers().at(failure.worker);
  const Duration lived = failure.created_at - row.registered_at;
  EXPECT_GE(lived, GetParam().deadline);
  EXPECT_LE(lived, 600s + 2 * kPoll) << "SPAWNING_TIMEOUT_SEC is over whatever its phase";
  const SimPodPtr pod = world.pod_of(failure.worker);
  EXPECT_TRUE(world.until([&] { return !pod->exists(); }, 1min));
  EXPECT_EQ(failure.cause, to_string(GetParam().cause)) << failure.summary;
  EXPECT_TRUE(world.until([&] { return world.with_status("Complete") == 1; }, 10min));
}

/// Every way in which a pod can come to its end. (One whose agent alone is dead works on, and is left alone.)
std::vector<PodFate> all_ends() {
  std::vector<PodFate> ends;
  for (const FailureCause cause : {image_pull_failed,
                                   provision_timeout,
                                   pod_exited,
                                   pod_error,
                                   pod_vanished,
                                   ssh_unreachable,
                                   ssh_auth_failed,
                                   ssh_host_key_mismatch,
                                   preflight_gpu,
                                   preflight_memory,
                                   preflight_disk,
                                   preflight_mount,
                                   preflight_network,
                                   preflight_credentials,
                                   fetch_failed,
                                   setup_failed,
                                   start_failed,
                                   bootstrap_timeout,
                                   first_heartbeat_timeout,
                                   out_of_memory,
                                   gpu_error,
                                   disk_full})
    ends.push_back(failing(cause));
  for (const Kind kind :
       {Kind::crash, Kind::out_of_memory, Kind::gpu_error, Kind::disk_full, Kind::hang, Kind::network_down,
        Kind::restarts_in_place, Kind::pod_exits, Kind::pod_errors, Kind::pod_vanishes, Kind::spot_reclaimed})
    ends.push_back(struck(kind, 4min));
  return ends;
}

TEST(SimulationCase11, EveryFailureCarriesACauseAndEvidenceWhateverEndedThePod) {
  Profile profile = calm(4);
  profile.settings.policy.breaker_probe_interval = profile.settings.policy.breaker_probe_max = 30s;
  profile.settings.policy.min_workers_for_rate = 1000;
  profile.settings.policy.task_stuck_timeout = 20min;
  CaseWorld world(profile);
  world.task_takes = 15min;
  const std::vector<PodFate> ends = all_ends();
  std::map<std::string, std::size_t> planned;  // by the worker's name
  world.pod_fate = [&](const nlohmann::json& request) {
    const auto number = static_cast<std::size_t>(world.starts - 1);
    if (number >= ends.size()) return PodFate{};
    planned[request.at("name")] = number;
    return ends[number];
  };
  world.queue(4);
  world.start();
  world.until(
      [&] {
        if (world.universe.database.queued_tasks() < 2) world.queue(4);
        return world.failures().size() >= ends.size();
      },
      6h);
  ASSERT_EQ(planned.size(), ends.size());
  world.pass(5min);
  for (const auto& [worker, number] : planned) {
    SCOPED_TRACE(worker + ", number " + std::to_string(number));
    const auto found = world.failures().find(worker);
    const rows::WorkerRow& row = world.universe.database.workers().at(worker);
    ASSERT_NE(found, world.failures().end()) << "an end without a word: " << row.end_reason;
    const rows::Failure& failure = found->second;
    const auto cause = parse_failure_cause(failure.cause);
    ASSERT_TRUE(cause) << failure.cause;
    EXPECT_NE(*cause, unclassified) << failure.summary;
    if (const auto& meant = ends[number].cause) EXPECT_EQ(failure.cause, to_string(*meant));
    EXPECT_FALSE(failure.summary.empty());
    EXPECT_FALSE(failure.advice.empty());
    EXPECT_FALSE(failure.phase.empty());
    EXPECT_TRUE(failure.evidence.is_object() && failure.evidence.size() >= 3) << failure.evidence.dump();
    EXPECT_EQ(row.cause, failure.cause);
  }
}

/// When the pod told of a failed step or a crash first.
std::optional<WallTime> told_at(const SimPod& pod) {
  for (const SimPod::LogLine& line : pod.log) {
    if (line.text.find("\"event\":\"fail\"") != std::string::npos) return line.time;
  }
  return std::nullopt;
}

void expect_noticed_in_seconds(const CaseWorld& world, std::string_view cause) {
  ASSERT_FALSE(world.failures().empty());
  const rows::Failure& failure = world.failures().begin()->second;
  EXPECT_EQ(failure.cause, cause);
  const rows::WorkerRow& row = world.universe.database.workers().at(failure.worker);
  const auto died = told_at(*world.pod_of(failure.worker));
  ASSERT_TRUE(died);
  EXPECT_LE(failure.created_at - *died, kPoll + 2s) << "a heartbeat time-out would take two minutes";
  ASSERT_TRUE(row.crash.is_object());
  EXPECT_EQ(failure.evidence.value("exit_code", -1), row.crash.at("exit_code"));
  EXPECT_FALSE(failure.evidence.value("phase", "").empty());
  const std::string last = row.crash.at("tail").back();
  EXPECT_THAT(failure.evidence.dump(), testing::HasSubstr(nlohmann::json(last).dump()));
}

TEST(SimulationCase13, AWorkerThatCrashesAtItsStartIsNoticedInSecondsWithExitCodePhaseAndLastLines) {
  CaseWorld world(calm(1));
  world.pod_fate = [&](const nlohmann::json&) {
    return world.starts == 1 ? failing(start_failed, 2s) : PodFate{};
  };
  world.queue(1);
  world.start();
  ASSERT_TRUE(world.until([&] { return world.with_status("Complete") == 1; }, 30min));
  expect_noticed_in_seconds(world, "start_failed");
  EXPECT_EQ(world.failures().size(), 1U);
}

TEST(SimulationCase13, AWorkerThatCrashesAtWorkIsNoticedInSecondsToo) {
  CaseWorld world(calm(1));
  world.task_takes = 4min;
  world.pod_fate = [&](const nlohmann::json&) {
    return world.starts == 1 ? struck(Kind::crash, 3min) : PodFate{};
  };
  world.queue(1);
  world.start();
  ASSERT_TRUE(world.until([&] { return world.with_status("Complete") == 1; }, 30min));
  expect_noticed_in_seconds(world, "worker_crashed");
  EXPECT_EQ(world.universe.database.tasks().begin()->second.attempts, 1);
}

/// Whatever is asked of the first pod over SSH hangs to its deadline.
void stall_first_pod(CaseWorld& world) {
  world.fate = [&](Service service, std::string_view call) -> std::optional<Fate> {
    const bool first = !world.universe.cloud.pods().empty() &&
                       call.find(world.universe.cloud.pods().front()->name) != std::string_view::npos;
    if (service != Service::ssh || !first) return std::nullopt;
    return Fate{Fate::Kind::request_lost, 50ms};
  };
}

/// Seconds from the beginning until three tasks are done beside a first pod that comes to nothing.
struct Beside {
  Duration done{0}, longest_pause{0}, longest_tick{0};
};
Beside three_tasks_beside(bool stalled) {
  Profile profile = calm(4);
  profile.settings.policy.spawning_timeout = profile.settings.bootstrap.bootstrap_timeout = 20min;
  profile.settings.bootstrap.connect_timeout = 15min;
  CaseWorld world(profile);
  Beside result;
  MonoTime last{};
  world.on_tick = [&](Daemon&, const control::TickReport& report) {
    if (last != MonoTime{})
      result.longest_pause = std::max(result.longest_pause, world.universe.now() - last);
    last = world.universe.now();
    result.longest_tick = std::max(result.longest_tick, report.took);
  };
  if (stalled) stall_first_pod(world);
  world.pod_fate = [&](const nlohmann::json&) {
    PodFate fate;
    if (world.starts == 1 && !stalled) fate.setup = 30min;  // as long away, and its SSH answers at once
    return fate;
  };
  world.queue(4);
  world.start();
  EXPECT_TRUE(world.until([&] { return world.with_status("Complete") >= 3; }, 14min));
  EXPECT_TRUE(world.failures().empty()) << "the patience for the first one is not over yet";
  if (stalled) EXPECT_GE(world.asked_for(Service::ssh, "connect", MonoTime{}), 4);
  result.done = world.universe.now() - MonoTime{};
  return result;
}

TEST(SimulationCase14, APodWhoseSshHangsDelaysNeitherTheTicksNorAnyOtherPod) {
  const Beside usual = three_tasks_beside(false), stalled = three_tasks_beside(true);
  EXPECT_LE(stalled.done, usual.done + 2 * kPoll);
  EXPECT_LE(stalled.longest_pause, kPoll + 500ms);
  EXPECT_LE(stalled.longest_tick, 500ms);
}

TEST(SimulationCase14, EvidenceThatHangsHoldsUpItsOwnPodAlone) {
  CaseWorld world(calm(4));
  world.task_takes = 10min;
  stall_first_pod(world);
  const auto stalls = std::exchange(world.fate, nullptr);
  world.pod_fate = [&](const nlohmann::json&) {
    return world.starts == 1 ? struck(Kind::crash, 6min) : PodFate{};
  };
  world.start();
  ASSERT_TRUE(world.come_to_work(3));
  world.fate = stalls;
  ASSERT_TRUE(world.until([&] { return !world.failures().empty(); }, 10min));
  const rows::Failure& failure = world.failures().begin()->second;
  const MonoTime failed = world.universe.now();
  const std::uint64_t ticks = world.ticks;
  ASSERT_TRUE(world.until([&] { return world.pod_of(failure.worker)->ended.has_value(); }, 1min));
  EXPECT_GE(world.universe.now() - failed, 8s) << "it was waited for";
  EXPECT_LE(world.universe.now() - failed, 30s) << "COLLECT_TIMEOUT_SEC and the delete";
  world.pass(30s - (world.universe.now() - failed));
  EXPECT_GE(world.ticks - ticks, 5U);
  EXPECT_GE(world.posts(), 4) << "its replacement was asked for meanwhile";
  EXPECT_THAT(failure.evidence.dump(), testing::HasSubstr("probe over SSH"));
}

}  // namespace
}  // namespace gpuwarden::simulation
