// Marks of failure: what they expect, what they change, how they are repeated, and what a pod's evidence may
// weigh.
#include "integration/sql/sql_world.hpp"

namespace gpuwarden::test {
namespace {

class Failures : public SqlTest {
 protected:
  static std::size_t rows_of_failures() {
    return project().rows("select 1 from public.gpuwarden_failures").size();
  }
};

TEST_F(Failures, AMarkChangesNothingWhereTheStatusIsNotOneThatItExpects) {
  const auto pod = worker("aaaaaaaa");
  const auto id = add_task();
  pod.claim();
  const auto refused = fail_worker(pod.id, "heartbeat_lost", {{"expected", {"spawning", "terminating"}}});
  EXPECT_EQ(refused.at("done"), false);
  EXPECT_EQ(refused.at("reason"), "status is active");
  EXPECT_EQ(rows_of_failures(), 0U);
  EXPECT_EQ(live(pod.id).at("status"), "active");
  EXPECT_TRUE(row(pod.id).at("outcome").is_null());
  EXPECT_EQ(task(id).at("status"), "In Progress");
  EXPECT_TRUE(fail_worker(pod.id, "heartbeat_lost", {{"expected", {"spawning", "active"}}}).at("done"));
  EXPECT_EQ(task(id).at("status"), "Queued");
  for (const Json& any : {Json::array(), Json(nullptr)}) {
    const auto other = worker(any.is_null() ? "bbbbbbbb" : "cccccccc");
    EXPECT_TRUE(fail_worker(other.id, "heartbeat_lost", {{"expected", any}}).at("done")) << any;
  }
}

TEST_F(Failures, TheSameFaultOnManyPodsIsOneWayToFailInTheSnapshotAndNamesItsOneLineCause) {
  for (const auto* name : {"aaaaaaaa", "bbbbbbbb", "cccccccc"}) {
    fail_worker(worker(name).id, "disk_full",
                {{"fingerprint", "f1"}, {"summary", std::string("full on ") + name}, {"cost_usd", 0.5}});
  }
  fail_worker(worker("dddddddd").id, "gpu_error", {{"fingerprint", "f2"}, {"summary", "Xid 79"}});
  const auto old = worker("eeeeeeee");
  fail_worker(old.id, "setup_failed", {{"fingerprint", "f3"}, {"summary", "long ago"}});
  project().exec(
      "update public.gpuwarden_failures set created_at = now() - interval '31 minutes' where worker_id = '" +
      old.id + "'");
  const Json snapshot = project().snapshot();
  const Json failing = snapshot.at("failing");
  ASSERT_EQ(failing.size(), 2U) << failing;
  EXPECT_EQ(failing[0].at("cause"), "disk_full");
  EXPECT_EQ(failing[0].at("count"), 3);
  EXPECT_EQ(failing[0].at("summary"), "full on cccccccc");
  EXPECT_EQ(failing[0].at("cost_usd"), 1.5);
  EXPECT_EQ(failing[1].at("cause"), "gpu_error");
  EXPECT_EQ(snapshot.at("outcomes")[0].at("summary"), "long ago");
}

TEST_F(Failures, WhatAMarkExpectsIsTheStatusThatTheSnapshotShows) {
  const auto pod = worker("aaaaaaaa");
  project().exec("update public.workers set status = 'terminating'");
  ASSERT_EQ(live(pod.id).at("status"), "terminating");
  EXPECT_FALSE(fail_worker(pod.id, "drain_overrun", {{"expected", {"active"}}}).at("done"));
  EXPECT_TRUE(fail_worker(pod.id, "drain_overrun", {{"expected", {"terminating"}}}).at("done"));
}

TEST_F(Failures, AnEndThatSomebodyAsksForInTheSharedRowIsADrainThatBeginsThen) {
  for (const auto* word : {"terminating", "terminated"}) {
    const auto pod = worker(word == std::string("terminated") ? "aaaaaaaa" : "bbbbbbbb");
    add_task();
    const auto held = pod.claim();
    project().exec(
        "update public.gpuwarden_workers set phase = 'idle', phase_since = now() - interval '2 hours'; "
        "update "
        "public.workers set status = '" +
        std::string(word) + "' where id = '" + pod.id + "'");
    const auto seen = live(pod.id);
    EXPECT_EQ(seen.at("status"), "terminating") << word;
    EXPECT_EQ(seen.at("phase"), "draining");
    EXPECT_LT(seen.at("phase_age_s"), 30.0) << "it has time to finish its task";
    EXPECT_EQ(seen.at("drain_reason"), "workers.status was set to " + std::string(word));
    EXPECT_EQ(pod.report({{"kind", "ping"}}).body.at("directive"), "drain");
    EXPECT_TRUE(pod.complete(held).at("accepted"));
  }
}

TEST_F(Failures, AMarkThatIsNoOutcomeOfTheStartLeavesTheSuccess) {
  const auto pod = worker("aaaaaaaa", "spawning");
  update(pod.id, {"spawning"}, {{"status", "active"}, {"success", true}});
  project().exec("update public.gpuwarden_workers set outcome_at = outcome_at - interval '5 minutes'");
  const auto before = row(pod.id);
  ASSERT_TRUE(fail_worker(pod.id, "drain_overrun", {{"outcome", false}}).at("done"));
  EXPECT_EQ(row(pod.id).at("outcome"), "success");
  EXPECT_EQ(row(pod.id).at("outcome_at"), before.at("outcome_at"));
  EXPECT_EQ(row(pod.id).at("status"), "error");
  EXPECT_EQ(rows_of_failures(), 1U);
  EXPECT_EQ(project().snapshot().at("outcomes").at(0).at("success"), true);
  const auto other = worker("bbbbbbbb");
  ASSERT_TRUE(fail_worker(other.id, "worker_crashed", {{"outcome", true}}).at("done"));
  EXPECT_EQ(row(other.id).at("outcome"), "failure");
}

TEST_F(Failures, ARepeatOfOneCallIsToldThatItIsDoneAndAnotherFailureIsRefused) {
  const auto pod = worker("aaaaaaaa");
  const auto id = add_task();
  pod.claim();
  const auto first = fail_worker(pod.id, "worker_crashed", {{"request_id", "r1"}, {"expected", {"active"}}});
  ASSERT_EQ(first.at("requeued"), Json::array({id}));
  const auto repeat = fail_worker(pod.id, "worker_crashed", {{"request_id", "r1"}, {"expected", {"active"}}});
  EXPECT_EQ(repeat, (Json{{"done", true},
                          {"reason", "already"},
                          {"failure_id", first.at("failure_id")},
                          {"requeued", Json::array()},
                          {"failed", Json::array()}}));
  EXPECT_EQ(task(id).at("attempts"), 1);
  for (const Json& other : {Json("r2"), Json(""), Json(nullptr)})
    EXPECT_FALSE(fail_worker(pod.id, "worker_crashed", {{"request_id", other}}).at("done")) << other;
  const auto nameless = worker("bbbbbbbb");
  EXPECT_TRUE(fail_worker(nameless.id, "worker_crashed", {{"request_id", ""}}).at("done"));
  EXPECT_FALSE(fail_worker(nameless.id, "worker_crashed", {{"request_id", ""}}).at("done"));
  EXPECT_EQ(rows_of_failures(), 2U);
}

TEST_F(Failures, OfALongCrashTheLastLinesAreKept) {
  Json lines = Json::array();
  for (int i = 0; i < 1000; ++i) lines.push_back("line " + std::to_string(i));
  const auto few = worker("aaaaaaaa");
  ASSERT_EQ(few.report({{"kind", "crash"}, {"exit_code", 1}, {"tail", lines}}).status, 200);
  const auto kept = live(few.id).at("crash").at("tail");
  ASSERT_EQ(kept.size(), 100U);
  EXPECT_EQ(kept.front(), "line 900");
  EXPECT_EQ(kept.back(), "line 999");

  Json fat = Json::array();
  for (int i = 0; i < 60; ++i) fat.push_back(std::to_string(i) + std::string(990, 'x'));
  const auto heavy = worker("bbbbbbbb", "spawning");
  ASSERT_EQ(heavy.report({{"kind", "step"}, {"step", "start"}, {"event", "fail"}, {"tail", fat}}).status,
            200);
  const auto tail = live(heavy.id).at("crash").at("tail");
  EXPECT_EQ(tail.size(), 12U);
  EXPECT_EQ(tail.back(), fat.back());
  const auto one = worker("cccccccc");
  ASSERT_EQ(one.report({{"kind", "crash"}, {"tail", {std::string(60000, '\x01'), "end"}}}).status, 413)
      << "six bytes for each of these";
  ASSERT_EQ(one.report({{"kind", "crash"}, {"tail", {std::string(10000, '\x01'), "end"}}}).status, 200);
  EXPECT_EQ(live(one.id).at("crash").at("tail").size(), 2U);
  EXPECT_LE(live(one.id).dump().size(), 16000U);
  const auto old = worker("dddddddd");
  Json logs = Json::array();
  for (int i = 0; i < 300; ++i) logs.push_back({{"message", "line " + std::to_string(i)}});
  project().ask("func_worker_heartbeat_with_logs",
                {{"worker_id_param", old.id}, {"status_param", "crashed"}, {"logs_param", logs}});
  EXPECT_EQ(live(old.id).at("crash").at("tail").size(), 100U);
  EXPECT_EQ(live(old.id).at("crash").at("tail").back(), "line 299");
}

TEST_F(Failures, NoFieldOfAReportMakesTheSnapshotHeavy) {
  const std::string much(60000, 'x');
  const auto pod = worker("aaaaaaaa", "spawning");
  pod.report({{"kind", "step"}, {"step", "fetch"}, {"event", "end"}, {"commit", much}});
  for (const auto* field : {"check", "step", "exit", "signal"}) {
    project().exec("update public.gpuwarden_workers set crash = null");
    Json report{{"kind", "step"}, {"step", "start"}, {"event", "fail"}, {"tail", {"why"}}};
    report[field] = field == std::string("exit") ? Json{{"deep", much}} : Json(much);
    ASSERT_EQ(pod.report(report).status, 200) << field;
    EXPECT_EQ(live(pod.id).at("crash").at("tail"), Json::array({"why"})) << field;
    EXPECT_LE(live(pod.id).dump().size(), 2000U) << field;
  }
}

TEST_F(Failures, AHeartbeatIsKeptBesideTheSharedRowAndTheLaterOfBothCounts) {
  const auto pod = worker("aaaaaaaa");
  pod.report({{"kind", "heartbeat"}});
  project().exec("update public.workers set last_heartbeat = now() - interval '1 hour'");
  EXPECT_LT(live(pod.id).at("heartbeat_age_s"), 5.0) << "somebody wrote an old time into the shared row";
  project().exec(
      "update public.gpuwarden_workers set heartbeat_at = now() - interval '2 hours'; update public.workers "
      "set last_heartbeat = now()");
  EXPECT_LT(live(pod.id).at("heartbeat_age_s"), 5.0);
  EXPECT_FALSE(
      project().ask("gpuwarden_get_worker", {{"worker_id_param", pod.id}}).at("last_heartbeat").is_null());
}

TEST_F(Failures, ACreateOfUnknownOutcomeCostsWhileItLives) {
  const auto id = "gpu-test-20261124000000-0000000f";
  ASSERT_TRUE(project()
                  .ask("gpuwarden_register_worker", {{"worker_id_param", id},
                                                     {"owner_param", "test"},
                                                     {"epoch_param", epoch},
                                                     {"details_param", {{"gpu", "g"}, {"cost_per_hr", 0.5}}}})
                  .at("done"));
  project().exec("update public.gpuwarden_workers set registered_at = now() - interval '2 hours'");
  EXPECT_EQ(project().snapshot().at("spent_last_day_usd"), 0.0) << "nothing was asked of anybody yet";
  ASSERT_TRUE(update(id, {"spawning"}, {{"phase", "unknown"}}).at("done"));
  EXPECT_NEAR(project().snapshot().at("spent_last_day_usd").get<double>(), 1.0, 0.05);
  ASSERT_TRUE(update(id, {"spawning"}, {{"status", "terminated"}, {"end_reason", "no pod"}}).at("done"));
  EXPECT_EQ(project().snapshot().at("spent_last_day_usd"), 0.0);
}

TEST_F(Failures, TheSnapshotNamesTheLastTwoHundredThatEnded) {
  project().exec(
      "insert into public.gpuwarden_workers (worker_id, owner, epoch, status, ended_at) select 'old-' || n, "
      "'test', 1, 'terminated', now() - make_interval(secs => n) from generate_series(1, 500) n");
  const auto stones = project().snapshot().at("tombstones");
  ASSERT_EQ(stones.size(), 200U);
  EXPECT_EQ(stones.at(0).at("worker_id"), "old-1");
}

}  // namespace
}  // namespace gpuwarden::test
