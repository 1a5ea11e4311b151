// What belongs to the user: the form of `dependant_on`, their own functions, roles, and columns that do not
// fit.
#include <stdexcept>

#include "integration/sql/sql_world.hpp"

namespace gpuwarden::test {
namespace {

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

TEST_F(Depends, AReplacementThatSetsNoCommentSurvivesToo) {
  auto& server = Server::get();
  server.migrated(kDatabase, existing_schema("text", "uuid", ""));
  const auto queued = [&] {
    return server.query(kDatabase, "select public.gpuwarden_queue_depth() ->> 'queued'");
  };
  const std::string outdated =
      "create or replace function public.gpuwarden_queue_depth() returns jsonb language sql as "
      "$$ select '{\"queued\": 7, \"running\": 2}'::jsonb $$";
  server.query(kDatabase, outdated, "postgres");
  server.migrate(kDatabase);
  EXPECT_EQ(queued(), "7");
  // One that an earlier migration of ours left is ours to renew.
  server.query(kDatabase, outdated + "; select public.gpuwarden_mark('public.gpuwarden_queue_depth()')",
               "postgres");
  server.migrate(kDatabase);
  EXPECT_EQ(queued(), "0");
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

struct Misfit {
  const char* change;
  std::vector<std::string> told;
};

TEST_F(Depends, ColumnsThatDoNotFitAreNamedAndNothingIsChanged) {
  auto& server = Server::get();
  for (const auto& misfit : std::vector<Misfit>{
           {"alter table public.tasks alter column attempts drop default, alter column attempts type text",
            {"tasks.attempts as integer, smallint or bigint (it is text)"}},
           {"alter table public.tasks alter column worker_id type uuid using null",
            {"tasks.worker_id as text (it is uuid)"}},
           {"alter table public.workers alter column metadata type text",
            {"workers.metadata as jsonb or json (it is text)"}},
           {"create type public.few as enum ('spawning', 'active', 'terminated'); alter table public.workers "
            "alter "
            "column status type public.few using status::public.few",
            {"the value 'terminating' for workers.status",
             "the value 'error' for workers.status (the type few lacks it)"}},
           {"alter table public.workers add constraint two check (status in ('active', 'inactive'))",
            {"the value 'spawning' for workers.status (the constraint two refuses it)"}},
           {"alter table public.tasks alter column status type varchar(8), alter column updated_at type date",
            {"the value 'In Progress' for tasks.status (character varying(8) is too short)",
             "tasks.updated_at as a timestamp (it is date)"}}}) {
    const auto made = server.run(server.postgres->create_database(kDatabase));
    ASSERT_TRUE(made) << made.error().message;
    server.query(kDatabase, existing_schema("text", "uuid", "") + misfit.change, "postgres");
    std::string said;
    try {
      server.migrate(kDatabase);
    } catch (const std::runtime_error& error) {
      said = error.what();
    }
    for (const auto& words : misfit.told)
      EXPECT_NE(said.find(words), std::string::npos) << misfit.change << "\n" << said;
    EXPECT_EQ(server.rows(kDatabase, "select 1 from pg_proc where proname like 'gpuwarden%'"), Json::array());
  }
}

TEST_F(Depends, AColumnThatIsChangedLaterIsAMatterForTheDoctor) {
  auto& server = Server::get();
  server.migrated(kDatabase, existing_schema("text", "uuid", ""));
  server.query(kDatabase,
               "alter table public.workers add constraint two check (status in ('active', 'terminated'))");
  const auto missing = Json::parse(server.query(kDatabase, "select public.gpuwarden_health() -> 'missing'"));
  ASSERT_EQ(missing.size(), 3U) << missing;
  EXPECT_EQ(missing.at(0), "the value 'spawning' for workers.status (the constraint two refuses it)");
}

}  // namespace
}  // namespace gpuwarden::test
