// Functions that workers in the field call, where our migrations had to make them.
#include "integration/sql/sql_world.hpp"

namespace gpuwarden::test {
namespace {

class ExistingFunctions : public SqlTest {};

TEST_F(ExistingFunctions, AnExistingWorkerClaimsAndCompletes) {
  project().exec(
      "insert into public.workers (id, instance_type, status) values ('old-1', 'external', 'active')");
  const auto id = add_task("task_type, params", "'t2v', '{\"prompt\": \"cat\"}'");
  const auto claimed = project().ask("func_claim_available_task", {{"worker_id_param", "old-1"}});
  ASSERT_EQ(claimed.size(), 1U);
  EXPECT_EQ(claimed.at(0).at("id"), id);
  EXPECT_EQ(claimed.at(0).at("status"), "In Progress");
  EXPECT_EQ(claimed.at(0).at("worker_id"), "old-1");
  EXPECT_EQ(claimed.at(0).at("task_type"), "t2v");
  EXPECT_EQ(claimed.at(0).at("task_data"), (Json{{"prompt", "cat"}}));
  EXPECT_EQ(project().ask("func_claim_available_task", {{"worker_id_param", "old-1"}}), Json::array());
  EXPECT_EQ(project().ask("func_mark_task_complete",
                          {{"task_id_param", id}, {"result_data_param", {{"url", "x"}}}}),
            true);
  EXPECT_EQ(project().ask("func_mark_task_complete",
                          {{"task_id_param", id}, {"result_data_param", {{"url", "y"}}}}),
            false);
  EXPECT_EQ(task(id).at("result_data"), (Json{{"url", "x"}}));
}

TEST_F(ExistingFunctions, AFailedTaskSaysWhy) {
  const auto id = add_task();
  project().ask("func_claim_available_task", {{"worker_id_param", "old-1"}});
  EXPECT_EQ(project().ask("func_mark_task_failed",
                          {{"task_id_param", id}, {"error_message_param", "no such model"}}),
            true);
  EXPECT_EQ(task(id).at("status"), "Failed");
  EXPECT_EQ(task(id).at("error_message"), "no such model");
}

TEST_F(ExistingFunctions, AWorkerThatEndsClaimsNothing) {
  const auto pod = worker("aaaaaaaa");
  add_task();
  update(pod.id, {"active"}, {{"drain_reason", "surplus"}});
  EXPECT_EQ(project().ask("func_claim_available_task", {{"worker_id_param", pod.id}}), Json::array());
  project().exec(
      "insert into public.workers (id, instance_type, status) values ('old-1', 'external', 'terminating')");
  EXPECT_EQ(project().ask("func_claim_available_task", {{"worker_id_param", "old-1"}}), Json::array());
}

TEST_F(ExistingFunctions, TheirHeartbeatIsOneForUsAndMergesMetadata) {
  const auto pod = worker("aaaaaaaa", "spawning");
  EXPECT_EQ(
      project().ask("func_update_worker_heartbeat",
                    {{"worker_id_param", pod.id}, {"vram_total_mb_param", 24564}, {"vram_used_mb_param", 5}}),
      true);
  EXPECT_LT(live(pod.id).at("heartbeat_age_s"), 5.0);
  EXPECT_EQ(live(pod.id).at("vram_total_mb"), 24564);
  const auto metadata = project().rows("select metadata from public.workers").at(0).at("metadata");
  EXPECT_EQ(metadata.at("vram_used_mb"), 5);
  EXPECT_EQ(metadata.at("orchestrator"), "gpuwarden");
  EXPECT_EQ(project().ask("func_update_worker_heartbeat", {{"worker_id_param", "nobody"}}), false);
}

TEST_F(ExistingFunctions, AHeartbeatWithLogsStoresThemAndKeepsTheLastWordsOfACrash) {
  const auto pod = worker("aaaaaaaa");
  const auto answer =
      project().ask("func_worker_heartbeat_with_logs",
                    {{"worker_id_param", pod.id},
                     {"vram_total_mb_param", 1},
                     {"vram_used_mb_param", 2},
                     {"current_task_id_param", nullptr},
                     {"status_param", "crashed"},
                     {"logs_param",
                      {{{"timestamp", "2026-11-24T00:00:00Z"},
                        {"level", "ERROR"},
                        {"message", "one"},
                        {"metadata", {{"k", 1}}}},
                       {{"timestamp", "yesterday, I think"}, {"level", "ERROR"}, {"message", "two"}}}}});
  EXPECT_EQ(answer.at("success"), true);
  EXPECT_EQ(answer.at("inserted"), 1);
  EXPECT_EQ(answer.at("errors"), 1) << "one bad line costs neither the heartbeat nor the others";
  EXPECT_EQ(live(pod.id).at("crash").at("tail"), Json::array({"one", "two"}));
  const auto logs = project().rows("select * from public.system_logs");
  ASSERT_EQ(logs.size(), 1U);
  EXPECT_EQ(logs.at(0).at("worker_id"), pod.id);
  EXPECT_EQ(logs.at(0).at("log_level"), "ERROR");
  EXPECT_EQ(project().ask("func_worker_heartbeat_with_logs", {{"worker_id_param", pod.id}}).at("success"),
            true);
}

TEST_F(ExistingFunctions, AHeartbeatCountsWhereTheSharedRowHasNoStatusOrIsGone) {
  const auto pod = worker("aaaaaaaa");
  const auto beat = [&] {
    return project().ask("func_update_worker_heartbeat", {{"worker_id_param", pod.id}});
  };
  project().exec(
      "alter table public.workers alter column status drop not null; update public.workers set status = "
      "null");
  EXPECT_EQ(beat(), true);
  EXPECT_FALSE(
      project().rows("select last_heartbeat from public.workers").at(0).at("last_heartbeat").is_null());
  project().exec("delete from public.workers");
  project().exec("update public.gpuwarden_workers set heartbeat_at = null");
  EXPECT_TRUE(live(pod.id).at("heartbeat_age_s").is_null());
  EXPECT_EQ(beat(), false);
  EXPECT_LT(live(pod.id).at("heartbeat_age_s"), 5.0) << "our own row remembers it too";
}

TEST_F(ExistingFunctions, AWorkerThatTheirOwnFunctionCallsCrashedHasCrashed) {
  const auto pod = worker("aaaaaaaa");
  project().exec("update public.workers set status = 'crashed'");
  EXPECT_EQ(live(pod.id).at("crash"), (Json{{"tail", Json::array()}}));
  EXPECT_EQ(live(pod.id).at("status"), "active");
  pod.report({{"kind", "crash"}, {"exit_code", 3}, {"tail", {"why"}}});
  EXPECT_EQ(live(pod.id).at("crash").at("exit_code"), 3) << "what we know ourselves says more";
}

TEST_F(ExistingFunctions, LogsComeInBatches) {
  const auto answer = project().ask("func_insert_logs_batch", {{"logs",
                                                                {{{"source_type", "orchestrator"},
                                                                  {"source_id", "d"},
                                                                  {"log_level", "info"},
                                                                  {"message", "m"},
                                                                  {"cycle_number", 3}},
                                                                 {{"message", "bare"}}}}});
  EXPECT_EQ(answer.at("inserted"), 2);
  EXPECT_EQ(
      project().rows("select 1 from public.system_logs where cycle_number = 3 and log_level = 'INFO'").size(),
      1U);
}

}  // namespace
}  // namespace gpuwarden::test
