#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "simulation/case_world.hpp"

namespace gpuwarden::simulation {
namespace {

using Fault = DatabaseWeather::Fault;

/// Everything that shows whether a fleet was left in peace.
struct Peace {
  explicit Peace(const CaseWorld& of)
      : world(of), pods(of.pod_ids()), posts(of.posts()), deletes(of.deletes()) {
    for (const auto& [id, task] : of.universe.database.in_progress()) held[id] = task->worker;
  }
  const CaseWorld& world;
  std::set<std::string> pods;
  int posts;
  std::size_t deletes;
  std::map<std::string, std::string> held;  ///< tasks by id: who works on them

  void expect_kept() const {
    EXPECT_EQ(world.pod_ids(), pods);
    EXPECT_EQ(world.posts(), posts);
    EXPECT_EQ(world.deletes(), deletes);
    EXPECT_TRUE(world.failures().empty());
  }
  /// Each task was completed by whom it was taken by first.
  void expect_finished_where_they_began() const {
    for (const auto& [id, worker] : held) {
      const rows::Task& task = world.universe.database.tasks().at(id);
      EXPECT_EQ(task.status, "Complete");
      EXPECT_EQ(task.worker, worker);
      EXPECT_EQ(task.attempts, 0);
    }
  }
};

class SimulationCase01 : public testing::TestWithParam<std::tuple<Fault, Duration>> {};
INSTANTIATE_TEST_SUITE_P(, SimulationCase01,
                         testing::Combine(testing::Values(Fault::down, Fault::refusing, Fault::unreadable,
                                                          Fault::reads_fail, Fault::stale_key),
                                          testing::Values(Duration(6s), Duration(5min))),
                         [](const auto& info) {
                           return std::string(to_string(std::get<0>(info.param))) +
                                  (std::get<1>(info.param) < 1min ? "_for_a_cycle" : "_for_long");
                         });

TEST_P(SimulationCase01, AnUnreadableDatabaseKillsNobodyAndCreatesNothingAndTheDaemonSaysWhy) {
  const auto [fault, length] = GetParam();
  CaseWorld world;
  world.task_takes = 12min;
  world.start();
  ASSERT_TRUE(world.come_to_work(5));
  const Peace peace(world);
  const MonoTime began = world.universe.now();
  world.universe.weather.fault = fault;
  world.queue(3);  // a reason to create, with room for it
  world.pass(length);
  peace.expect_kept();
  if (length > 1min) {
    EXPECT_TRUE(world.gated("database"));
    EXPECT_GE(world.said("source_lost", began), 1);
    EXPECT_EQ(world.said(" plans ", began), 0);
  }
  world.universe.weather.fault = Fault::none;
  EXPECT_TRUE(world.until([&] { return world.posts() == peace.posts + 3; }, 5min));
  EXPECT_THAT(world.pod_ids(), testing::IsSupersetOf(peace.pods));
  EXPECT_TRUE(world.until([&] { return world.with_status("Complete") == 8; }, 1h));
  peace.expect_finished_where_they_began();
  EXPECT_TRUE(world.failures().empty());
}

/// How all heartbeats stay away at once.
enum class Silence { read_only, writes_fail, network, network_and_ssh };
class SimulationCase02 : public testing::TestWithParam<Silence> {
 protected:
  static void begin(CaseWorld& world, Silence how, Duration length) {
    DatabaseWeather& weather = world.universe.weather;
    if (how == Silence::network_and_ssh) {
      const MonoTime ends = world.universe.now() + length;
      world.fate = [&world, ends](Service service, std::string_view) -> std::optional<Fate> {
        if (service != Service::ssh || world.universe.now() >= ends) return std::nullopt;
        return Fate{Fate::Kind::not_reached, 50ms};
      };
    }
    if (how >= Silence::network) return world.swarm.silence(length);
    weather.fault = how == Silence::read_only ? Fault::read_only : Fault::writes_fail;
    world.universe.database.set_read_only(how == Silence::read_only);
    world.universe.scheduler.after(length, [&] {
      weather.fault = Fault::none;
      world.universe.database.set_read_only(false);
    });
  }
};
INSTANTIATE_TEST_SUITE_P(, SimulationCase02,
                         testing::Values(Silence::read_only, Silence::writes_fail, Silence::network,
                                         Silence::network_and_ssh),
                         [](const auto& info) {
                           return info.param == Silence::read_only     ? "read_only"
                                  : info.param == Silence::writes_fail ? "writes_fail"
                                  : info.param == Silence::network     ? "network"
                                                                       : "network_and_ssh";
                         });

TEST_P(SimulationCase02, AFleetThatGoesSilentAtOnceIsLeftAloneAndTheObserverIsSuspected) {
  CaseWorld world;
  world.task_takes = 12min;
  world.start();
  ASSERT_TRUE(world.come_to_work(5));
  const Peace peace(world);
  const MonoTime began = world.universe.now();
  begin(world, GetParam(), 5min);  // more than two heartbeat time-outs
  world.pass(100s);
  world.queue(3);  // before the first time-out, a reason to create
  world.pass(200s - 1s);
  peace.expect_kept();
  const bool told = GetParam() == Silence::read_only;  // the database says itself that it takes no writes
  EXPECT_TRUE(world.gated(told ? "database" : "observer"));
  EXPECT_GE(world.said(told ? "held_back: it answers reads only" : "gate=observer", began), 1);
  EXPECT_TRUE(world.until([&] { return world.with_status("Complete") == 8; }, 1h));
  peace.expect_finished_where_they_began();
  EXPECT_TRUE(world.failures().empty()) << "the timers begin anew when the silence ends";
}

class SimulationCase12 : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(OfTheDatabase, SimulationCase12,
                         testing::Values("workers_missing", "workers_null", "status_missing",
                                         "heartbeat_in_words", "workers_a_number"));

TEST_P(SimulationCase12, AMalformedAnswerOfTheDatabaseIsAnErrorOfTheAnswerAndNeverOfAWorker) {
  const std::string_view how = GetParam();
  CaseWorld world;
  world.task_takes = 12min;
  world.start();
  ASSERT_TRUE(world.come_to_work(4));
  const Peace peace(world);
  const MonoTime began = world.universe.now();
  int bent = 0;
  world.universe.weather.on_answer = [&](std::string_view function, const nlohmann::json&,
                                         nlohmann::json& answer) {
    if (function != "gpuwarden_snapshot") return;
    ++bent;
    nlohmann::json& workers = answer.at("workers");
    if (how == "status_missing") workers.at(0).erase("status");
    if (how == "heartbeat_in_words") workers.at(0)["heartbeat_age_s"] = "a while";
    if (how == "workers_null") workers = nullptr;
    if (how == "workers_a_number") workers = 4;
    if (how == "workers_missing") answer.erase("workers");
  };
  world.queue(3);
  world.pass(5min);
  EXPECT_GT(bent, 30);
  peace.expect_kept();
  EXPECT_GE(world.said("kind=malformed", began), 1);
  EXPECT_EQ(world.said(" plans ", began), 0);
  world.universe.weather.on_answer = nullptr;
  EXPECT_TRUE(world.until([&] { return world.with_status("Complete") == 7; }, 1h));
  peace.expect_finished_where_they_began();
}

class SimulationCase12Account : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(, SimulationCase12Account,
                         testing::Values("{}", R"({"data":[]})", R"({"pods":null})", R"({"pods":[{}]})",
                                         R"({"pods":[{"id":7}],"pagination":{"nextCursor":null}})", "[]",
                                         "null"),
                         [](const auto& info) { return "answer" + std::to_string(info.index); });

TEST_P(SimulationCase12Account, AMalformedListOfPodsIsNoListAndNoWorkerHasVanished) {
  CaseWorld world;
  world.task_takes = 12min;
  world.start();
  ASSERT_TRUE(world.come_to_work(4));
  const Peace peace(world);
  const MonoTime began = world.universe.now();
  world.universe.cloud.on_answer = [](std::string_view method, std::string_view path,
                                      http::Response& answer) {
    if (method == "GET" && path.starts_with("/pods?")) answer.body = GetParam();
  };
  world.queue(3);
  world.pass(5min);
  peace.expect_kept();
  EXPECT_TRUE(world.gated("pods"));
  EXPECT_GE(world.said("kind=malformed", began), 1);
  world.universe.cloud.on_answer = nullptr;
  EXPECT_TRUE(world.until([&] { return world.with_status("Complete") == 7; }, 1h));
  peace.expect_finished_where_they_began();
}

}  // namespace
}  // namespace gpuwarden::simulation
