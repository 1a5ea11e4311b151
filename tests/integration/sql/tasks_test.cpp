// Claiming, completing and failing tasks, through the real PostgREST.
#include <set>

#include "integration/sql/sql_world.hpp"

namespace gpuwarden::test {
namespace {

class Tasks : public SqlTest {
 protected:
  void age_task(const std::string& id, int seconds) {
    project().exec(
        "update public.tasks set created_at = created_at - interval '1 day', updated_at = now() - "
        "make_interval(secs => " +
        std::to_string(seconds) + "), generation_started_at = now() - make_interval(secs => " +
        std::to_string(seconds) + ") where id = '" + id + "'");
  }
  Json rescue() {
    return project().ask("gpuwarden_rescue_tasks", {{"owner_param", "test"},
                                                    {"epoch_param", epoch},
                                                    {"options_param",
                                                     {{"orphan_task_sec", 900},
                                                      {"api_task_sec", 420},
                                                      {"inactive_task_sec", 1800},
                                                      {"rescue_exempt", {"*_orchestrator*"}},
                                                      {"task_max_attempts", 3}}}});
  }
};

TEST_F(Tasks, TheOldestIsClaimedFirstWithItsParametersAndAttempt) {
  const auto pod = worker("aaaaaaaa");
  add_task("task_type, created_at", "'young', now()");
  const auto old =
      add_task("task_type, created_at, params", "'old', now() - interval '1 hour', '{\"seconds\": 3}'");
  const auto claimed = pod.claim();
  EXPECT_EQ(claimed, (Json{{"id", old}, {"task_type", "old"}, {"params", {{"seconds", 3}}}, {"attempt", 1}}));
  EXPECT_EQ(task(old).at("status"), "In Progress");
  EXPECT_EQ(task(old).at("worker_id"), pod.id);
  EXPECT_FALSE(task(old).at("generation_started_at").is_null());
}

TEST_F(Tasks, ALostAnswerOfAClaimLosesNoTask) {
  const auto pod = worker("aaaaaaaa");
  add_task();
  add_task();
  const auto first = pod.claim();
  EXPECT_EQ(pod.claim(), first);
  EXPECT_EQ(project().rows("select 1 from public.tasks where status = 'In Progress'").size(), 1U);
}

TEST_F(Tasks, AnEmptyQueueAnswersNull) {
  EXPECT_TRUE(worker("aaaaaaaa").claim().is_null());
}

TEST_F(Tasks, ParallelClaimsTakeEachTaskOnce) {
  constexpr int kPods = 40, kTasks = 25;
  std::vector<std::pair<std::string, Json>> claims;
  project().exec(
      "insert into public.gpuwarden_workers (worker_id, owner, epoch, status, token_hash) select 'gpu-' || "
      "n, 'test', 1, "
      "'active', sha256(convert_to('t' || n, 'UTF8')) from generate_series(1, 40) n; insert into "
      "public.workers (id, "
      "instance_type, status) select 'gpu-' || n, 'g', 'active' from generate_series(1, 40) n; insert into "
      "public.tasks "
      "(task_type) select 'sample' from generate_series(1, 25)");
  for (int i = 1; i <= kPods; ++i)
    claims.emplace_back("gpuwarden_claim_task", Json{{"worker_id_param", "gpu-" + std::to_string(i)},
                                                     {"token_param", "t" + std::to_string(i)}});
  std::set<std::string> taken;
  int empty = 0;
  for (const auto& answer : project().parallel(claims, Key::publishable)) {
    ASSERT_EQ(answer.status, 200) << answer.text;
    if (answer.body.is_null())
      ++empty;
    else
      EXPECT_TRUE(taken.insert(answer.body.at("id").get<std::string>()).second) << "claimed twice";
  }
  // A claim may find all others locked and come back empty; then it asks again. Nothing is taken twice.
  EXPECT_EQ(taken.size() + static_cast<std::size_t>(empty), static_cast<std::size_t>(kPods));
  EXPECT_EQ(project().rows("select worker_id from public.tasks where status = 'In Progress'").size(),
            taken.size());
  EXPECT_EQ(project()
                .rows("select worker_id from public.tasks where status = 'In Progress' group by 1 having "
                      "count(*) > 1")
                .size(),
            0U);
  EXPECT_EQ(taken.size(), static_cast<std::size_t>(kTasks));
}

TEST_F(Tasks, AClaimPassesOverATaskThatSomebodyElseHasLocked) {
  const auto pod = worker("aaaaaaaa");
  const auto first = add_task("task_type, created_at", "'a', now() - interval '1 hour'");
  const auto second = add_task("task_type", "'b'");
  const OpenTransaction other(project().database,
                              "select 1 from public.tasks where id = '" + first + "' for update");
  EXPECT_EQ(pod.claim().at("id"), second);
}

TEST_F(Tasks, OneWorkerThatClaimsInParallelGetsOneTask) {
  const auto pod = worker("aaaaaaaa");
  for (int i = 0; i < 5; ++i) add_task();
  std::set<std::string> taken;
  for (const auto& answer :
       project().parallel({12, {"gpuwarden_claim_task", pod.with()}}, Key::publishable)) {
    ASSERT_EQ(answer.status, 200) << answer.text;
    taken.insert(answer.body.at("id").get<std::string>());
  }
  EXPECT_EQ(taken.size(), 1U);
}

TEST_F(Tasks, ATaskIsCompletedOnceAndARepeatIsTold) {
  const auto pod = worker("aaaaaaaa");
  const auto id = add_task();
  const auto claimed = pod.claim();
  EXPECT_EQ(pod.complete(claimed, {{"url", "first"}}), (Json{{"accepted", true}, {"reason", "completed"}}));
  EXPECT_EQ(pod.complete(claimed, {{"url", "second"}}), (Json{{"accepted", true}, {"reason", "already"}}));
  EXPECT_EQ(task(id).at("status"), "Complete");
  EXPECT_EQ(task(id).at("result_data"), (Json{{"url", "first"}}));
  EXPECT_FALSE(pod.fail(claimed, "too late").at("accepted"));
  EXPECT_EQ(task(id).at("status"), "Complete");
}

TEST_F(Tasks, ParallelCompletionsOfOneAttemptWriteOnce) {
  const auto pod = worker("aaaaaaaa");
  add_task();
  const auto claimed = pod.claim();
  int completed = 0;
  for (const auto& answer : project().parallel(
           {10,
            {"gpuwarden_complete_task",
             pod.with(
                 {{"task_id_param", claimed.at("id")}, {"attempt_param", 1}, {"result_param", nullptr}})}},
           Key::publishable)) {
    ASSERT_EQ(answer.status, 200) << answer.text;
    EXPECT_TRUE(answer.body.at("accepted"));
    completed += answer.body.at("reason") == "completed" ? 1 : 0;
  }
  EXPECT_EQ(completed, 1);
}

TEST_F(Tasks, AStaleAttemptIsRefused) {
  const auto pod = worker("aaaaaaaa");
  const auto id = add_task();
  const auto first = pod.claim();
  ASSERT_EQ(pod.fail(first, "once").at("status"), "Queued");
  const auto second = pod.claim();
  ASSERT_EQ(second.at("attempt"), 2);
  EXPECT_FALSE(pod.complete(first).at("accepted"));
  EXPECT_FALSE(pod.fail(first, "again").at("accepted"));
  EXPECT_EQ(task(id).at("status"), "In Progress");
  EXPECT_TRUE(pod.complete(second).at("accepted"));
}

TEST_F(Tasks, ARepeatedFailureOfOneAttemptIsToldThatItIsDone) {
  const auto pod = worker("aaaaaaaa");
  const auto id = add_task();
  const auto held = pod.claim();
  EXPECT_EQ(pod.fail(held, "once"), (Json{{"accepted", true}, {"reason", "failed"}, {"status", "Queued"}}));
  EXPECT_EQ(pod.fail(held, "once"), (Json{{"accepted", true}, {"reason", "already"}, {"status", "Queued"}}));
  EXPECT_EQ(task(id).at("attempts"), 1);
  EXPECT_FALSE(pod.complete(held).at("accepted"));
  EXPECT_FALSE(worker("bbbbbbbb").fail(held, "mine too").at("accepted"));
}

TEST_F(Tasks, ATaskThatWasGivenToAnotherWorkerIsNotCompletedByTheFirst) {
  const auto first = worker("aaaaaaaa");
  const auto second = worker("bbbbbbbb");
  const auto id = add_task();
  const auto held = first.claim();
  ASSERT_EQ(fail_worker(first.id, "heartbeat_lost").at("requeued"), Json::array({id}));
  const auto again = second.claim();
  ASSERT_EQ(again.at("id"), id);
  EXPECT_EQ(again.at("attempt"), 2);
  EXPECT_FALSE(first.complete(held).at("accepted"));
  EXPECT_TRUE(second.complete(again).at("accepted"));
}

TEST_F(Tasks, Case03ATaskThatKillsEveryWorkerFailsWithTheEvidenceOfAllDeaths) {
  const auto id = add_task();
  for (int death = 1; death <= 3; ++death) {
    const auto pod = worker("0000000" + std::to_string(death));
    ASSERT_EQ(pod.claim().at("attempt"), death);
    const auto freed =
        fail_worker(pod.id, "out_of_memory", {{"summary", "death number " + std::to_string(death)}});
    EXPECT_EQ(freed.at(death < 3 ? "requeued" : "failed"), Json::array({id})) << freed;
    EXPECT_EQ(freed.at(death < 3 ? "failed" : "requeued"), Json::array());
    EXPECT_EQ(task(id).at("attempts"), death);
  }
  EXPECT_EQ(task(id).at("status"), "Failed");
  const auto message = task(id).at("error_message").get<std::string>();
  for (int death = 1; death <= 3; ++death) {
    const auto text = "death number " + std::to_string(death);
    EXPECT_NE(message.find(text), std::string::npos) << message;
    EXPECT_EQ(message.find(text), message.rfind(text)) << "told twice: " << message;
  }
  EXPECT_NE(message.find("out_of_memory"), std::string::npos);
  EXPECT_TRUE(worker("00000004").claim().is_null());
}

TEST_F(Tasks, AFailureReportedByTheWorkerCountsAttemptsByTheSettingsOfTheDaemon) {
  const auto pod = worker("aaaaaaaa");
  project().ask(
      "gpuwarden_snapshot",
      {{"owner_param", "test"}, {"holder_param", "daemon"}, {"options_param", {{"task_max_attempts", 2}}}});
  const auto id = add_task();
  EXPECT_EQ(pod.fail(pod.claim(), "first").at("status"), "Queued");
  EXPECT_EQ(pod.fail(pod.claim(), "second").at("status"), "Failed");
  EXPECT_NE(task(id).at("error_message").get<std::string>().find("second"), std::string::npos);
  // A snapshot without the option forgets nothing.
  project().snapshot();
  EXPECT_EQ(project()
                .rows("select value from public.gpuwarden_state where key = 'settings'")
                .at(0)
                .at("value")
                .at("task_max_attempts"),
            2);
}

TEST_F(Tasks, WithoutSettingsATaskHasThreeAttempts) {
  const auto pod = worker("aaaaaaaa");
  add_task();
  EXPECT_EQ(pod.fail(pod.claim(), "1").at("status"), "Queued");
  EXPECT_EQ(pod.fail(pod.claim(), "2").at("status"), "Queued");
  EXPECT_EQ(pod.fail(pod.claim(), "3").at("status"), "Failed");
}

TEST_F(Tasks, DrainingFailedAndEndedWorkersClaimNothingButADrainingOneFinishes) {
  const auto pod = worker("aaaaaaaa");
  const auto id = add_task();
  add_task();
  const auto held = pod.claim();
  ASSERT_TRUE(
      update(pod.id, {"active"}, {{"status", "terminating"}, {"phase", "draining"}, {"drain_reason", "idle"}})
          .at("done"));
  EXPECT_TRUE(pod.claim().is_null());
  EXPECT_TRUE(pod.complete(held).at("accepted"));
  EXPECT_EQ(task(id).at("status"), "Complete");
  EXPECT_TRUE(pod.claim().is_null());
  const auto failed = worker("bbbbbbbb");
  fail_worker(failed.id, "worker_crashed");
  EXPECT_TRUE(failed.claim().is_null());
  ASSERT_TRUE(update(failed.id, {"error"}, {{"status", "terminated"}, {"end_reason", "gone"}}).at("done"));
  EXPECT_TRUE(failed.claim().is_null());
  const auto asked = worker("cccccccc");
  ASSERT_TRUE(update(asked.id, {"active"}, {{"drain_reason", "surplus"}}).at("done"));
  EXPECT_TRUE(asked.claim().is_null());
}

TEST_F(Tasks, AWorkerThatEndsByOurRowClaimsNothingWhateverTheSharedRowSays) {
  const auto draining = worker("aaaaaaaa");
  const auto failed = worker("bbbbbbbb");
  const auto spawning = worker("cccccccc", "spawning");
  const auto id = add_task();
  ASSERT_TRUE(update(draining.id, {"active"}, {{"status", "terminating"}}).at("done"));
  ASSERT_TRUE(fail_worker(failed.id, "worker_crashed").at("done"));
  project().exec("update public.workers set status = 'active'");
  for (const auto& pod : {draining, failed}) {
    EXPECT_TRUE(pod.claim().is_null()) << pod.id;
    EXPECT_EQ(project().ask("func_claim_available_task", {{"worker_id_param", pod.id}}), Json::array())
        << pod.id;
  }
  EXPECT_EQ(spawning.claim().at("id"), id) << "its first heartbeat may come before the daemon has seen it";
}

TEST_F(Tasks, OneThatDependsOnOthersIsClaimedWhenAllAreComplete) {
  const auto pod = worker("aaaaaaaa");
  const auto first = add_task("task_type, status", "'a', 'Complete'");
  const auto second = add_task("task_type, status", "'b', 'Cancelled'");
  const auto waiting =
      add_task("task_type, dependant_on", "'c', array['" + first + "', '" + second + "']::uuid[]");
  EXPECT_TRUE(pod.claim().is_null());
  EXPECT_EQ(project().snapshot().at("queue").at("blocked"), 1);
  EXPECT_EQ(project().snapshot().at("queue").at("queued"), 0);
  project().exec("update public.tasks set status = 'Complete' where id = '" + second + "'");
  EXPECT_EQ(project().snapshot().at("queue"), (Json{{"queued", 1},
                                                    {"running", 0},
                                                    {"blocked", 0},
                                                    {"by_type", {{"c", {{"queued", 1}, {"running", 0}}}}}}));
  EXPECT_EQ(pod.claim().at("id"), waiting);
}

TEST_F(Tasks, TheQueueCountsRunningTasksButNotThoseOfApiWorkers) {
  const auto pod = worker("aaaaaaaa");
  add_task();
  pod.claim();
  add_task("task_type, status, worker_id", "'sample', 'In Progress', 'api-worker-1'");
  add_task("task_type, status", "'other', 'In Progress'");
  const auto queue = project().snapshot().at("queue");
  EXPECT_EQ(queue.at("running"), 2);
  EXPECT_EQ(queue.at("by_type").at("sample").at("running"), 1);
  EXPECT_EQ(queue.at("by_type").at("other").at("running"), 1);
  const auto running = project().snapshot().at("running_tasks");
  ASSERT_EQ(running.size(), 1U) << "only tasks of our workers";
  EXPECT_EQ(running.at(0).at("worker_id"), pod.id);
  EXPECT_EQ(running.at(0).at("attempts"), 0);
}

struct Stray {
  const char* name;
  std::string columns, values;
  int age;
  bool rescued;
};

TEST_F(Tasks, StrayTasksAreRescuedAtTheirThresholdsAndNotBefore) {
  for (const auto& stray :
       {Stray{"no worker, just below", "task_type, status", "'x', 'In Progress'", 895, false},
        Stray{"no worker, at the limit", "task_type, status", "'x', 'In Progress'", 901, true},
        Stray{"api worker, just below", "task_type, status, worker_id", "'x', 'In Progress', 'api-worker-7'",
              415, false},
        Stray{"api worker, over", "task_type, status, worker_id", "'x', 'In Progress', 'api-worker-7'", 421,
              true},
        Stray{"unknown worker, just below", "task_type, status, worker_id", "'x', 'In Progress', 'who'", 1795,
              false},
        Stray{"unknown worker, over", "task_type, status, worker_id", "'x', 'In Progress', 'who'", 1801,
              true},
        Stray{"exempt type, over", "task_type, status", "'my_orchestrator_x', 'In Progress'", 90000, false},
        Stray{"a finished one", "task_type, status", "'x', 'Complete'", 90000, false}}) {
    project().exec("truncate public.tasks");
    const auto id = add_task(stray.columns, stray.values);
    age_task(id, stray.age);
    EXPECT_EQ(project().snapshot().at("rescuable"), stray.rescued ? 1 : 0) << stray.name;
    EXPECT_EQ(rescue().at("requeued"), stray.rescued ? Json::array({id}) : Json::array()) << stray.name;
    EXPECT_EQ(task(id).at("attempts"), stray.rescued ? 1 : 0) << stray.name;
    if (stray.rescued) EXPECT_TRUE(task(id).at("worker_id").is_null()) << stray.name;
  }
}

TEST_F(Tasks, ThoseOfAForeignWorkerAreRescuedWhenItAndTheyHaveBeenSilentForLong) {
  const auto rescued = [&](int heartbeat_age, int task_age, const std::string& type) {
    project().exec("truncate public.tasks, public.workers");
    project().exec(
        "insert into public.workers (id, instance_type, status, last_heartbeat) values ('theirs', 'x', "
        "'active', now() - make_interval(secs => " +
        std::to_string(heartbeat_age) + "))");
    const auto id = add_task("task_type, status, worker_id", "'" + type + "', 'In Progress', 'theirs'");
    age_task(id, task_age);
    return rescue().at("requeued") == Json::array({id});
  };
  constexpr int kDays = 3 * 86400;
  EXPECT_TRUE(rescued(kDays, kDays, "x"));
  EXPECT_TRUE(rescued(1805, 1805, "x"));
  EXPECT_FALSE(rescued(1790, kDays, "x")) << "it may still work on it";
  EXPECT_FALSE(rescued(kDays, 1790, "x")) << "somebody touched the task";
  EXPECT_FALSE(rescued(kDays, kDays, "my_orchestrator_x"));
  EXPECT_FALSE(rescued(0, kDays, "x"));
  project().exec("update public.workers set last_heartbeat = null");
  EXPECT_EQ(rescue().at("requeued"), Json::array()) << "it never sent heartbeats: silence says nothing";
}

TEST_F(Tasks, ATaskOfALiveWorkerIsNeverRescuedByAgeAndThatOfAnEndedOneAtOnce) {
  const auto pod = worker("aaaaaaaa");
  const auto id = add_task("task_type", "'my_orchestrator_x'");
  pod.claim();
  age_task(id, 900000);
  EXPECT_EQ(rescue().at("requeued"), Json::array());
  ASSERT_TRUE(update(pod.id, {"active"}, {{"status", "terminated"}, {"end_reason", "gone"}}).at("done"));
  EXPECT_EQ(rescue().at("requeued"), Json::array({id}));
}

TEST_F(Tasks, ARescuedTaskFailsAfterItsLastAttempt) {
  const auto id = add_task("task_type, status, attempts", "'x', 'In Progress', 2");
  age_task(id, 901);
  EXPECT_EQ(rescue().at("failed"), Json::array({id}));
  EXPECT_EQ(task(id).at("status"), "Failed");
  EXPECT_EQ(task(id).at("attempts"), 3);
}

TEST_F(Tasks, ListsShowOneStatusOrAllNewestFirst) {
  const auto old = add_task("task_type, status, created_at", "'x', 'Complete', now() - interval '1 hour'");
  const auto young = add_task("task_type", "'y'");
  const auto all = project().ask("gpuwarden_list_tasks", {{"status_param", nullptr}, {"limit_param", 10}});
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all.at(0).at("id"), young);
  const auto complete =
      project().ask("gpuwarden_list_tasks", {{"status_param", "Complete"}, {"limit_param", 10}});
  ASSERT_EQ(complete.size(), 1U);
  EXPECT_EQ(complete.at(0).at("id"), old);
  EXPECT_EQ(project().ask("gpuwarden_list_tasks", {{"status_param", nullptr}, {"limit_param", 1}}).size(),
            1U);
}

}  // namespace
}  // namespace gpuwarden::test
