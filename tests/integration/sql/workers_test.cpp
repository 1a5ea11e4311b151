// Rows of workers: registration, compare-and-swap, heartbeats, failures, leadership.
#include "integration/sql/sql_world.hpp"

namespace gpuwarden::test {
namespace {

class Workers : public SqlTest {
 protected:
  Json register_as(const std::string& id, const std::string& owner, long at_epoch) {
    return project().ask("gpuwarden_register_worker", {{"worker_id_param", id},
                                                       {"owner_param", owner},
                                                       {"epoch_param", at_epoch},
                                                       {"details_param", {{"gpu", "g"}}}});
  }
  Json shared(const std::string& id) {
    return project().rows("select * from public.workers where id = '" + id + "'").at(0);
  }
};

TEST_F(Workers, RegistrationCommitsTheIntentOnceInBothTables) {
  EXPECT_TRUE(register_as("gpu-test-1", "test", epoch).at("done"));
  EXPECT_TRUE(register_as("gpu-test-1", "test", epoch).at("done")) << "a repeat is no error";
  EXPECT_EQ(project().rows("select 1 from public.gpuwarden_workers").size(), 1U);
  EXPECT_EQ(shared("gpu-test-1").at("status"), "spawning");
  EXPECT_EQ(shared("gpu-test-1").at("instance_type"), "g");
  EXPECT_EQ(shared("gpu-test-1").at("metadata").at("orchestrator"), "gpuwarden");
  EXPECT_EQ(shared("gpu-test-1").at("metadata").at("owner"), "test");
  EXPECT_FALSE(shared("gpu-test-1").at("created_at").is_null());
  const auto seen = live("gpu-test-1");
  EXPECT_EQ(seen.at("phase"), "intent");
  EXPECT_TRUE(seen.at("heartbeat_age_s").is_null());
  EXPECT_TRUE(seen.at("pod_id").is_null());
}

TEST_F(Workers, AnIdOfSomebodyElseIsRefused) {
  project().exec("insert into public.workers (id, instance_type, status) values ('taken', 'x', 'active')");
  EXPECT_EQ(register_as("taken", "test", epoch).at("reason"), "worker_exists");
  EXPECT_EQ(shared("taken").at("status"), "active");
  EXPECT_EQ(project().rows("select 1 from public.gpuwarden_workers").size(), 0U);
}

TEST_F(Workers, EveryWriteOfTheDaemonIsFencedByItsEpoch) {
  const auto pod = worker("aaaaaaaa");
  const long old = epoch;
  project().exec("update public.gpuwarden_leaders set expires_at = now() - interval '1 second'");
  const auto successor = project().snapshot("test", "another");
  ASSERT_EQ(successor.at("leader").at("epoch"), old + 1);
  const Json fence{{"owner_param", "test"}, {"epoch_param", old}};
  const auto with = [&](Json more) {
    more.update(fence);
    return more;
  };
  const std::vector<std::pair<std::string, Json>> writes{
      {"gpuwarden_register_worker", with({{"worker_id_param", "new"}, {"details_param", Json::object()}})},
      {"gpuwarden_update_worker", with({{"worker_id_param", pod.id},
                                        {"expected_param", {"active"}},
                                        {"change_param", {{"status", "terminating"}}}})},
      {"gpuwarden_fail_worker",
       with({{"worker_id_param", pod.id}, {"failure_param", {{"cause", "gpu_error"}}}})},
      {"gpuwarden_add_evidence",
       with({{"worker_id_param", pod.id}, {"failure_param", {{"cause", "gpu_error"}}}})},
      {"gpuwarden_rescue_tasks", with({{"options_param", Json::object()}})},
      {"gpuwarden_save_state", with({{"key_param", "breaker"}, {"value_param", {{"state", "open"}}}})}};
  for (const auto& [function, arguments] : writes) {
    const auto answer = project().ask(function, arguments);
    EXPECT_FALSE(answer.at("done")) << function;
    EXPECT_EQ(answer.at("reason"), "not_leader") << function;
  }
  EXPECT_FALSE(project().ask("gpuwarden_resign", with({{"holder_param", "daemon"}})).at("done"));
  EXPECT_EQ(shared(pod.id).at("status"), "active");
  EXPECT_EQ(project().rows("select 1 from public.gpuwarden_failures").size(), 0U);
  EXPECT_EQ(project().rows("select 1 from public.gpuwarden_state where key = 'breaker'").size(), 0U);
}

TEST_F(Workers, Case17OfTwoDaemonsOneLeads) {
  std::vector<std::pair<std::string, Json>> asks;
  project().exec("truncate public.gpuwarden_leaders");
  for (int i = 0; i < 12; ++i)
    asks.emplace_back("gpuwarden_snapshot", Json{{"owner_param", "test"},
                                                 {"holder_param", "daemon-" + std::to_string(i)},
                                                 {"lease_sec_param", 30}});
  int leading = 0;
  for (const auto& answer : project().parallel(asks, Key::secret)) {
    ASSERT_EQ(answer.status, 200) << answer.text;
    leading += answer.body.at("leader").at("leading").get<bool>() ? 1 : 0;
    EXPECT_EQ(answer.body.at("leader").at("epoch"), 1);
  }
  EXPECT_EQ(leading, 1);
}

TEST_F(Workers, LeadershipIsRenewedByItsHolderTakenAfterItsEndAndGivenUp) {
  EXPECT_TRUE(project().snapshot().at("leader").at("leading"));
  EXPECT_EQ(project().snapshot().at("leader").at("epoch"), epoch) << "renewing keeps the epoch";
  const auto other = project().snapshot("test", "other");
  EXPECT_FALSE(other.at("leader").at("leading"));
  EXPECT_EQ(other.at("leader").at("holder"), "daemon");
  EXPECT_TRUE(other.at("writable"));
  EXPECT_TRUE(project()
                  .ask("gpuwarden_resign",
                       {{"owner_param", "test"}, {"epoch_param", epoch}, {"holder_param", "daemon"}})
                  .at("done"));
  const auto successor = project().snapshot("test", "other");
  EXPECT_TRUE(successor.at("leader").at("leading"));
  EXPECT_EQ(successor.at("leader").at("epoch"), epoch + 1);
  EXPECT_TRUE(project().snapshot("elsewhere", "daemon").at("leader").at("leading"))
      << "owners do not touch each other";
}

TEST_F(Workers, LookingTakesNoLeadership) {
  for (const auto& holder : {Json(nullptr), Json("")}) {
    const auto seen = project().ask("gpuwarden_snapshot", {{"owner_param", "nobody"},
                                                           {"holder_param", holder},
                                                           {"lease_sec_param", 30},
                                                           {"options_param", Json::object()}});
    EXPECT_FALSE(seen.at("leader").at("leading"));
    EXPECT_EQ(seen.at("leader").at("epoch"), 0);
  }
  EXPECT_EQ(project().rows("select 1 from public.gpuwarden_leaders where owner = 'nobody'").size(), 0U);
}

TEST_F(Workers, AChangeIsMadeOnlyFromAnExpectedStatus) {
  const auto pod = worker("aaaaaaaa", "spawning");
  const auto lost = update(pod.id, {"active"}, {{"status", "terminating"}});
  EXPECT_FALSE(lost.at("done"));
  EXPECT_EQ(lost.at("status"), "spawning");
  EXPECT_EQ(lost.at("phase"), "starting");
  EXPECT_FALSE(update(pod.id, Json::array(), {{"status", "active"}}).at("done"));
  EXPECT_FALSE(update(pod.id, nullptr, {{"status", "active"}}).at("done"));
  EXPECT_TRUE(
      update(pod.id, {"active", "spawning"}, {{"status", "active"}, {"phase", "idle"}, {"success", true}})
          .at("done"));
  EXPECT_EQ(update("gpu-unknown", {"active"}, {{"status", "active"}}).at("reason"), "unknown_worker");
  EXPECT_EQ(shared(pod.id).at("status"), "active");
  EXPECT_TRUE(live(pod.id).at("proven"));
}

TEST_F(Workers, OfParallelChangesOneWins) {
  const auto pod = worker("aaaaaaaa", "spawning");
  const Json change{{"worker_id_param", pod.id},
                    {"owner_param", "test"},
                    {"epoch_param", epoch},
                    {"expected_param", {"spawning"}},
                    {"change_param", {{"status", "active"}}}};
  int won = 0;
  for (const auto& answer : project().parallel({16, {"gpuwarden_update_worker", change}}, Key::secret)) {
    ASSERT_EQ(answer.status, 200) << answer.text;
    won += answer.body.at("done").get<bool>() ? 1 : 0;
  }
  EXPECT_EQ(won, 1);
}

TEST_F(Workers, Case15MetadataIsMergedAndNobodysFieldsAreLost) {
  const auto pod = worker("aaaaaaaa");
  project().exec(
      "update public.workers set metadata = metadata || '{\"vram_timestamp\": 5, \"theirs\": {\"a\": 1}}' "
      "where id = '" +
      pod.id + "'");
  ASSERT_TRUE(update(pod.id, {"active"}, {{"phase", "busy"}, {"metadata", {{"ours", 1}}}}).at("done"));
  const auto metadata = shared(pod.id).at("metadata");
  EXPECT_EQ(metadata.at("theirs"), (Json{{"a", 1}}));
  EXPECT_EQ(metadata.at("vram_timestamp"), 5);
  EXPECT_EQ(metadata.at("ours"), 1);
  EXPECT_EQ(metadata.at("phase"), "busy");
  EXPECT_EQ(metadata.at("runpod_id"), "pod-aaaaaaaa");
  std::vector<std::pair<std::string, Json>> merges;
  for (int i = 0; i < 20; ++i)
    merges.emplace_back("gpuwarden_update_worker",
                        Json{{"worker_id_param", pod.id},
                             {"owner_param", "test"},
                             {"epoch_param", epoch},
                             {"expected_param", {"active"}},
                             {"change_param", {{"metadata", {{"key" + std::to_string(i), i}}}}}});
  for (const auto& answer : project().parallel(merges, Key::secret))
    EXPECT_EQ(answer.status, 200) << answer.text;
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(shared(pod.id).at("metadata").value("key" + std::to_string(i), -1), i);
}

TEST_F(Workers, Case06OnlyLiveRowsAreReadHoweverManyThereEverWere) {
  const auto pod = worker("aaaaaaaa");
  project().exec(
      "insert into public.workers (id, instance_type, status) select 'old-' || n, 'g', 'terminated' from "
      "generate_series(1, 3000) n; "
      "insert into public.gpuwarden_workers (worker_id, owner, epoch, status, ended_at) select 'old-' || n, "
      "'test', 1, 'terminated', now() - interval '2 days' "
      "from generate_series(1, 3000) n");
  const auto snapshot = project().snapshot();
  ASSERT_EQ(snapshot.at("workers").size(), 1U);
  EXPECT_EQ(snapshot.at("workers").at(0).at("id"), pod.id);
  EXPECT_EQ(snapshot.at("tombstones").size(), 0U);
}

TEST_F(Workers, Case06MoreLiveRowsThanTheRowCapAreAllRead) {
  project().exec(
      "insert into public.workers (id, instance_type, status) select 'w' || n, 'g', 'active' from "
      "generate_series(1, 1500) n; "
      "insert into public.gpuwarden_workers (worker_id, owner, epoch, status, phase) select 'w' || n, "
      "'test', 1, 'active', 'idle' from generate_series(1, 1500) n");
  EXPECT_EQ(project().snapshot().at("workers").size(), 1500U);
  EXPECT_EQ(project()
                .ask("gpuwarden_list_workers",
                     {{"owner_param", "test"}, {"ended_param", true}, {"limit_param", 1200}})
                .size(),
            1200U);
}

TEST_F(Workers, AHeartbeatIsOneThatChangedAfterRegistration) {
  const auto pod = worker("aaaaaaaa", "spawning");
  EXPECT_TRUE(live(pod.id).at("heartbeat_age_s").is_null());
  const auto answer = pod.report({{"kind", "heartbeat"},
                                  {"vram_total_mb", 24564},
                                  {"vram_used_mb", 100},
                                  {"gpu_util", 3},
                                  {"disk_free_mb", 5000},
                                  {"uptime_s", 12.5}});
  EXPECT_EQ(answer.body.at("directive"), "continue");
  EXPECT_EQ(answer.body.at("lease_sec"), 3600);
  const auto seen = live(pod.id);
  EXPECT_LT(seen.at("heartbeat_age_s"), 5.0);
  EXPECT_EQ(seen.at("vram_total_mb"), 24564);
  EXPECT_EQ(seen.at("agent_uptime_s"), 12.5);
  EXPECT_EQ(seen.at("status"), "spawning") << "only the daemon activates";
}

TEST_F(Workers, AReportOfNonsenseFailsNothing) {
  const auto pod = worker("aaaaaaaa");
  for (const auto& report :
       {Json{
            {"kind", "heartbeat"}, {"vram_total_mb", "lots"}, {"disk_free_mb", 1e300}, {"uptime_s", nullptr}},
        Json{{"kind", "step"}, {"step", "dance"}, {"event", "begin"}}, Json{{"kind", "unheard of"}},
        Json::object(), Json::array(), Json(nullptr),
        Json{{"kind", "crash"}, {"tail", "no list"}, {"exit_code", "one"}}})
    EXPECT_EQ(pod.report(report).status, 200) << report;
  EXPECT_EQ(live(pod.id).at("status"), "active");
  EXPECT_EQ(pod.report({{"kind", "crash"}, {"tail", {std::string(70000, 'x')}}}).status, 413);
}

TEST_F(Workers, StepsMoveThePhaseForwardOnly) {
  const auto pod = worker("aaaaaaaa", "spawning");
  pod.report({{"kind", "step"}, {"step", "fetch"}, {"event", "begin"}});
  EXPECT_EQ(live(pod.id).at("phase"), "bootstrapping");
  EXPECT_EQ(live(pod.id).at("step"), "fetch");
  pod.report({{"kind", "step"}, {"step", "fetch"}, {"event", "end"}, {"commit", "abc123"}});
  EXPECT_EQ(live(pod.id).at("git_commit"), "abc123");
  ASSERT_TRUE(update(pod.id, {"spawning"}, {{"phase", "awaiting_heartbeat"}}).at("done"));
  pod.report({{"kind", "step"}, {"step", "start"}, {"event", "begin"}});
  EXPECT_EQ(live(pod.id).at("phase"), "awaiting_heartbeat");
  EXPECT_TRUE(live(pod.id).at("step").is_null());
}

TEST_F(Workers, Case13ACrashIsKeptWithExitCodeAndLastLines) {
  const auto pod = worker("aaaaaaaa", "spawning");
  pod.report({{"kind", "step"},
              {"step", "start"},
              {"event", "fail"},
              {"exit", 2},
              {"signal", nullptr},
              {"tail", {"error: unrecognized arguments"}}});
  const auto crash = live(pod.id).at("crash");
  EXPECT_EQ(crash.at("step"), "start");
  EXPECT_EQ(crash.at("exit_code"), 2);
  EXPECT_EQ(crash.at("tail"), Json::array({"error: unrecognized arguments"}));
  pod.report({{"kind", "crash"}, {"exit_code", 9}, {"tail", {"a consequence"}}, {"ran_s", 3}});
  EXPECT_EQ(live(pod.id).at("crash").at("exit_code"), 2) << "the first word counts";
}

TEST_F(Workers, APodIsToldToDrainAndToStop) {
  const auto pod = worker("aaaaaaaa");
  const auto directive = [&] { return pod.report({{"kind", "ping"}}).body.at("directive"); };
  EXPECT_EQ(directive(), "continue");
  update(pod.id, {"active"}, {{"drain_reason", "surplus"}});
  EXPECT_EQ(directive(), "drain");
  update(pod.id, {"active"}, {{"status", "terminating"}});
  EXPECT_EQ(directive(), "drain");
  update(pod.id, {"terminating"}, {{"status", "terminated"}, {"end_reason", "gone"}});
  EXPECT_EQ(directive(), "stop");
  const auto before = shared(pod.id);
  pod.report({{"kind", "heartbeat"}});
  EXPECT_EQ(shared(pod.id), before) << "a terminated worker's heartbeat changes nothing";
  const auto failed = worker("bbbbbbbb");
  fail_worker(failed.id, "gpu_error");
  EXPECT_EQ(failed.report({{"kind", "ping"}}).body.at("directive"), "stop");
}

TEST_F(Workers, TheEndIsTheEnd) {
  const auto pod = worker("aaaaaaaa");
  ASSERT_TRUE(update(pod.id, {"active"}, {{"status", "terminated"}, {"end_reason", "gone"}}).at("done"));
  project().exec("update public.workers set status = 'active' where id = '" + pod.id + "'");
  EXPECT_FALSE(update(pod.id, {"active"}, {{"status", "active"}}).at("done"));
  EXPECT_TRUE(live(pod.id).is_null());
  const auto stones = project().snapshot().at("tombstones");
  ASSERT_EQ(stones.size(), 1U);
  EXPECT_EQ(stones.at(0).at("worker_id"), pod.id);
  EXPECT_EQ(stones.at(0).at("pod_id"), "pod-aaaaaaaa");
  EXPECT_EQ(fail_worker(pod.id, "gpu_error").at("done"), false);
}

TEST_F(Workers, Case11AFailureIsRecordedOnceWithCauseAndEvidence) {
  const auto pod = worker("aaaaaaaa");
  const auto first = fail_worker(pod.id, "worker_crashed");
  EXPECT_TRUE(first.at("done"));
  EXPECT_FALSE(fail_worker(pod.id, "gpu_error").at("done"));
  const auto failures = project().ask(
      "gpuwarden_list_failures", {{"owner_param", "test"}, {"since_sec_param", 60}, {"limit_param", 10}});
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_EQ(failures.at(0).at("id"), first.at("failure_id"));
  EXPECT_EQ(failures.at(0).at("cause"), "worker_crashed");
  EXPECT_EQ(failures.at(0).at("evidence"), (Json{{"exit_code", 1}}));
  EXPECT_EQ(live(pod.id).at("phase"), "collecting");
  EXPECT_EQ(shared(pod.id).at("status"), "error");
  const auto outcomes = project().snapshot().at("outcomes");
  ASSERT_EQ(outcomes.size(), 1U);
  EXPECT_FALSE(outcomes.at(0).at("success"));
  EXPECT_EQ(outcomes.at(0).at("cause"), "worker_crashed");
  EXPECT_TRUE(outcomes.at(0).at("took_s").is_null());
  EXPECT_NE(project()
                .rpc("gpuwarden_fail_worker", {{"worker_id_param", worker("bbbbbbbb").id},
                                               {"owner_param", "test"},
                                               {"epoch_param", epoch},
                                               {"failure_param", Json::object()}})
                .status,
            200)
      << "no failure without a cause";
}

TEST_F(Workers, LaterEvidenceIsMergedAndSharpensTheCause) {
  const auto pod = worker("aaaaaaaa");
  fail_worker(pod.id, "worker_crashed");
  const auto added =
      project().ask("gpuwarden_add_evidence", {{"worker_id_param", pod.id},
                                               {"owner_param", "test"},
                                               {"epoch_param", epoch},
                                               {"failure_param",
                                                {{"cause", "out_of_memory"},
                                                 {"summary", "CUDA out of memory"},
                                                 {"evidence", {{"tails", {{"worker", {"x"}}}}}}}}});
  EXPECT_TRUE(added.at("done"));
  const auto failure = project()
                           .ask("gpuwarden_list_failures",
                                {{"owner_param", "test"}, {"since_sec_param", 60}, {"limit_param", 10}})
                           .at(0);
  EXPECT_EQ(failure.at("cause"), "out_of_memory");
  EXPECT_EQ(failure.at("summary"), "CUDA out of memory");
  EXPECT_EQ(failure.at("evidence_line"), "the line");
  EXPECT_EQ(failure.at("evidence").at("exit_code"), 1);
  EXPECT_EQ(failure.at("evidence").at("tails").at("worker").at(0), "x");
}

TEST_F(Workers, Case07AnOrderlyEndIsNoFailureAndASuccessCountsOnce) {
  const auto pod = worker("aaaaaaaa", "spawning");
  update(pod.id, {"spawning"}, {{"status", "active"}, {"success", true}});
  const auto first = row(pod.id).at("outcome_at");
  project().exec("update public.gpuwarden_workers set registered_at = outcome_at - interval '90 seconds'");
  update(pod.id, {"active"}, {{"phase", "busy"}, {"success", true}});
  EXPECT_EQ(row(pod.id).at("outcome_at"), first);
  update(pod.id, {"active"}, {{"status", "terminated"}, {"end_reason", "idle"}});
  const auto outcomes = project().snapshot().at("outcomes");
  ASSERT_EQ(outcomes.size(), 1U);
  EXPECT_TRUE(outcomes.at(0).at("success"));
  EXPECT_NEAR(outcomes.at(0).at("took_s").get<double>(), 90, 0.001);
}

TEST_F(Workers, IdleTimeCountsFromTheLastTask) {
  const auto pod = worker("aaaaaaaa");
  add_task();
  const auto claimed = pod.claim();
  EXPECT_TRUE(live(pod.id).at("idle_s").is_null());
  EXPECT_EQ(live(pod.id).at("phase"), "busy");
  EXPECT_EQ(live(pod.id).at("tasks"), Json::array({claimed.at("id")}));
  pod.complete(claimed);
  project().exec(
      "update public.gpuwarden_workers set registered_at = now() - interval '1 hour', activated_at = now() - "
      "interval '1 hour', last_task_at = now() - interval '100 seconds'; "
      "update public.tasks set updated_at = now() - interval '200 seconds'");
  EXPECT_NEAR(live(pod.id).at("idle_s").get<double>(), 100, 5);
  pod.report({{"kind", "heartbeat"}});
  EXPECT_NEAR(live(pod.id).at("idle_s").get<double>(), 100, 5) << "a heartbeat is no work";
}

TEST_F(Workers, TheBreakersAgeSurvivesWritesThatKeepItsState) {
  const auto save = [&](const char* state, int generation, int successes) {
    return project()
        .ask("gpuwarden_save_state", {{"owner_param", "test"},
                                      {"epoch_param", epoch},
                                      {"key_param", "breaker"},
                                      {"value_param",
                                       {{"state", state},
                                        {"generation", generation},
                                        {"canary_successes", successes},
                                        {"pause_s", 120}}}})
        .at("done");
  };
  EXPECT_TRUE(project().snapshot().at("breaker").is_null());
  EXPECT_TRUE(save("open", 2, 0));
  project().exec(
      "update public.gpuwarden_state set changed_at = now() - interval '50 seconds' where key = 'breaker'");
  EXPECT_TRUE(save("open", 2, 1));
  EXPECT_NEAR(project().snapshot().at("breaker").at("state_age_s").get<double>(), 50, 5);
  EXPECT_EQ(project().snapshot().at("breaker").at("canary_successes"), 1);
  EXPECT_TRUE(save("half_open", 2, 1));
  EXPECT_LT(project().snapshot().at("breaker").at("state_age_s").get<double>(), 5);
}

TEST_F(Workers, MoneyIsCountedForPodsOfTheLastDay) {
  worker("aaaaaaaa");
  project().exec(
      "update public.gpuwarden_workers set registered_at = now() - interval '2 hours'; insert into "
      "public.gpuwarden_workers (worker_id, owner, epoch, status, cost_per_hr, pod_id, registered_at, "
      "ended_at) "
      "values ('old', 'test', 1, 'terminated', 1, 'p', now() - interval '30 hours', now() - interval '23 "
      "hours'), ('never', 'test', 1, 'terminated', 9, null, now(), now())");
  EXPECT_NEAR(project().snapshot().at("spent_last_day_usd").get<double>(), 2.0, 0.05);
}

TEST_F(Workers, WorkersAreShownByListAndById) {
  const auto pod = worker("aaaaaaaa");
  const auto gone = worker("bbbbbbbb");
  update(gone.id, {"active"}, {{"status", "terminated"}, {"end_reason", "idle"}});
  const auto list = [&](bool ended) {
    return project().ask("gpuwarden_list_workers",
                         {{"owner_param", "test"}, {"ended_param", ended}, {"limit_param", 10}});
  };
  EXPECT_EQ(list(false).size(), 1U);
  EXPECT_EQ(list(true).size(), 2U);
  EXPECT_EQ(project().ask("gpuwarden_get_worker", {{"worker_id_param", pod.id}}).at("id"), pod.id);
  EXPECT_EQ(project().ask("gpuwarden_get_worker", {{"worker_id_param", gone.id}}).at("status"), "terminated");
  EXPECT_TRUE(project().ask("gpuwarden_get_worker", {{"worker_id_param", "gpu-nobody"}}).is_null());
}

TEST_F(Workers, DaemonPodsAndExistingWorkersTogetherNeverDeadlock) {
  std::vector<Pod> pods;
  for (int i = 0; i < 4; ++i) pods.push_back(worker("0000000" + std::to_string(i)));
  for (int i = 0; i < 20; ++i) add_task();
  std::vector<std::pair<std::string, Json>> calls;
  for (int round = 0; round < 6; ++round) {
    for (const auto& pod : pods) {
      calls.emplace_back("gpuwarden_worker_report", pod.with({{"report_param", {{"kind", "heartbeat"}}}}));
      calls.emplace_back("gpuwarden_claim_task", pod.with());
      calls.emplace_back("func_worker_heartbeat_with_logs", Json{{"worker_id_param", pod.id},
                                                                 {"status_param", "crashed"},
                                                                 {"logs_param", {{{"message", "m"}}}}});
      calls.emplace_back("func_claim_available_task", Json{{"worker_id_param", pod.id}});
      calls.emplace_back("gpuwarden_update_worker", Json{{"worker_id_param", pod.id},
                                                         {"owner_param", "test"},
                                                         {"epoch_param", epoch},
                                                         {"expected_param", {"active"}},
                                                         {"change_param", {{"phase", "busy"}}}});
    }
    calls.emplace_back("gpuwarden_fail_worker",
                       Json{{"worker_id_param", pods.at(static_cast<std::size_t>(round % 4)).id},
                            {"owner_param", "test"},
                            {"epoch_param", epoch},
                            {"failure_param", {{"cause", "gpu_error"}}}});
    calls.emplace_back("gpuwarden_snapshot", Json{{"owner_param", "test"}, {"holder_param", "daemon"}});
    calls.emplace_back(
        "gpuwarden_rescue_tasks",
        Json{{"owner_param", "test"}, {"epoch_param", epoch}, {"options_param", Json::object()}});
  }
  for (const auto& answer : project().parallel(calls, Key::secret))
    EXPECT_EQ(answer.status, 200) << answer.text;
}

}  // namespace
}  // namespace gpuwarden::test
