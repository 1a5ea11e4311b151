// Other sessions that keep rows and tables locked: the daemon keeps its sight, pods their heartbeats, and
// every wait ends.
#include "gpuwarden/supabase/store.hpp"

#include "integration/sql/sql_world.hpp"

namespace gpuwarden::test {
namespace {

using std::chrono::seconds;

class Locks : public SqlTest {
 protected:
  /// Where the daemon's next snapshot has to renew its lease.
  static void lease_runs_out() {
    project().exec("update public.gpuwarden_leaders set expires_at = now() + interval '3 seconds'");
  }
  static auto since(std::chrono::steady_clock::time_point began) {
    return std::chrono::steady_clock::now() - began;
  }
  Json rescue() {
    return project().ask(
        "gpuwarden_rescue_tasks",
        {{"owner_param", "test"}, {"epoch_param", epoch}, {"options_param", {{"task_max_attempts", 3}}}});
  }
};

TEST_F(Locks, AFailureIsMarkedThoughItsTaskIsLockedAndTheNextRescueFreesTheTask) {
  const auto pod = worker("aaaaaaaa");
  const auto id = add_task();
  ASSERT_EQ(pod.claim().at("id"), id);
  {
    const OpenTransaction other(project().database,
                                "select 1 from public.tasks where id = '" + id + "' for update");
    const auto freed = fail_worker(pod.id, "worker_crashed");
    EXPECT_TRUE(freed.at("done"));
    EXPECT_EQ(freed.at("requeued"), Json::array());
    EXPECT_EQ(live(pod.id).at("status"), "error");
    EXPECT_EQ(project().snapshot().at("rescuable"), 1);
    EXPECT_EQ(rescue().at("requeued"), Json::array());
  }
  EXPECT_EQ(rescue().at("requeued"), Json::array({id}));
  EXPECT_EQ(task(id).at("attempts"), 1);
  EXPECT_EQ(task(id).at("status"), "Queued");
}

TEST_F(Locks, ATaskThatIsGivenUpLaterStillNamesTheDeathOfItsWorker) {
  const auto pod = worker("aaaaaaaa");
  const auto id = add_task("task_type, attempts", "'x', 2");
  ASSERT_EQ(pod.claim().at("id"), id);
  {
    const OpenTransaction other(project().database,
                                "select 1 from public.tasks where id = '" + id + "' for update");
    ASSERT_TRUE(fail_worker(pod.id, "out_of_memory", {{"summary", "CUDA out of memory"}}).at("done"));
  }
  EXPECT_EQ(rescue().at("failed"), Json::array({id}));
  EXPECT_NE(task(id).at("error_message").get<std::string>().find("CUDA out of memory"), std::string::npos);
}

TEST_F(Locks, AWriteThatHangsBlindsNeitherTheDaemonNorItsStandby) {
  const auto pod = worker("aaaaaaaa");
  lease_runs_out();
  const OpenTransaction write(project().database, "select public.gpuwarden_update_worker('" + pod.id +
                                                      "', 'test', " + std::to_string(epoch) +
                                                      ", '{active}', '{\"phase\": \"busy\"}')");
  const auto began = std::chrono::steady_clock::now();
  auto seen = project().snapshot();
  EXPECT_TRUE(seen.at("leader").at("leading"));
  EXPECT_GT(seen.at("leader").at("expires_in_s"), 20.0) << "the lease is renewed";
  EXPECT_EQ(seen.at("workers").size(), 1U);
  project().exec("update public.gpuwarden_leaders set expires_at = now() - interval '1 second'");
  seen = project().snapshot("test", "standby");
  EXPECT_FALSE(seen.at("leader").at("leading")) << "not while a write of its predecessor is under way";
  EXPECT_EQ(seen.at("leader").at("epoch"), epoch);
  EXPECT_LT(since(began), seconds(3));
}

TEST_F(Locks, TheLeaseIsWrittenOnlyWhenHalfOfItIsOver) {
  const auto written = [] {
    return project().rows("select expires_at, xmin::text as by from public.gpuwarden_leaders");
  };
  const auto first = written();
  project().snapshot();
  EXPECT_EQ(written(), first);
  project().exec("update public.gpuwarden_leaders set expires_at = now() + interval '14 seconds'");
  EXPECT_TRUE(project().snapshot().at("leader").at("leading"));
  EXPECT_GT(project().snapshot().at("leader").at("expires_in_s"), 25.0);
}

TEST_F(Locks, SettingsThatStayAreNotLockedByTheSnapshot) {
  project().ask(
      "gpuwarden_snapshot",
      {{"owner_param", "test"}, {"holder_param", "daemon"}, {"options_param", {{"task_max_attempts", 3}}}});
  const OpenTransaction other(project().database, "select 1 from public.gpuwarden_state for update");
  const auto began = std::chrono::steady_clock::now();
  project().ask(
      "gpuwarden_snapshot",
      {{"owner_param", "test"}, {"holder_param", "daemon"}, {"options_param", {{"task_max_attempts", 3}}}});
  EXPECT_LT(since(began), seconds(3));
}

TEST_F(Locks, AWriteThatMeetsALockedRowGivesUpAndIsToBeTriedAgain) {
  const auto pod = worker("aaaaaaaa");
  supabase::Settings settings;
  settings.url = project().gateway->url();
  settings.key = Secret(project().keys.secret);
  settings.max_attempts = 1;
  supabase::SupabaseStore store(project().client, std::move(settings));
  ports::WorkerChange change;
  change.worker = WorkerId(pod.id);
  change.expected = {WorkerStatus::active};
  change.phase = Phase::busy;
  ports::FailureRecord failure;
  failure.worker = WorkerId(pod.id);
  failure.verdict.cause = FailureCause::worker_crashed;
  const OpenTransaction other(project().database, "select 1 from public.workers for update");
  const auto began = std::chrono::steady_clock::now();
  const auto updated = Server::get().run(store.update_worker({"test", epoch}, change));
  ASSERT_FALSE(updated);
  EXPECT_EQ(updated.error().code, "55P03");
  EXPECT_EQ(updated.error().kind, ErrorKind::unavailable) << updated.error().message;
  const auto marked = Server::get().run(store.fail_worker({"test", epoch}, failure));
  ASSERT_FALSE(marked);
  EXPECT_EQ(marked.error().kind, ErrorKind::unavailable);
  EXPECT_LT(since(began), seconds(15));
  EXPECT_EQ(project().rows("select 1 from public.gpuwarden_failures").size(), 0U) << "undone as a whole";
}

TEST_F(Locks, AHeartbeatWaitsForNobody) {
  const auto pod = worker("aaaaaaaa");
  const OpenTransaction other(project().database, "select 1 from public.workers for update");
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(pod.report({{"kind", "heartbeat"}}).status, 200);
  EXPECT_LT(since(began), seconds(3));
  EXPECT_LT(live(pod.id).at("heartbeat_age_s"), 5.0);
}

TEST_F(Locks, MigratingAgainWaitsForNobodyWhoUsesTheTables) {
  const OpenTransaction other(
      project().database,
      "lock table public.tasks, public.workers, public.system_logs, public.gpuwarden_workers, "
      "public.gpuwarden_failures, public.gpuwarden_state, public.gpuwarden_leaders in access share mode; "
      "lock "
      "table public.tasks, public.workers, public.gpuwarden_workers, public.gpuwarden_failures in row "
      "exclusive mode");
  const auto began = std::chrono::steady_clock::now();
  EXPECT_NO_THROW(Server::get().migrate(project().database));
  EXPECT_LT(since(began), seconds(30));
}

TEST_F(Locks, AFirstMigrationThatMeetsALockGivesUpInsteadOfHoldingEverybodyUp) {
  auto& server = Server::get();
  server.migrated("locked", existing_schema("text", "uuid", "") + "select 1;");
  server.query("locked", "drop index public.gpuwarden_tasks_recent");
  const OpenTransaction other("locked", "insert into public.tasks (task_type) values ('x')");
  const auto began = std::chrono::steady_clock::now();
  EXPECT_THROW(server.migrate("locked"), std::runtime_error);
  EXPECT_LT(since(began), seconds(30));
}

}  // namespace
}  // namespace gpuwarden::test
