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

}  // namespace
}  // namespace gpuwarden::test
