// The gateway's key rules and outages, as Supabase's clients meet them.
#include "integration/sql/sql_world.hpp"

namespace gpuwarden::test {
namespace {

class GatewayRules : public SqlTest {
 protected:
  Answer health(const http::Headers& headers) {
    return project().call("POST", "/rest/v1/rpc/gpuwarden_health", headers, Json::object());
  }
  static Json snapshot_arguments() { return {{"owner_param", "test"}, {"holder_param", "daemon"}}; }
};

TEST_F(GatewayRules, ASecretKeyBelongsInApikeyAlone) {
  const auto& secret = project().keys.secret;
  EXPECT_EQ(health({{"apikey", secret}}).status, 200);
  const auto both = health({{"apikey", secret}, {"Authorization", "Bearer " + secret}});
  EXPECT_EQ(both.status, 401);
  EXPECT_EQ(both.body.at("code"), "PGRST301");
  EXPECT_EQ(both.body.at("message"), "Expected 3 parts in JWT; got 1");
  EXPECT_EQ(health({{"Authorization", "Bearer " + secret}}).status, 401);
  EXPECT_EQ(health({{"apikey", secret}, {"User-Agent", "Mozilla/5.0 (X11)"}}).status, 401);
  EXPECT_EQ(health({{"apikey", "sb_secret_wrong"}}).status, 401);
  EXPECT_EQ(health({}).body.at("message"), "No API key found in request");
}

TEST_F(GatewayRules, ALegacyKeyGoesInBothHeaders) {
  const auto service = project().gateway->legacy_service_key();
  const auto anon = project().gateway->legacy_anon_key();
  EXPECT_EQ(health({{"apikey", service}, {"Authorization", "Bearer " + service}}).status, 200);
  EXPECT_EQ(health({{"apikey", anon}, {"Authorization", "Bearer " + anon}}).body.value("code", ""), "42501");
  auto forged = service;
  forged.back() = forged.back() == 'A' ? 'B' : 'A';
  forged[forged.size() - 10] = forged[forged.size() - 10] == 'A' ? 'B' : 'A';
  EXPECT_EQ(health({{"apikey", forged}, {"Authorization", "Bearer " + forged}}).status, 401);
}

TEST_F(GatewayRules, TheEdgeFunctionCountsWhatTheQueueFunctionCounts) {
  add_task();
  add_task("task_type, status", "'x', 'In Progress'");
  const auto answer = project().call("POST", "/functions/v1/task-counts", Key::secret, {{"run_type", "gpu"}});
  ASSERT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body.at("totals").at("queued_only"), 1);
  EXPECT_EQ(answer.body.at("totals").at("active_only"), 1);
  EXPECT_EQ(answer.body.at("totals").at("queued_plus_active"), 2);
  EXPECT_EQ(project().call("POST", "/functions/v1/task-counts", Key::publishable, Json::object()).status,
            401);
}

TEST_F(GatewayRules, RequestsAreCountedByFunction) {
  const auto before = project().gateway->requests();
  project().snapshot();
  project().call("GET", "/rest/v1/tasks?select=id", Key::secret);
  const auto& after = project().gateway->requests();
  EXPECT_EQ(after.at("gpuwarden_snapshot"), before.at("gpuwarden_snapshot") + 1);
  EXPECT_EQ(after.at("GET /tasks"), (before.contains("GET /tasks") ? before.at("GET /tasks") : 0) + 1);
}

TEST_F(GatewayRules, AnUnwritableDatabaseIsSaidByTheDatabaseItself) {
  const auto pod = worker("aaaaaaaa");
  add_task();
  const auto expires = project().rows("select expires_at from public.gpuwarden_leaders");
  project().gateway->set_outage(sandbox::Outage::unwritable);
  const auto snapshot = project().snapshot();
  EXPECT_FALSE(snapshot.at("writable"));
  EXPECT_FALSE(snapshot.at("leader").at("leading"));
  EXPECT_EQ(snapshot.at("workers").size(), 1U) << "reading still works";
  EXPECT_EQ(project().rows("select expires_at from public.gpuwarden_leaders"), expires);
  EXPECT_FALSE(project().ask("gpuwarden_health", Json::object()).at("writable"));
  const auto report = pod.report({{"kind", "heartbeat"}});
  EXPECT_EQ(report.status, 405) << report.text;
  EXPECT_EQ(report.body.at("code"), "25006");
  EXPECT_EQ(
      project()
          .rpc("gpuwarden_save_state",
               {{"owner_param", "test"}, {"epoch_param", epoch}, {"key_param", "k"}, {"value_param", 1}})
          .body.at("code"),
      "25006");
  project().gateway->set_outage(sandbox::Outage::none);
  EXPECT_TRUE(project().snapshot().at("writable"));
  EXPECT_EQ(pod.report({{"kind", "heartbeat"}}).status, 200);
}

TEST_F(GatewayRules, AnUnreadableDatabaseStillTakesWrites) {
  const auto pod = worker("aaaaaaaa");
  project().gateway->set_outage(sandbox::Outage::unreadable);
  const auto answer = project().rpc("gpuwarden_snapshot", snapshot_arguments());
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.body.at("code"), "PGRST001");
  EXPECT_EQ(project().call("GET", "/rest/v1/workers", Key::secret).status, 503);
  EXPECT_EQ(pod.report({{"kind", "heartbeat"}}).status, 200);
}

TEST_F(GatewayRules, OtherOutagesDropAnswerHtmlDelayOrCutOffPods) {
  const auto pod = worker("aaaaaaaa");
  project().gateway->set_outage(sandbox::Outage::down);
  EXPECT_EQ(project().rpc("gpuwarden_snapshot", snapshot_arguments()).status, 0);
  project().gateway->set_outage(sandbox::Outage::html520);
  const auto page = project().rpc("gpuwarden_snapshot", snapshot_arguments());
  EXPECT_EQ(page.status, 520);
  EXPECT_TRUE(page.text.starts_with("<!DOCTYPE html>"));
  project().gateway->set_outage(sandbox::Outage::none);
  project().gateway->cut_off_pods(sandbox::PodAccess::none);
  EXPECT_EQ(pod.report({{"kind", "ping"}}).status, 0);
  EXPECT_TRUE(project().snapshot().at("writable"));
  project().gateway->cut_off_pods(sandbox::PodAccess::all);
  project().gateway->set_delay(std::chrono::milliseconds(200));
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(pod.report({{"kind", "ping"}}).status, 200);
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(200));
}

TEST_F(GatewayRules, TheRowCapCutsTablesButNotOurAnswers) {
  project().exec("insert into public.tasks (task_type) select 'x' from generate_series(1, 1500)");
  EXPECT_EQ(project().call("GET", "/rest/v1/tasks?select=id", Key::secret).body.size(), 1000U);
  EXPECT_EQ(project().ask("gpuwarden_list_tasks", {{"status_param", nullptr}, {"limit_param", 1400}}).size(),
            1400U);
  EXPECT_EQ(project().snapshot().at("queue").at("queued"), 1500);
}

}  // namespace
}  // namespace gpuwarden::test
