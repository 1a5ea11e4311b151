// Many finished rows cost nothing: every statement inside our functions is served by an index.
#include <algorithm>
#include <sstream>

#include "integration/sql/sql_world.hpp"

namespace gpuwarden::test {
namespace {

class Indexes : public ::testing::Test {
 protected:
  static constexpr const char* kDatabase = "many_rows";

  static void SetUpTestSuite() {
    auto& server = Server::get();
    server.migrated(kDatabase, existing_schema("task_status", "uuid[]", ""));
    server.query(kDatabase, R"sql(
insert into public.tasks (task_type, status, worker_id, created_at, updated_at)
  select 'old', (case when n % 50 = 0 then 'Failed' else 'Complete' end)::public.task_status, 'gpu-' || n % 20000,
         now() - make_interval(mins => n), now() - make_interval(mins => n)
  from generate_series(1, 200000) n;
insert into public.workers (id, instance_type, status) select 'gpu-' || n, 'g', 'terminated' from generate_series(1, 20000) n;
insert into public.gpuwarden_workers (worker_id, owner, epoch, status, registered_at, ended_at, outcome, outcome_at)
  select 'gpu-' || n, 'test', 1, 'terminated', now() - make_interval(hours => 30 + n), now() - make_interval(hours => 29 + n),
         'failure', now() - make_interval(hours => 29 + n) from generate_series(1, 20000) n;
insert into public.gpuwarden_failures (worker_id, owner, cause, task_ids, created_at)
  select 'gpu-' || n, 'test', 'gpu_error', array[gen_random_uuid()], now() - make_interval(hours => n) from generate_series(1, 20000) n;
insert into public.workers (id, instance_type, status) select 'live-' || n, 'g', 'active' from generate_series(1, 20) n;
insert into public.gpuwarden_workers (worker_id, owner, epoch, status, phase, token_hash)
  select 'live-' || n, 'test', 1, 'active', 'idle', sha256('t') from generate_series(1, 20) n;
insert into public.tasks (task_type, status, worker_id) select 'now', 'In Progress', 'live-' || n from generate_series(1, 10) n;
insert into public.tasks (task_type, dependant_on) select 'now', case when n % 2 = 0 then array[(select id from public.tasks limit 1)] end
  from generate_series(1, 30) n;
insert into public.gpuwarden_leaders (owner, epoch, holder, expires_at) values ('test', 1, 'd', now() + interval '1 hour');
analyze;
)sql");
  }

  /// The plans of all statements that the statement runs, those inside functions included.
  static std::string plans(const std::string& statement) {
    return Server::get().query(kDatabase,
                               "load 'auto_explain'; set auto_explain.log_min_duration = 0; set "
                               "auto_explain.log_nested_statements = on; "
                               "set client_min_messages = log; begin; " +
                                   statement + "; rollback;");
  }
  /// Nodes that read a whole table which grows for ever.
  static std::vector<std::string> whole_table_reads(const std::string& text) {
    std::vector<std::string> found;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);)
      for (const auto* table : {"tasks", "workers", "gpuwarden_workers", "gpuwarden_failures"})
        if (line.find(std::string("Seq Scan on ") + table + " ") != std::string::npos ||
            line.find(std::string("Seq Scan on public.") + table + " ") != std::string::npos)
          found.push_back(line);
    return found;
  }
};

TEST_F(Indexes, TheCheckSeesASequentialScan) {
  EXPECT_FALSE(
      whole_table_reads(plans("select count(*) from public.tasks where error_message = 'x'")).empty());
}

TEST_F(Indexes, NoFunctionReadsAWholeTableWith200kFinishedTasks) {
  const std::string live = "'live-1', 't'", other = "'live-15', 't'";
  for (const std::string& call :
       {std::string("public.gpuwarden_snapshot('test', 'd', 30, '{\"failure_window_sec\": 1800}')"),
        std::string("public.gpuwarden_queue_depth()"),
        std::string("public.gpuwarden_pace(now())"),
        std::string("public.gpuwarden_fruitless_last_day('test', now() + interval '6 hours')"),
        "public.gpuwarden_worker_report(" + live + ", '{\"kind\": \"heartbeat\"}')",
        "public.gpuwarden_claim_task(" + live + ")",
        "public.gpuwarden_claim_task(" + other + ")",
        "public.gpuwarden_complete_task(" + live +
            ", (select id from public.tasks where status = 'In Progress' and worker_id = 'live-1'), 1, null)",
        "public.gpuwarden_fail_task(" + live +
            ", (select id from public.tasks where status = 'In Progress' and worker_id = 'live-1'), 1, 'x')",
        std::string("public.gpuwarden_register_worker('new', 'test', 1, '{}')"),
        std::string(
            "public.gpuwarden_update_worker('live-2', 'test', 1, '{active}', '{\"phase\": \"busy\"}')"),
        std::string("public.gpuwarden_fail_worker('live-2', 'test', 1, '{\"cause\": \"gpu_error\", "
                    "\"task_max_attempts\": 1}')"),
        std::string("public.gpuwarden_add_evidence('gpu-7', 'test', 1, '{}')"),
        std::string("public.gpuwarden_rescue_tasks('test', 1, '{}')"),
        std::string("public.gpuwarden_list_failures('test', 3600, 50)"),
        std::string("public.gpuwarden_incident('test', 7200, 1000)"),
        std::string("public.gpuwarden_list_workers('test', false, 50)"),
        std::string("public.gpuwarden_list_workers('test', true, 50)"),
        std::string("public.gpuwarden_get_worker('gpu-7')"),
        std::string("public.gpuwarden_list_tasks(null, 50)"),
        std::string("public.gpuwarden_list_tasks('Failed', 50)"),
        std::string("public.gpuwarden_list_tasks('In Progress', 50)"),
        std::string("public.func_claim_available_task('live-15')"),
        std::string("public.func_update_worker_heartbeat('live-15')")}) {
    const auto text = plans("select " + call);
    ASSERT_NE(text.find("Index"), std::string::npos) << call << "\n" << text;
    EXPECT_EQ(whole_table_reads(text), std::vector<std::string>()) << call << "\n" << text;
  }
}

TEST_F(Indexes, TheMeanDurationOfATypeReadsFiftyRowsOfIt) {
  Server::get().query(
      kDatabase,
      "insert into public.tasks (task_type, status, generation_started_at, updated_at) select "
      "'busy-' || n % 5, 'Complete', now() - interval '1 minute', now() - make_interval(secs => n) "
      "from generate_series(1, 50000) n; analyze public.tasks");
  const auto text = Server::get().query(
      kDatabase,
      "begin; select pg_stat_reset(); commit; select pg_stat_force_next_flush(); select "
      "public.gpuwarden_pace(now()) is not null; select pg_stat_force_next_flush(); select 'read ' || "
      "coalesce(idx_tup_fetch, 0) || ' scanned ' || seq_tup_read from pg_stat_user_tables where relname = "
      "'tasks'");
  const auto at = text.find("read ");
  ASSERT_NE(at, std::string::npos) << text;
  std::istringstream figures(text.substr(at));
  std::string word;
  long fetched = 0, scanned = 0;
  figures >> word >> fetched >> word >> scanned;
  EXPECT_EQ(scanned, 0) << text;
  EXPECT_LE(fetched, 5 * 50 + 50 + 10)
      << text;  // five types, what ended of `old` in a day, the steps from type to type
}

}  // namespace
}  // namespace gpuwarden::test
