// How long tasks take, and the money of pods that never finished one: what sizes and prices in the snapshot
// are made of.
#include "integration/sql/sql_world.hpp"

namespace gpuwarden::test {
namespace {

class Pace : public SqlTest {
 protected:
  /// `count` tasks that ended so many seconds ago, each a second earlier, after running for `took` seconds.
  static void finished(const std::string& type, int count, double took, double ended_ago,
                       const std::string& status = "Complete") {
    project().exec(
        "insert into public.tasks (task_type, status, generation_started_at, generation_processed_at, "
        "updated_at) select '" +
        type + "', '" + status + "', at - make_interval(secs => " + std::to_string(took) +
        "), at, at from (select now() - make_interval(secs => " + std::to_string(ended_ago) +
        " + n) as at from generate_series(0, " + std::to_string(count - 1) + ") n) t");
  }
  static Json pace() { return project().snapshot().at("pace"); }
};

TEST_F(Pace, IsTheMeanOfEachTypesNewestFiftyOfTheLastDay) {
  EXPECT_EQ(pace(), Json::object());
  finished("render", 2, 10, 60);
  finished("render", 2, 20, 30);
  finished("film", 1, 300, 3600);
  finished("old", 1, 5, 86400 + 60);
  finished("failed", 3, 5, 60, "Failed");
  const auto told = pace();
  EXPECT_EQ(told.size(), 2U) << told;
  EXPECT_EQ(told.at("render").at("samples"), 4);
  EXPECT_NEAR(told.at("render").at("typical_s").get<double>(), 15, 0.01);
  EXPECT_EQ(told.at("film").at("samples"), 1);
  EXPECT_NEAR(told.at("film").at("typical_s").get<double>(), 300, 0.01);
}

TEST_F(Pace, ForgetsWhatFiftyNewerTasksHaveOutlived) {
  finished("render", 40, 1000, 7200);
  finished("render", 49, 10, 60);
  EXPECT_EQ(pace().at("render").at("samples"), 50);
  EXPECT_NEAR(pace().at("render").at("typical_s").get<double>(), (49 * 10 + 1000) / 50.0, 0.01);
  finished("render", 1, 10, 10);
  EXPECT_NEAR(pace().at("render").at("typical_s").get<double>(), 10, 0.01);
}

TEST_F(Pace, TakesTheLastChangeWhereNoEndWasWrittenDownAndLeavesOutWhatHasNoBeginning) {
  project().exec(
      "insert into public.tasks (task_type, status, generation_started_at, updated_at) values "
      "('a', 'Complete', now() - interval '40 seconds', now() - interval '10 seconds'), "
      "('b', 'Complete', null, now())");
  project().exec(
      "insert into public.tasks (task_type, status, generation_started_at, generation_processed_at, "
      "updated_at) values ('c', 'Complete', now(), now() - interval '1 hour', now())");
  const auto told = pace();
  EXPECT_EQ(told.size(), 1U) << told;
  EXPECT_NEAR(told.at("a").at("typical_s").get<double>(), 30, 0.01);
}

TEST_F(Pace, ComesFromTasksThatWorkersComplete) {
  const auto pod = worker("aaaaaaaa");
  add_task("task_type", "'render'");
  const auto held = pod.claim();
  project().exec("update public.tasks set generation_started_at = now() - interval '25 seconds'");
  ASSERT_TRUE(pod.complete(held).at("accepted"));
  EXPECT_NEAR(pace().at("render").at("typical_s").get<double>(), 25, 5);
}

class Fruitless : public SqlTest {
 protected:
  /// A worker at $1 an hour that was registered and has ended so many hours ago.
  static std::string ended(const std::string& name, double from_h, double to_h, bool pod = true) {
    project().exec(
        "insert into public.gpuwarden_workers (worker_id, owner, epoch, status, cost_per_hr, pod_id, "
        "registered_at, ended_at) values ('" +
        name + "', 'test', 1, 'terminated', 1, " + (pod ? "'p'" : "null") +
        ", now() - make_interval(secs => 3600 * " + std::to_string(from_h) +
        "), now() - make_interval(secs => 3600 * " + std::to_string(to_h) + "))");
    return name;
  }
  static double fruitless() { return project().snapshot().at("fruitless_last_day_usd").get<double>(); }
  static double spent() { return project().snapshot().at("spent_last_day_usd").get<double>(); }
};

TEST_F(Fruitless, CountsEndedPodsWithoutAFinishedTaskAndOnlyThePartInsideTheDay) {
  EXPECT_EQ(fruitless(), 0.0);
  ended("wasted", 3, 1);
  EXPECT_NEAR(fruitless(), 2.0, 0.01);
  ended("long ago", 40, 25);
  ended("begun the day before", 30, 23);
  EXPECT_NEAR(fruitless(), 3.0, 0.01);
  ended("without a pod", 3, 1, false);
  EXPECT_NEAR(fruitless(), 3.0, 0.01);
  EXPECT_NEAR(spent(), 3.0, 0.01);
}

TEST_F(Fruitless, IsNoneOfAPodThatFinishedOneTaskOrStillLives) {
  const auto useful = ended("useful", 3, 1);
  project().exec("insert into public.tasks (task_type, status, worker_id) values ('x', 'Complete', '" +
                 useful + "')");
  EXPECT_EQ(fruitless(), 0.0);
  const auto failed = ended("failed", 2, 1);
  project().exec("insert into public.tasks (task_type, status, worker_id) values ('x', 'Failed', '" + failed +
                 "')");
  EXPECT_NEAR(fruitless(), 1.0, 0.01);
  const auto pod = worker("aaaaaaaa");
  project().exec(
      "update public.gpuwarden_workers set pod_id = 'p', cost_per_hr = 1, registered_at = now() - "
      "interval '5 hours' where worker_id = '" +
      pod.id + "'");
  EXPECT_NEAR(fruitless(), 1.0, 0.01) << "it may still finish one";
  EXPECT_NEAR(spent(), 8.0, 0.01);
}

}  // namespace
}  // namespace gpuwarden::test
