// What a report on failures reads: complete for the window, small whatever the evidence weighs, as of one
// moment.
#include "gpuwarden/diagnosis/report.hpp"
#include "gpuwarden/supabase/codec.hpp"

#include "integration/sql/sql_world.hpp"

namespace gpuwarden::test {
namespace {

class IncidentAnswer : public SqlTest {
 protected:
  static Json ask(double since = 7200, int limit = 1000, const std::string& owner = "test") {
    return project().ask("gpuwarden_incident",
                         {{"owner_param", owner}, {"since_sec_param", since}, {"limit_param", limit}});
  }
  static Incident read(double since = 7200, int limit = 1000) {
    const auto incident = supabase::parse_incident(ask(since, limit).dump());
    if (!incident) throw std::runtime_error(incident.error().message);
    return *incident;
  }
  static Json verdict(const std::string& fingerprint, Json more = Json::object()) {
    Json failure{{"summary", "it did not start"},
                 {"evidence_line", "error: " + fingerprint},
                 {"advice", "mend it"},
                 {"fingerprint", fingerprint},
                 {"scope", "image_and_script"},
                 {"phase", "bootstrapping:start"},
                 {"pod_id", "pod"},
                 {"cost_usd", 0.5},
                 {"evidence",
                  {{"exit_code", 2},
                   {"signal", "SIGTERM"},
                   {"channel", "report"},
                   {"missing", {"probe over SSH: refused"}},
                   {"probe", {{"ps", "1"}}},
                   {"tails", {{"bootstrap", {"b"}}, {"worker", {"first", "last"}}}}}}};
    failure.update(more);
    return failure;
  }
};

TEST_F(IncidentAnswer, TellsAFailureWithWhatItsWorkerHadShown) {
  const auto pod = worker("aaaaaaaa");
  add_task();
  pod.report({{"kind", "step"}, {"step", "start"}, {"event", "begin"}, {"commit", "0123abc"}});
  pod.report({{"kind", "heartbeat"}});
  pod.claim();
  project().exec("update public.gpuwarden_workers set image = 'img', script_hash = 'hash', canary = true");
  fail_worker(pod.id, "start_failed", verdict("f1"));
  const Incident incident = read();
  ASSERT_EQ(incident.failures.size(), 1U);
  const FailedWorker& failed = incident.failures[0];
  EXPECT_EQ(failed.worker.str(), pod.id);
  EXPECT_EQ(failed.cause, "start_failed");
  EXPECT_EQ(failed.evidence_line, "error: f1");
  EXPECT_EQ(failed.last_words, (std::vector<std::string>{"first", "last"}))
      << "the worker's own, not the script's";
  EXPECT_EQ(failed.image + failed.script_hash + failed.git_commit, "imghash0123abc");
  EXPECT_TRUE(failed.canary && failed.heartbeat && failed.reported && failed.claimed && failed.probed);
  EXPECT_EQ(failed.exit_code, 2);
  EXPECT_EQ(failed.signal, "SIGTERM");
  EXPECT_EQ(failed.channel, "report");
  EXPECT_EQ(failed.missing, std::vector<std::string>{"probe over SSH: refused"});
  EXPECT_EQ(failed.tasks, 1);
  EXPECT_TRUE(failed.registered_at);
  EXPECT_EQ(incident.tasks, (std::map<std::string, long>{{"Queued", 1}}));
  ASSERT_EQ(incident.starts.size(), 1U);
  EXPECT_FALSE(incident.starts[0].success);
  EXPECT_EQ(incident.starts[0].git_commit, "0123abc");
  EXPECT_EQ(incident.failed, 1);
  EXPECT_EQ(incident.failed_usd, 0.5);
  EXPECT_EQ(incident.leader, "daemon");
  EXPECT_GT(incident.leader_expires_in, Duration{0});
  EXPECT_EQ(incident.queue.queued, 1);
  EXPECT_EQ(incident.live.error, 1);
}

TEST_F(IncidentAnswer, ClaimsNothingOfAWorkerThatNeverCameUp) {
  const auto pod = worker("aaaaaaaa", "spawning");
  fail_worker(pod.id, "provision_timeout", {{"fingerprint", "f"}, {"evidence", Json::object()}});
  const Incident incident = read();
  const FailedWorker& failed = incident.failures.at(0);
  EXPECT_FALSE(failed.heartbeat || failed.reported || failed.claimed || failed.probed);
  EXPECT_EQ(failed.exit_code, std::nullopt);
  EXPECT_EQ(failed.channel, "");
  EXPECT_TRUE(failed.last_words.empty());
}

TEST_F(IncidentAnswer, EvidenceOfAnyShapeIsRead) {
  int number = 0;
  for (const Json& evidence :
       {Json(nullptr), Json(7), Json("text"), Json::array({1}),
        Json{{"tails", 1}, {"probe", "x"}, {"missing", {}}},
        Json{{"exit_code", {1}}, {"signal", Json::object()}, {"channel", 5}, {"missing", {nullptr, 7}}},
        Json{{"tails", {{"worker", {nullptr, 3}}}}}}) {
    const auto pod = worker("aaaaaaa" + std::to_string(number));
    fail_worker(pod.id, "start_failed", verdict("f" + std::to_string(number++), {{"evidence", evidence}}));
  }
  EXPECT_EQ(read().failures.size(), 7U);
}

TEST_F(IncidentAnswer, FiftyPodsWithOneFaultAreReportedAsOne) {
  project().exec(
      "insert into public.gpuwarden_failures (worker_id, owner, cause, fingerprint, summary, evidence_line, "
      "pod_id, "
      "cost_usd, created_at) select 'gpu-' || n, 'test', 'start_failed', 'same', 'it did not start', 'error: "
      "same', "
      "'pod' || n, 0.02, now() - make_interval(secs => n) from generate_series(1, 50) n");
  const auto report = diagnosis::make_report(read(), std::chrono::hours(2));
  ASSERT_EQ(report.causes.size(), 1U);
  EXPECT_EQ(report.headline, "start_failed on 50 pods, $1.00: error: same");
}

TEST_F(IncidentAnswer, AThousandFailuresWithFullEvidenceAreASmallAnswer) {
  project().exec(
      "insert into public.gpuwarden_failures (worker_id, owner, cause, fingerprint, evidence_line, evidence, "
      "created_at) select 'gpu-' || n, 'test', 'start_failed', 'f' || n % 40, 'error', "
      "jsonb_build_object('exit_code', 2, 'tails', jsonb_build_object('worker', (select jsonb_agg(md5(n || ' "
      "' || l) "
      "|| repeat('x', 500)) from generate_series(1, 100) l))), now() - make_interval(secs => n) from "
      "generate_series(1, 1000) n");
  const auto began = std::chrono::steady_clock::now();
  const Json answer = ask();
  const auto took = std::chrono::steady_clock::now() - began;
  EXPECT_EQ(answer.at("failures").size(), 1000U);
  EXPECT_LT(answer.dump().size(), 512U * 1024);
  EXPECT_LT(took, std::chrono::seconds(10));
  long spoken = 0, ended = 0;
  for (const Json& failure : answer.at("failures")) {
    spoken += failure.contains("evidence_line") ? 1 : 0;
    ended += failure.contains("last_words") ? 1 : 0;
    EXPECT_EQ(failure.at("exit_code"), 2);
  }
  EXPECT_EQ(spoken, 40) << "the newest one of each fault";
  EXPECT_EQ(ended, 20);
  RecordProperty("milliseconds",
                 static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()));
  RecordProperty("bytes", static_cast<int>(answer.dump().size()));
}

TEST_F(IncidentAnswer, WhatTheLimitCutsIsCountedAllTheSame) {
  for (const char* name : {"aaaaaaaa", "bbbbbbbb", "cccccccc"})
    fail_worker(worker(name).id, "start_failed", verdict("f"));
  const Incident incident = read(7200, 2);
  EXPECT_EQ(incident.failures.size(), 2U);
  EXPECT_EQ(incident.failed, 3);
  EXPECT_NEAR(incident.failed_usd, 1.5, 1e-9);
}

TEST_F(IncidentAnswer, StartsReachBackBeyondTheWindowAndFailuresDoNot) {
  const auto old = worker("aaaaaaaa"), good = worker("bbbbbbbb");
  fail_worker(old.id, "start_failed", verdict("f"));
  update(good.id, {"active"}, {{"success", true}});
  project().exec(
      "update public.gpuwarden_failures set created_at = now() - interval '3 hours'; "
      "update public.gpuwarden_workers set outcome_at = now() - interval '3 days' where outcome = 'success'");
  const Incident incident = read();
  EXPECT_TRUE(incident.failures.empty());
  EXPECT_EQ(incident.failed, 0);
  ASSERT_EQ(incident.starts.size(), 2U);
  EXPECT_TRUE(incident.starts[1].success);
  EXPECT_EQ(read(4 * 3600).failures.size(), 1U);
}

TEST_F(IncidentAnswer, StateIsThatOfTheSnapshotAndOfThisOwnerOnly) {
  fail_worker(worker("aaaaaaaa").id, "start_failed", verdict("f"));
  for (const auto* command : {"pause", "breaker_hold"})
    project().ask("gpuwarden_operator", {{"owner_param", "test"},
                                         {"command_param", command},
                                         {"actor_param", "ann"},
                                         {"reason_param", "because"}});
  const Json answer = ask(), seen = project().snapshot();
  EXPECT_EQ(answer.at("switches"), seen.at("switches"));
  EXPECT_EQ(answer.at("breaker_override").at("actor"), "ann");
  EXPECT_EQ(answer.at("queue"), seen.at("queue"));
  const Json other = ask(7200, 1000, "other");
  EXPECT_EQ(other.at("failures"), Json::array());
  EXPECT_EQ(other.at("failed").at("count"), 0);
  EXPECT_EQ(other.at("switches").at("paused"), false);
  EXPECT_EQ(other.at("leader").at("holder"), "");
}

TEST_F(IncidentAnswer, IsNothingForPods) {
  const Json arguments{{"owner_param", "test"}, {"since_sec_param", 60}, {"limit_param", 1}};
  EXPECT_EQ(project().rpc("gpuwarden_incident", arguments, Key::publishable).status, 401);
}

}  // namespace
}  // namespace gpuwarden::test
