// The daemon's own adapter against the real database: what one side writes, the other reads.
#include "gpuwarden/supabase/store.hpp"

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/supabase/codec.hpp"

#include "integration/sql/sql_world.hpp"

namespace gpuwarden::test {
namespace {

class Adapter : public SqlTest {
 protected:
  void SetUp() override {
    SqlTest::SetUp();
    fence = {"test", epoch};
    supabase::Settings settings;
    settings.url = project().gateway->url();
    settings.key = Secret(project().keys.secret);
    settings.max_attempts = 1;
    store = std::make_unique<supabase::SupabaseStore>(project().client, std::move(settings));
  }
  template <class T>
  T must(boost::asio::awaitable<Result<T>> work) {
    auto answer = Server::get().run(std::move(work));
    if (!answer) throw std::runtime_error(answer.error().message);
    return *answer;
  }
  Snapshot look() {
    ports::SnapshotQuery query;
    query.owner = "test";
    query.holder = "daemon";
    query.rescue_exempt = {"*_orchestrator*"};
    return must(store->snapshot(query));
  }
  void register_worker() {
    ports::Registration registration;
    registration.worker = id;
    registration.placement = {.gpu = "NVIDIA L4", .data_center = "EU-RO-1"};
    registration.image = "image:1";
    registration.script_hash = "hash";
    registration.generation = 3;
    registration.cost_per_hr = 0.4;
    ASSERT_EQ(must(store->register_worker(fence, registration)), ports::CasOutcome::done);
  }

  const WorkerId id{"gpu-test-20261124000000-0000abcd"};
  ports::Fence fence;
  std::unique_ptr<supabase::SupabaseStore> store;
};

TEST_F(Adapter, AWholeLifeOfAWorker) {
  register_worker();
  auto snapshot = look();
  ASSERT_EQ(snapshot.workers.size(), 1U);
  EXPECT_TRUE(snapshot.leader.leading);
  EXPECT_TRUE(snapshot.writable);
  EXPECT_EQ(snapshot.workers.at(0).phase, Phase::intent);
  EXPECT_EQ(snapshot.workers.at(0).placement.gpu, "NVIDIA L4");
  EXPECT_EQ(snapshot.workers.at(0).generation, 3);
  EXPECT_FALSE(snapshot.workers.at(0).heartbeat_age);

  ports::WorkerChange change;
  change.worker = id;
  change.expected = {WorkerStatus::spawning};
  change.phase = Phase::bootstrapping;
  change.step = BootStep::setup;
  change.pod = PodId("pod1");
  change.token_sha256 = sha256_hex("token");
  EXPECT_EQ(must(store->update_worker(fence, change)), ports::CasOutcome::done);
  EXPECT_EQ(look().workers.at(0).phase, Phase::bootstrapping);
  EXPECT_EQ(look().workers.at(0).step, BootStep::setup);
  EXPECT_EQ(look().workers.at(0).pod.str(), "pod1");

  const Pod pod{&project(), id.str(), "token"};
  pod.report({{"kind", "heartbeat"}, {"vram_total_mb", 100}});
  ports::WorkerChange active;
  active.worker = id;
  active.expected = {WorkerStatus::spawning};
  active.status = WorkerStatus::active;
  active.phase = Phase::idle;
  active.success = true;
  EXPECT_EQ(must(store->update_worker(fence, active)), ports::CasOutcome::done);
  EXPECT_EQ(must(store->update_worker(fence, active)), ports::CasOutcome::lost);
  add_task();
  const auto held = pod.claim();
  snapshot = look();
  EXPECT_EQ(snapshot.workers.at(0).phase, Phase::busy);
  EXPECT_TRUE(snapshot.workers.at(0).proven);
  EXPECT_EQ(snapshot.workers.at(0).vram_total_mb, 100);
  ASSERT_EQ(snapshot.running.size(), 1U);
  EXPECT_EQ(snapshot.queue.running, 1);
  ASSERT_EQ(snapshot.outcomes.size(), 1U);
  EXPECT_TRUE(snapshot.outcomes.at(0).success);

  pod.report(
      {{"kind", "crash"}, {"exit_code", nullptr}, {"signal", 9}, {"tail", {"last words"}}, {"ran_s", 2.5}});
  ASSERT_TRUE(look().workers.at(0).crash);
  EXPECT_EQ(look().workers.at(0).crash->tail, std::vector<std::string>{"last words"});
  ports::FailureRecord failure;
  failure.worker = id;
  failure.verdict.cause = FailureCause::worker_crashed;
  failure.verdict.summary = "killed";
  failure.pod = PodId("pod1");
  failure.phase = Phase::busy;
  const auto freed = must(store->fail_worker(fence, failure));
  EXPECT_TRUE(freed.done);
  ASSERT_EQ(freed.requeued.size(), 1U);
  EXPECT_EQ(freed.requeued.at(0).str(), held.at("id").get<std::string>());
  EXPECT_FALSE(must(store->fail_worker(fence, failure)).done);
  failure.verdict.cause = FailureCause::out_of_memory;
  EXPECT_EQ(must(store->add_evidence(fence, failure)), ports::CasOutcome::done);
  const auto failures = must(store->failures("test", std::chrono::hours(1), 10));
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_EQ(failures.at(0).cause, "out_of_memory");

  ports::WorkerChange end;
  end.worker = id;
  end.expected = {WorkerStatus::error};
  end.status = WorkerStatus::terminated;
  end.end_reason = "failed";
  EXPECT_EQ(must(store->update_worker(fence, end)), ports::CasOutcome::done);
  snapshot = look();
  EXPECT_TRUE(snapshot.workers.empty());
  ASSERT_EQ(snapshot.tombstones.size(), 1U);
  EXPECT_EQ(snapshot.tombstones.at(0).pod.str(), "pod1");
  EXPECT_EQ(must(store->workers("test", true, 10)).size(), 1U);
  EXPECT_EQ(must(store->worker(id))->status, "terminated");
  EXPECT_FALSE(must(store->worker(WorkerId("gpu-nobody"))));
  EXPECT_EQ(must(store->tasks("", 10)).size(), 1U);
}

TEST_F(Adapter, BreakerMemoryRescueResignAndHealth) {
  BreakerMemory memory;
  memory.state = BreakerState::open;
  memory.generation = 4;
  memory.pause = std::chrono::minutes(4);
  memory.reason = "5 of 5";
  memory.scopes.push_back({.key = "host|RTX 4090|EU-RO-1",
                           .state = BreakerState::open,
                           .since = *parse_time("2026-11-24T01:40:00.123Z"),
                           .pause = std::chrono::minutes(2),
                           .canary_successes = 0,
                           .reason = "three in a row"});
  EXPECT_EQ(must(store->save_breaker(fence, memory)), ports::CasOutcome::done);
  const auto breaker = look().breaker;
  EXPECT_EQ(breaker.state, BreakerState::open);
  EXPECT_EQ(breaker.generation, 4);
  EXPECT_EQ(breaker.pause, Duration(std::chrono::minutes(4)));
  EXPECT_EQ(breaker.scopes, memory.scopes);
  add_task("task_type, status, updated_at, created_at",
           "'x', 'In Progress', now() - interval '1 day', now() - interval '1 day'");
  EXPECT_EQ(look().rescuable, 1);
  EXPECT_EQ(must(store->rescue_tasks(fence, {})).requeued.size(), 1U);
  const auto health = must(store->health());
  EXPECT_EQ(health.schema_version, supabase::kSchemaVersion);
  EXPECT_TRUE(health.missing.empty());
  EXPECT_TRUE(health.writable);
  EXPECT_EQ(must(store->resign(fence, "daemon")), ports::CasOutcome::done);
}

TEST_F(Adapter, AnOperatorsWordIsStoredAndASaveOfBeforeAResetIsLost) {
  using Kind = ports::OperatorCommand::Kind;
  const auto say = [&](Kind kind, std::optional<Duration> lasting = {}) {
    return must(store->operate("test", {kind, "ann", "looking", lasting}));
  };
  EXPECT_TRUE(say(Kind::pause).switches.paused);
  EXPECT_EQ(look().switches.paused_by, "ann");
  EXPECT_TRUE(say(Kind::resume).done);
  EXPECT_FALSE(say(Kind::resume).done);
  EXPECT_TRUE(say(Kind::hold, std::chrono::hours(2)).breaker_override);
  ASSERT_TRUE(look().breaker_override);
  EXPECT_EQ(look().breaker_override->kind, BreakerOverride::Kind::hold);
  EXPECT_LE(look().breaker_override->expires_in, Duration(std::chrono::hours(2)));
  EXPECT_EQ(say(Kind::release).breaker_override->kind, BreakerOverride::Kind::release);
  EXPECT_FALSE(say(Kind::clear).breaker_override);

  BreakerMemory decided = look().breaker;
  ++decided.generation;
  decided.state = BreakerState::open;
  EXPECT_GT(say(Kind::reset).generation, decided.generation);
  EXPECT_EQ(must(store->save_breaker(fence, decided)), ports::CasOutcome::lost);
  EXPECT_EQ(look().breaker.state, BreakerState::closed);
  EXPECT_EQ(look().breaker.reason, "reset by ann: looking");
}

TEST_F(Adapter, Case01AnUnreadableDatabaseIsAnErrorAndNeverAnEmptyList) {
  register_worker();
  project().gateway->set_outage(sandbox::Outage::unreadable);
  ports::SnapshotQuery query;
  query.owner = "test";
  query.holder = "daemon";
  const auto answer = Server::get().run(store->snapshot(query));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::unavailable);
  EXPECT_FALSE(Server::get().run(store->workers("test", false, 10)));
  project().gateway->set_outage(sandbox::Outage::none);
  EXPECT_EQ(look().workers.size(), 1U);
}

TEST_F(Adapter, AnUnwritableDatabaseShowsTheFleetAndSaysThatItCannotWrite) {
  register_worker();
  project().gateway->set_outage(sandbox::Outage::unwritable);
  const auto snapshot = look();
  EXPECT_FALSE(snapshot.writable);
  EXPECT_FALSE(snapshot.leader.leading);
  EXPECT_EQ(snapshot.workers.size(), 1U);
  ports::WorkerChange change;
  change.worker = id;
  change.expected = {WorkerStatus::spawning};
  change.phase = Phase::starting;
  const auto answer = Server::get().run(store->update_worker(fence, change));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, "25006");
}

TEST_F(Adapter, CountsOfTheEdgeFunctionAndALegacyKeyWorkToo) {
  add_task();
  supabase::Settings settings;
  settings.url = project().gateway->url();
  settings.key = Secret(project().gateway->legacy_service_key());
  settings.count_by_edge_function = true;
  supabase::SupabaseStore other(project().client, std::move(settings));
  ports::SnapshotQuery query;
  query.owner = "test";
  const auto snapshot = must(other.snapshot(query));
  EXPECT_EQ(snapshot.queue.queued, 1);
  EXPECT_FALSE(snapshot.leader.leading);
}

}  // namespace
}  // namespace gpuwarden::test
