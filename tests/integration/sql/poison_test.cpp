// Tasks that kill their workers, and results that come too late.
#include "integration/sql/sql_world.hpp"

namespace gpuwarden::test {
namespace {

class Poison : public SqlTest {
 protected:
  Json rescue() {
    return project().ask(
        "gpuwarden_rescue_tasks",
        {{"owner_param", "test"}, {"epoch_param", epoch}, {"options_param", {{"task_max_attempts", 3}}}});
  }
  std::string message(const std::string& id) { return task(id).at("error_message").get<std::string>(); }
};

TEST_F(Poison, EveryDeathIsNamedOnceHoweverItsTaskWasFreed) {
  const auto id = add_task();
  const auto first = worker("00000001");
  first.claim();
  fail_worker(first.id, "out_of_memory", {{"summary", "CUDA out of memory"}});
  const auto second = worker("00000002");
  second.claim();
  {
    const OpenTransaction locked(project().database,
                                 "select 1 from public.tasks where id = '" + id + "' for update");
    EXPECT_EQ(fail_worker(second.id, "gpu_error", {{"summary", "Xid 79"}}).at("requeued"), Json::array());
  }
  EXPECT_EQ(rescue().at("requeued"), Json::array({id}));
  const auto third = worker("00000003");
  ASSERT_EQ(third.claim().at("attempt"), 3);
  {
    const OpenTransaction locked(project().database,
                                 "select 1 from public.tasks where id = '" + id + "' for update");
    fail_worker(third.id, "heartbeat_lost", {{"summary", "silent for 2m"}});
  }
  EXPECT_EQ(rescue().at("failed"), Json::array({id}));
  for (const auto* evidence :
       {"CUDA out of memory", "Xid 79", "silent for 2m", "out_of_memory", "gpu_error", "heartbeat_lost"}) {
    const auto text = message(id);
    EXPECT_NE(text.find(evidence), std::string::npos) << text;
    EXPECT_EQ(text.find(evidence), text.rfind(evidence)) << "told twice: " << text;
  }
  EXPECT_NE(message(id).find("given up after 3 attempts"), std::string::npos);
}

TEST_F(Poison, AnErrorThatAWorkerReportsLastStandsBesideTheDeathsBeforeIt) {
  const auto id = add_task();
  for (int death = 1; death <= 2; ++death) {
    const auto pod = worker("0000000" + std::to_string(death));
    pod.claim();
    fail_worker(pod.id, "worker_crashed", {{"summary", "death number " + std::to_string(death)}});
  }
  const auto last = worker("00000003");
  EXPECT_EQ(last.fail(last.claim(), "ValueError: no frames").at("status"), "Failed");
  for (const auto* evidence : {"ValueError: no frames", "death number 1", "death number 2"})
    EXPECT_NE(message(id).find(evidence), std::string::npos) << message(id);
}

TEST_F(Poison, ALateResultOfATaskThatWasFreedIsRefusedQueuedOrTakenAgain) {
  const auto id = add_task();
  const auto first = worker("00000001");
  const auto held = first.claim();
  fail_worker(first.id, "heartbeat_lost");
  EXPECT_FALSE(first.complete(held, {{"by", "first"}}).at("accepted")) << "it waits for another worker";
  EXPECT_EQ(task(id).at("status"), "Queued");
  const auto second = worker("00000002");
  const auto again = second.claim();
  EXPECT_FALSE(first.complete(held, {{"by", "first"}}).at("accepted"));
  EXPECT_FALSE(first.fail(held, "late").at("accepted"));
  EXPECT_TRUE(second.complete(again, {{"by", "second"}}).at("accepted"));
  EXPECT_FALSE(first.complete(held, {{"by", "first"}}).at("accepted"));
  EXPECT_EQ(task(id).at("result_data"), (Json{{"by", "second"}}));
  EXPECT_EQ(task(id).at("attempts"), 1);
}

TEST_F(Poison, AResultThatRacesWithTheMarkOfFailureIsAcceptedOrItsTaskRequeuedAndNeverBoth) {
  int accepted = 0, requeued = 0;
  for (int round = 0; round < 20; ++round) {
    const auto pod = worker("000001" + std::to_string(10 + round));
    const auto id = add_task();
    const auto held = pod.claim();
    ASSERT_EQ(held.at("id"), id);
    const Json result =
        pod.with({{"task_id_param", id}, {"attempt_param", 1}, {"result_param", {{"r", round}}}});
    const Json failure{{"worker_id_param", pod.id},
                       {"owner_param", "test"},
                       {"epoch_param", epoch},
                       {"failure_param", {{"cause", "heartbeat_lost"}, {"task_max_attempts", 3}}}};
    std::vector<std::pair<std::string, Json>> calls{{"gpuwarden_complete_task", result},
                                                    {"gpuwarden_fail_worker", failure}};
    if (round % 2 == 0) std::swap(calls[0], calls[1]);
    const auto answers = project().parallel(calls, Key::secret);
    for (const auto& answer : answers) ASSERT_EQ(answer.status, 200) << answer.text;
    const auto& completed = answers[round % 2 == 0 ? 1 : 0].body;
    const auto& freed = answers[round % 2 == 0 ? 0 : 1].body;
    ASSERT_TRUE(freed.at("done")) << freed;
    const bool was_accepted = completed.at("accepted").get<bool>();
    const bool was_requeued = freed.at("requeued") == Json::array({id});
    EXPECT_NE(was_accepted, was_requeued) << completed << freed;
    EXPECT_EQ(task(id).at("status"), was_accepted ? "Complete" : "Queued");
    EXPECT_EQ(task(id).at("attempts"), was_accepted ? 0 : 1);
    (was_accepted ? accepted : requeued) += 1;
    project().exec("delete from public.tasks");
  }
  EXPECT_EQ(accepted + requeued, 20);
}

TEST_F(Poison, RescueNeverTakesATaskThatAnotherWorkerHasClaimedMeanwhile) {
  const auto id = add_task();
  const auto first = worker("00000001");
  first.claim();
  const auto moved = [&](const std::string& worker, int attempts) {
    return project()
        .rows("select public.gpuwarden_release_task('" + id + "', '" + worker + "', " +
              std::to_string(attempts) + ", 3, 'x') as status")
        .at(0)
        .at("status");
  };
  EXPECT_TRUE(moved("somebody else", 0).is_null());
  EXPECT_TRUE(moved(first.id, 1).is_null()) << "another attempt";
  EXPECT_EQ(task(id).at("status"), "In Progress");
  EXPECT_EQ(task(id).at("attempts"), 0);
  EXPECT_EQ(moved(first.id, 0), "Queued");
  EXPECT_TRUE(moved(first.id, 0).is_null()) << "done once";
}

}  // namespace
}  // namespace gpuwarden::test
