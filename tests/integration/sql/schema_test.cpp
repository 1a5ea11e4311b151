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

std::string schema_of(const Variant& variant) {
  return existing_schema(variant.status, variant.dependant_on, variant.heartbeat) + variant.extra;
}

TEST_P(Schema, TakesTheMigrationsTwiceKeepsItsRowsAndWorks) {
  auto& server = Server::get();
  const auto& variant = GetParam();
  auto schema = schema_of(variant);
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
  EXPECT_EQ(call("public.gpuwarden_pace(now())").at("first").at("samples"), 1);
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
  const Json incident = call("public.gpuwarden_incident('o', 7200, 100)");
  EXPECT_EQ(incident.at("failures").at(0).at("cause"), "gpu_error");
  EXPECT_EQ(incident.at("starts").at(0).at("success"), false);
  EXPECT_EQ(call("public.gpuwarden_list_tasks('Complete', 100)").size(), 51U);
  EXPECT_EQ(rows("select metadata from public.workers where id = 'somebody'").at(0).at("metadata"),
            (Json{{"a", 1}}));
}

/// Programs in the field write `active` into the shared row with every heartbeat.
TEST_P(Schema, AStatusThatSomebodyWritesOverOursStopsNoWorkersLife) {
  auto& server = Server::get();
  server.migrated(kDatabase, schema_of(GetParam()));
  const auto overwrite = [&](const std::string& id, const std::string& word) {
    server.query(kDatabase, fmt::format("update public.workers set status = '{}' where id = '{}'", word, id));
  };
  const auto seen = [&](const std::string& id) {
    const auto snapshot = call("public.gpuwarden_snapshot('o', 'd', 30, '{}')");
    for (const auto& worker : snapshot.at("workers"))
      if (worker.at("id") == id) return worker;
    return Json();
  };
  const auto update = [&](const std::string& id, const std::string& from, const Json& change) {
    return call(fmt::format("public.gpuwarden_update_worker('{}', 'o', 1, '{{{}}}', '{}')", id, from,
                            change.dump()))
        .at("done")
        .get<bool>();
  };
  call("public.gpuwarden_snapshot('o', 'd', 30, '{}')");
  for (const auto* id : {"orderly", "failing", "by_hand", "asked"})
    ASSERT_TRUE(call(fmt::format("public.gpuwarden_register_worker('{}', 'o', 1, '{{}}')", id)).at("done"));
  for (const auto* id : {"orderly", "failing", "by_hand", "asked"}) {
    overwrite(id, "active");
    EXPECT_EQ(seen(id).at("status"), "spawning") << id;
    ASSERT_TRUE(update(id, "spawning", {{"status", "active"}, {"success", true}, {"pod_id", "p"}})) << id;
    EXPECT_EQ(seen(id).at("proven"), true);
  }
  overwrite("orderly", "active");
  ASSERT_TRUE(update("orderly", "active", {{"status", "terminating"}, {"phase", "draining"}}));
  overwrite("orderly", "active");
  EXPECT_EQ(seen("orderly").at("status"), "terminating") << "the drain goes on";
  ASSERT_TRUE(update("orderly", "terminating", {{"phase", "deleting"}}));
  overwrite("orderly", "active");
  EXPECT_EQ(seen("orderly").at("phase"), "deleting");
  ASSERT_TRUE(update("orderly", "terminating", {{"status", "terminated"}, {"end_reason", "idle"}}));

  ASSERT_TRUE(
      call("public.gpuwarden_fail_worker('failing', 'o', 1, '{\"cause\": \"gpu_error\"}')").at("done"));
  overwrite("failing", "active");
  EXPECT_EQ(seen("failing").at("status"), "error");
  ASSERT_TRUE(update("failing", "error", {{"phase", "deleting"}}));
  overwrite("failing", "active");
  ASSERT_TRUE(update("failing", "error", {{"status", "terminated"}, {"end_reason", "failed"}}));

  overwrite("by_hand", "terminated");
  EXPECT_EQ(seen("by_hand").at("status"), "terminating") << "its pod still has to go";
  ASSERT_TRUE(update("by_hand", "terminating", {{"status", "terminated"}, {"end_reason", "by hand"}}));
  overwrite("asked", "error");
  EXPECT_EQ(seen("asked").at("status"), "error");
  ASSERT_TRUE(update("asked", "error", {{"status", "terminated"}, {"end_reason", "by hand"}}));
  for (const auto* id : {"orderly", "failing", "by_hand", "asked"}) {
    overwrite(id, "active");
    EXPECT_TRUE(seen(id).is_null()) << id;
  }
  EXPECT_EQ(call("public.gpuwarden_snapshot('o', 'd', 30, '{}')").at("tombstones").size(), 4U);
  EXPECT_EQ(rows("select 1 from public.gpuwarden_workers where ended_at is null"), Json::array());
}

TEST_P(Schema, TheFunctionsOfExistingWorkersWorkOnIt) {
  auto& server = Server::get();
  server.migrated(kDatabase, schema_of(GetParam()));
  server.query(
      kDatabase,
      "insert into public.workers (id, instance_type, status, metadata) values ('old', 'x', 'active', "
      "'{\"a\": 1}'); insert into public.tasks (task_type) values ('one'), ('two')");
  const std::string word(9000, 'w');
  for (const bool completes : {true, false}) {
    const auto claimed = rows("select * from public.func_claim_available_task('old')");
    ASSERT_EQ(claimed.size(), 1U);
    const auto id = claimed.at(0).at("id").get<std::string>();
    EXPECT_EQ(call(completes ? fmt::format("public.func_mark_task_complete('{}', '{{\"url\": 1}}')", id)
                             : fmt::format("public.func_mark_task_failed('{}', '{}')", id, word)),
              true);
    EXPECT_EQ(
        rows(fmt::format("select status::text from public.tasks where id = '{}'", id)).at(0).at("status"),
        completes ? "Complete" : "Failed");
  }
  EXPECT_EQ(
      call("public.func_worker_heartbeat_with_logs('old', 100, 5, '[{\"message\": \"m\"}]')").at("inserted"),
      1);
  const auto metadata = rows("select metadata from public.workers").at(0).at("metadata");
  EXPECT_EQ(metadata.at("a"), 1);
  EXPECT_EQ(metadata.at("vram_total_mb"), 100);
  // A task that nobody may try again is given up with a long story, whatever fits into the column.
  call("public.gpuwarden_snapshot('o', 'd', 30, '{}')");
  call(
      "public.gpuwarden_register_worker('w', 'o', 1, '{\"gpu\": \"NVIDIA RTX PRO 6000 Blackwell Server "
      "Edition\"}')");
  server.query(kDatabase,
               "insert into public.tasks (task_type, status, worker_id) values ('x', 'In Progress', 'w')");
  EXPECT_EQ(
      call(fmt::format("public.gpuwarden_fail_worker('w', 'o', 1, '{{\"cause\": \"gpu_error\", \"summary\": "
                       "\"{}\", \"task_max_attempts\": 1}}')",
                       word))
          .at("failed")
          .size(),
      1U);
  EXPECT_EQ(call("public.gpuwarden_list_tasks('Failed', 10)").size(), 2U);
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
        Variant{"attempts_bigint", "text", "uuid", "",
                "alter table public.tasks alter column attempts type bigint, alter column task_type type "
                "varchar(40);"},
        Variant{"attempts_smallint", "task_status", "uuid[]", "",
                "alter table public.tasks alter column attempts type smallint;"},
        Variant{
            "plain_timestamps", "text", "uuid", "",
            "alter table public.tasks alter column created_at type timestamp, alter column updated_at type "
            "timestamp, alter column generation_started_at type timestamp, alter column "
            "generation_processed_at type timestamp; alter table public.workers alter column created_at type "
            "timestamp, alter column last_heartbeat type timestamp;"},
        Variant{"json_not_jsonb", "text", "uuid", "",
                "alter table public.workers alter column metadata type json; alter table public.tasks alter "
                "column params type json, alter column result_data type json;"},
        Variant{
            "short_texts", "text", "uuid", "",
            "alter table public.tasks alter column error_message type varchar(40), alter column worker_id "
            "type varchar(60), alter column status type varchar(20), alter column result_data type text; "
            "alter table public.workers alter column instance_type type varchar(12), alter column id type "
            "varchar(60), alter column status type varchar(20);"},
        Variant{"checked_words", "text", "uuid", "",
                "alter table public.workers add constraint words check (status in ('spawning', 'active', "
                "'terminating', 'error', 'terminated')); create type public.kind as enum ('old', 'theirs', "
                "'first', 'second', 'one', 'two', 'x'); alter table public.tasks alter column task_type type "
                "public.kind using task_type::public.kind;"},
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

}  // namespace
}  // namespace gpuwarden::test
