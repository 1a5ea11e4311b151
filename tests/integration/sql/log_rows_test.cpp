// Log lines of the daemon, from its adapter through PostgREST into system_logs.
#include "gpuwarden/supabase/store.hpp"

#include "integration/sql/sql_world.hpp"

namespace gpuwarden::test {
namespace {

using LogRows = SqlTest;

TEST_F(LogRows, ArriveInSystemLogsWithEveryColumn) {
  supabase::Settings settings;
  settings.url = project().gateway->url();
  settings.key = Secret(project().keys.secret);
  supabase::SupabaseStore store(project().client, settings);
  supabase::LogRow row;
  row.at = WallTime{std::chrono::sys_days{std::chrono::year{2026} / 11 / 24}};
  row.source = "team-a";
  row.level = "WARNING";
  row.message = "draining";
  row.worker = "gpu-1";
  row.task = "0b6f8a52-3f1e-4a53-9c39-0d6f3c9b7a11";
  row.cycle = 12;
  row.fields = {{"event", "drain"}, {"reason", "idle"}};
  const auto stored = Server::get().run(store.insert_logs({row, row}));
  ASSERT_TRUE(stored) << stored.error().message;
  EXPECT_EQ(stored->stored, 2);
  EXPECT_EQ(stored->refused, 0);
  const Json rows = project().rows(
      "select source_type, source_id, log_level, message, worker_id, task_id, cycle_number, metadata, "
      "to_char(\"timestamp\" at time zone 'UTC', 'YYYY-MM-DD') as day from public.system_logs where "
      "source_id = "
      "'team-a'");
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0],
            Json::parse(R"({"source_type":"orchestrator_gpu","source_id":"team-a","log_level":"WARNING",
    "message":"draining","worker_id":"gpu-1","task_id":"0b6f8a52-3f1e-4a53-9c39-0d6f3c9b7a11","cycle_number":12,
    "metadata":{"event":"drain","reason":"idle"},"day":"2026-11-24"})"));
}

TEST_F(LogRows, OfAWorkerComeWithItsReportsInTheirOrderAndInItsNameOnly) {
  const auto pod = worker("aaaaaaaa");
  const Json lines =
      Json::parse(R"([{"level":"INFO","message":"one","worker_id":"another","source_type":"orchestrator_gpu"},
    {"level":"error","message":"two"}, "no object", {"message":"four"}])");
  EXPECT_EQ(pod.report({{"kind", "heartbeat"}, {"lines", lines}}).status, 200);
  EXPECT_EQ(
      pod.report({{"kind", "crash"}, {"exit_code", 1}, {"lines", {{{"level", "INFO"}, {"message", "five"}}}}})
          .status,
      200);
  const Json rows = project().rows(
      "select source_type, source_id, worker_id, log_level, message from public.system_logs where source_id "
      "= '" +
      pod.id + "' order by \"timestamp\"");
  Json messages = Json::array();
  for (const Json& row : rows) {
    messages.push_back(row["log_level"].get<std::string>() + " " + row["message"].get<std::string>());
    EXPECT_EQ(row["source_type"], "worker");
    EXPECT_EQ(row["worker_id"], pod.id);
  }
  EXPECT_EQ(messages, Json::parse(R"(["INFO one","ERROR two","INFO ","INFO four","INFO five"])"));
  EXPECT_EQ(pod.report({{"kind", "heartbeat"}, {"lines", "nonsense"}}).status, 200);
}

TEST_F(LogRows, OfAWorkerNeverMakeItsHeartbeatFailWhereThereIsNoSuchTable) {
  const auto pod = worker("bbbbbbbb");
  project().exec("alter table public.system_logs rename to elsewhere");
  const auto answer = pod.report({{"kind", "heartbeat"}, {"lines", {{{"message", "x"}}}}});
  project().exec("alter table public.elsewhere rename to system_logs");
  EXPECT_EQ(answer.status, 200) << answer.text;
  EXPECT_FALSE(row(pod.id).at("heartbeat_at").is_null());
}

}  // namespace
}  // namespace gpuwarden::test
