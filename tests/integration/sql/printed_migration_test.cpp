// What `gpuwarden migrate --print` writes, run as a user runs it: whole, broken off, and file by file.
#include <sstream>

#include "cli/command.hpp"
#include "integration/sql/sql_world.hpp"

namespace gpuwarden::test {
namespace {

constexpr std::string_view kOwner = sandbox::Postgres::kOwner;

class PrintedMigration : public ::testing::Test {
 protected:
  static constexpr const char* kDatabase = "printed";

  void SetUp() override {
    const auto made = server.run(server.postgres->create_database(kDatabase));
    ASSERT_TRUE(made) << made.error().message;
  }
  static std::string spoken(bool json) {
    std::ostringstream out, err;
    cli::Output output{out, err};
    output.json = json;
    cli::Invocation line;
    line.print = true;
    EXPECT_EQ(cli::migrate(line, output), 0) << err.str();
    return out.str();
  }
  Json open_to_pods() {
    return server.rows(
        kDatabase,
        "select p.oid::regprocedure::text as signature from pg_proc p where p.pronamespace = "
        "'public'::regnamespace and p.prosecdef and has_function_privilege('anon', p.oid, 'execute') "
        "and p.proname not in ('gpuwarden_worker_report', 'gpuwarden_claim_task', "
        "'gpuwarden_complete_task', 'gpuwarden_fail_task')");
  }

  Server& server = Server::get();
};

TEST_F(PrintedMigration, MakesEverythingAndCanBeRunAgain) {
  const auto text = spoken(false);
  server.query(kDatabase, text, kOwner);
  EXPECT_EQ(server.query(kDatabase, "select public.gpuwarden_health() ->> 'missing'"), "[]");
  EXPECT_EQ(open_to_pods(), Json::array());
  EXPECT_NO_THROW(server.query(kDatabase, text, kOwner));
}

TEST_F(PrintedMigration, LeavesNothingWhenItBreaksOff) {
  const auto text = spoken(false);
  for (const double part : {0.2, 0.5, 0.8, 0.99}) {
    const auto end = text.rfind("\n$$;\n", static_cast<std::size_t>(part * static_cast<double>(text.size())));
    ASSERT_NE(end, std::string::npos) << part;
    server.query(kDatabase, text.substr(0, end + 5), kOwner);
    EXPECT_EQ(
        server.rows(kDatabase, "select proname from pg_proc where pronamespace = 'public'::regnamespace"),
        Json::array())
        << part;
  }
}

TEST_F(PrintedMigration, FileByFileLeavesNoFunctionOpenInBetween) {
  const auto printed = Json::parse(spoken(true));
  for (const auto& file : printed.at("migrations")) {
    server.query(kDatabase, file.at("sql").get<std::string>(), kOwner);
    EXPECT_EQ(open_to_pods(), Json::array()) << "after " << file.at("name");
  }
  EXPECT_EQ(server.query(kDatabase, "select public.gpuwarden_health() ->> 'missing'"), "[]");
}

TEST_F(PrintedMigration, TouchesNoFunctionOfTheUserWhateverItsName) {
  server.query(kDatabase,
               "create function public.gpuwarden_of_the_user() returns int language sql as $$ select 1 $$;"
               "grant execute on function public.gpuwarden_of_the_user() to anon",
               kOwner);
  server.query(kDatabase,
               "create function public.gpuwarden_queue_depth() returns jsonb language sql as $$ select "
               "'{\"queued\": 7, \"running\": 2}'::jsonb $$");  // another role's, which may not be touched
  EXPECT_NO_THROW(server.query(kDatabase, spoken(false), kOwner));
  EXPECT_EQ(
      server.query(kDatabase,
                   "select has_function_privilege('anon', 'public.gpuwarden_of_the_user()', 'execute')"),
      "t");
  EXPECT_EQ(server.query(kDatabase, "select public.gpuwarden_snapshot('o') -> 'queue' ->> 'queued'"), "7");
}

}  // namespace
}  // namespace gpuwarden::test
