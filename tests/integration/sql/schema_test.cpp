// The variants of the existing schema that projects in the field have: with rows in them, and migrated twice.
#include <fmt/format.h>

#include "integration/sql/sql_world.hpp"

namespace gpuwarden::test {
namespace {

struct Variant {
  const char* name;
  std::string status, dependant_on, heartbeat, extra;
};

std::string quoted(const std::string& id, const std::string& type) {
  if (type == "uuid" || type == "text") return "'" + id + "'";
  if (type == "jsonb") return fmt::format("'[\"{}\"]'", id);
  return fmt::format("array['{}']::{}", id, type);
}

class Schema : public ::testing::TestWithParam<Variant> {
 protected:
  static constexpr const char* kDatabase = "variant";
  Json call(const std::string& expression) {
    return Json::parse(
        Server::get().query(kDatabase, "select coalesce(to_json(" + expression + "), 'null')"));
  }
  Json rows(const std::string& sql) { return Server::get().rows(kDatabase, sql); }
};

TEST_P(Schema, TakesTheMigrationsTwiceKeepsItsRowsAndWorks) {
  auto& server = Server::get();
  const auto& variant = GetParam();
  auto schema = existing_schema(variant.status, variant.dependant_on, variant.heartbeat) + variant.extra;
  schema +=
      "insert into public.tasks (task_type, status, attempts) select 'old', 'Complete', 1 from "
      "generate_series(1, 50);"
      "insert into public.tasks (id, task_type, status, worker_id) values "
      "('00000000-0000-0000-0000-00000000000a', 'theirs', 'In "
      "Progress', 'somebody');"
      "insert into public.workers (id, instance_type, status, metadata) values ('somebody', 'x', 'active', "
      "'{\"a\": 1}');";
  server.migrated(kDatabase, schema);
  const std::string table_rows =
      "select (select json_agg(t) from public.tasks t) as tasks, (select json_agg(w) from public.workers w) "
      "as workers";
  const auto before = rows(table_rows);
  const auto definitions = rows(
      "select proname, md5(pg_get_functiondef(oid)) as body, proacl::text from pg_proc where pronamespace = "
      "'public'::regnamespace and prokind = 'f' order by 1, 2");
  server.migrate(kDatabase);
  EXPECT_EQ(rows(table_rows), before);
  EXPECT_EQ(rows("select proname, md5(pg_get_functiondef(oid)) as body, proacl::text from pg_proc where "
                 "pronamespace = 'public'::regnamespace and prokind = 'f' order by 1, 2"),
            definitions);
  EXPECT_EQ(before.at(0).at("tasks").size(), 51U);

  // A whole life on it.
  EXPECT_TRUE(call("public.gpuwarden_snapshot('o', 'd', 30, '{}')").at("leader").at("leading"));
  ASSERT_TRUE(call("public.gpuwarden_register_worker('w', 'o', 1, '{\"gpu\": \"g\"}')").at("done"));
  auto seen = call("public.gpuwarden_snapshot('o', 'd', 30, '{}')").at("workers").at(0);
  EXPECT_TRUE(seen.at("heartbeat_age_s").is_null()) << "no worker has sent a heartbeat yet";
  ASSERT_TRUE(call("public.gpuwarden_update_worker('w', 'o', 1, '{spawning}', jsonb_build_object('status', "
                   "'active', 'token_sha256', encode(sha256('t'), 'hex')))")
                  .at("done"));
  call("public.gpuwarden_worker_report('w', 't', '{\"kind\": \"heartbeat\"}')");
  seen = call("public.gpuwarden_snapshot('o', 'd', 30, '{}')").at("workers").at(0);
  EXPECT_LT(seen.at("heartbeat_age_s"), 5.0);
  server.query(
      kDatabase,
      "insert into public.tasks (id, task_type) values ('00000000-0000-0000-0000-00000000000b', 'first')");
  if (!variant.dependant_on.empty())
    server.query(kDatabase,
                 fmt::format("insert into public.tasks (id, task_type, dependant_on) values "
                             "('00000000-0000-0000-0000-00000000000c', 'second', {})",
                             quoted("00000000-0000-0000-0000-00000000000b", variant.dependant_on)));
  EXPECT_EQ(call("public.gpuwarden_queue_depth()").at("queued"), 1);
  EXPECT_EQ(call("public.gpuwarden_queue_depth()").at("blocked"), variant.dependant_on.empty() ? 0 : 1);
  EXPECT_EQ(call("public.gpuwarden_claim_task('w', 't')").at("task_type"), "first");
  EXPECT_TRUE(
      call("public.gpuwarden_complete_task('w', 't', '00000000-0000-0000-0000-00000000000b', 1, '{}')")
          .at("accepted"));
  EXPECT_EQ(call("public.gpuwarden_queue_depth()").at("blocked"), 0);
  if (!variant.dependant_on.empty()) {
    EXPECT_EQ(call("public.gpuwarden_claim_task('w', 't')").at("task_type"), "second");
    EXPECT_EQ(call("public.gpuwarden_fail_worker('w', 'o', 1, '{\"cause\": \"gpu_error\", "
                   "\"task_max_attempts\": 3}')")
                  .at("requeued")
                  .size(),
              1U);
    EXPECT_EQ(rows("select status from public.tasks where task_type = 'second'").at(0).at("status"),
              "Queued");
  } else {
    EXPECT_TRUE(call("public.gpuwarden_fail_worker('w', 'o', 1, '{\"cause\": \"gpu_error\"}')").at("done"));
  }
  EXPECT_TRUE(call("public.gpuwarden_update_worker('w', 'o', 1, '{error}', '{\"status\": \"terminated\"}')")
                  .at("done"));
  EXPECT_EQ(call("public.gpuwarden_rescue_tasks('o', 1, '{}')").at("requeued").size(), 0U);
  EXPECT_EQ(call("public.gpuwarden_health()").at("missing"), Json::array());
  EXPECT_EQ(call("public.gpuwarden_list_tasks('Complete', 100)").size(), 51U);
  EXPECT_EQ(rows("select metadata from public.workers where id = 'somebody'").at(0).at("metadata"),
            (Json{{"a", 1}}));
}

INSTANTIATE_TEST_SUITE_P(
    Variants, Schema,
    ::testing::Values(
        Variant{"text_uuid", "text", "uuid", "", ""},
        Variant{"enum_uuids", "task_status", "uuid[]", "not null default now()", ""},
        Variant{"odd_enum_text", "\"Job State\"", "text", "", ""},
        Variant{"text_absent", "text", "", "not null default now()", ""},
        Variant{"enum_absent_rls", "task_status", "", "",
                "alter table public.tasks enable row level security; alter table public.workers enable row "
                "level security;"},
        Variant{"text_jsonb", "text", "jsonb", "", ""}, Variant{"text_texts", "text", "text[]", "", ""},
        Variant{"worker_status_enum", "text", "uuid", "",
                "create type public.worker_status as enum ('spawning', 'active', 'terminating', 'error', "
                "'terminated', 'inactive'); alter table public.workers "
                "alter column status type public.worker_status using status::public.worker_status;"},
        Variant{"logs_there", "text", "uuid", "",
                "create table public.system_logs (id uuid primary key default gen_random_uuid(), timestamp "
                "timestamptz not null default now(), source_type text "
                "not null, source_id text not null, log_level text not null, message text not null, task_id "
                "uuid, worker_id text, cycle_number int, metadata jsonb);"},
        Variant{"few_columns", "text", "", "",
                "alter table public.tasks drop column attempts, drop column updated_at, drop column "
                "error_message, drop column result_data, drop column "
                "generation_started_at; alter table public.tasks add column attempts int; alter table "
                "public.workers drop column metadata; alter table "
                "public.workers add column metadata jsonb;"}),
    [](const auto& param) { return std::string(param.param.name); });

class Depends : public ::testing::Test {
 protected:
  static constexpr const char* kDatabase = "depends";
};

TEST_F(Depends, TextNamesOneOrManyOrNothing) {
  auto& server = Server::get();
  server.migrated(kDatabase, existing_schema("text", "text", ""));
  const auto ready = [&](const std::string& value) {
    server.query(kDatabase,
                 "truncate public.tasks; insert into public.tasks (id, task_type, status) values "
                 "('00000000-0000-0000-0000-0000000000aa', 'x', 'Complete'), "
                 "('00000000-0000-0000-0000-0000000000bb', 'x', 'Failed'); insert into public.tasks "
                 "(task_type, dependant_on) values ('waiting', " +
                     value + ")");
    return server.query(kDatabase, "select public.gpuwarden_queue_depth() ->> 'queued'") == "1";
  };
  EXPECT_TRUE(ready("null"));
  EXPECT_TRUE(ready("''"));
  EXPECT_TRUE(ready("'[]'"));
  EXPECT_TRUE(ready("'{}'"));
  EXPECT_TRUE(ready("'00000000-0000-0000-0000-0000000000aa'"));
  EXPECT_TRUE(ready("'00000000-0000-0000-0000-0000000000AA'"));
  EXPECT_TRUE(ready("'[\"00000000-0000-0000-0000-0000000000aa\"]'"));
  EXPECT_FALSE(ready("'00000000-0000-0000-0000-0000000000bb'"));
  EXPECT_FALSE(ready("'00000000-0000-0000-0000-0000000000aa,00000000-0000-0000-0000-0000000000bb'"));
  EXPECT_FALSE(ready("'00000000-0000-0000-0000-0000000000cc'")) << "names a task that is not there";
  EXPECT_FALSE(ready("'something else'"));
}

TEST_F(Depends, AUsersOwnQueueFunctionSurvivesMigrationsAndIsUsed) {
  auto& server = Server::get();
  server.migrated(kDatabase, existing_schema("text", "uuid", ""));
  server.query(kDatabase,
               "create or replace function public.gpuwarden_queue_depth() returns jsonb language sql as "
               "$$ select '{\"queued\": 7, \"running\": 2}'::jsonb $$; comment on function "
               "public.gpuwarden_queue_depth() is 'ours now'",
               "postgres");
  server.migrate(kDatabase);
  EXPECT_EQ(server.query(kDatabase, "select public.gpuwarden_snapshot('o') -> 'queue' ->> 'queued'"), "7");
  server.query(kDatabase, "drop function public.gpuwarden_queue_depth()");
  EXPECT_EQ(server.query(kDatabase, "select public.gpuwarden_health() ->> 'missing'"),
            "[\"gpuwarden_queue_depth\"]");
  server.migrate(kDatabase);
  EXPECT_EQ(server.query(kDatabase, "select public.gpuwarden_snapshot('o') -> 'queue' ->> 'queued'"), "0");
}

TEST_F(Depends, AUsersOwnWorkerFunctionsStayInAnySignature) {
  auto& server = Server::get();
  const std::string theirs =
      "create function public.func_claim_available_task(worker_id_param text, include_active boolean) "
      "returns text language sql as $$ select 'theirs' $$;"
      "create function public.func_mark_task_failed(a int) returns text language sql as $$ select 'theirs' "
      "$$;";
  server.migrated(kDatabase, existing_schema("text", "uuid", "") + theirs);
  server.migrate(kDatabase);
  const auto functions =
      server.rows(kDatabase,
                  "select proname, pg_get_function_identity_arguments(oid) as arguments from pg_proc where "
                  "pronamespace = 'public'::regnamespace and proname like 'func\\_%' order by 1");
  ASSERT_EQ(functions.size(), 6U) << functions;
  EXPECT_EQ(functions.at(0).at("arguments"), "worker_id_param text, include_active boolean");
  EXPECT_EQ(functions.at(4).at("proname"), "func_update_worker_heartbeat") << functions;
  EXPECT_EQ(server.query(kDatabase, "select public.func_claim_available_task('x', true)"), "theirs");
}

TEST_F(Depends, APlainPostgresWithoutSupabasesRolesIsFine) {
  // Roles belong to the cluster, so they are renamed out of sight for one transaction.
  auto& server = Server::get();
  server.migrated(kDatabase, "select 1;");
  server.query(kDatabase,
               "alter role anon rename to anon_hidden; alter role authenticated rename to "
               "authenticated_hidden; alter role service_role rename to service_hidden");
  const auto restore = [&] {
    server.query(kDatabase,
                 "alter role anon_hidden rename to anon; alter role authenticated_hidden rename to "
                 "authenticated; alter role service_hidden rename to service_role");
  };
  EXPECT_NO_THROW(server.migrate(kDatabase));
  restore();
}

}  // namespace
}  // namespace gpuwarden::test
