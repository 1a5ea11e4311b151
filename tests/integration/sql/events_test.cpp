// The life of workers and tasks as rows of gpuwarden_events: what writes one, what writes none, and that no
// event ever stands in the way of what it tells of.
#include <chrono>
#include <set>

#include "gpuwarden/supabase/store.hpp"

#include "integration/sql/sql_world.hpp"

namespace gpuwarden::test {
namespace {

class Events : public SqlTest {
 protected:
  static Json events(Json more = Json::object()) {
    Json arguments{{"owner_param", "test"}};
    arguments.update(more);
    return project().ask("gpuwarden_list_events", arguments);
  }
  /// The words of all events of a worker, in order; a phase as "-> phase".
  static std::vector<std::string> told(const std::string& worker) {
    std::vector<std::string> words;
    for (const Json& event : events({{"worker_id_param", worker}})) {
      const auto word = event.at("event").get<std::string>();
      words.push_back(word == "phase" ? "-> " + event.at("detail").at("phase").get<std::string>() : word);
    }
    return words;
  }
  static std::size_t count() { return events().size(); }
  static Json detail(const std::string& event) {
    return project().rows("select detail from public.gpuwarden_events where event = '" + event +
                          "' order by id desc limit 1")[0]["detail"];
  }
};

using Words = std::vector<std::string>;

TEST_F(Events, TheWholeLifeOfAWorkerIsThereInOrder) {
  const auto pod = worker("aaaaaaaa", "spawning");
  pod.report({{"kind", "step"}, {"step", "preflight"}, {"event", "begin"}});
  pod.report({{"kind", "step"}, {"step", "setup"}, {"event", "begin"}});
  pod.report({{"kind", "heartbeat"}});
  update(pod.id, {"spawning"}, {{"status", "active"}, {"phase", "idle"}, {"success", true}});
  add_task();
  ASSERT_TRUE(pod.complete(pod.claim()).at("accepted"));
  update(pod.id, {"active"},
         {{"status", "terminating"}, {"phase", "draining"}, {"drain_reason", "too many"}});
  update(pod.id, {"terminating"}, {{"phase", "deleting"}});
  update(pod.id, {"terminating"},
         {{"status", "terminated"}, {"phase", "gone"}, {"end_reason", "gone twice"}});
  EXPECT_EQ(told(pod.id), (Words{"registered", "pod", "-> starting", "-> bootstrapping:preflight",
                                 "-> bootstrapping:setup", "first_heartbeat", "-> idle", "task_claimed",
                                 "task_completed", "drain", "-> draining", "-> deleting", "ended"}));
  EXPECT_EQ(detail("registered").at("gpu"), "NVIDIA GeForce RTX 4090");
  EXPECT_EQ(detail("pod").at("pod"), "pod-aaaaaaaa");
  EXPECT_EQ(detail("drain").at("reason"), "too many");
  EXPECT_EQ(detail("ended").at("reason"), "gone twice");
  EXPECT_EQ(detail("ended").at("before"), "deleting");
}

TEST_F(Events, AHeartbeatAStepThatIsReportedAgainAndAChangeThatChangesNothingWriteNone) {
  const auto pod = worker("aaaaaaaa");
  pod.report({{"kind", "heartbeat"}});
  const auto before = count();
  for (int i = 0; i < 5; ++i) pod.report({{"kind", "heartbeat"}, {"vram_used_mb", 100 + i}});
  pod.report({{"kind", "ping"}});
  update(pod.id, {"active"}, {{"phase", "starting"}});
  project().exec("select public.func_update_worker_heartbeat('" + pod.id + "')");
  EXPECT_EQ(count(), before);
}

TEST_F(Events, AFailureACrashAndASharperVerdictAreToldWithTheirWords) {
  const auto pod = worker("aaaaaaaa");
  const auto id = add_task();
  pod.claim();
  pod.report({{"kind", "crash"}, {"exit_code", 2}, {"tail", {"first", "worker.py: error: boom"}}});
  pod.report({{"kind", "crash"}, {"exit_code", 3}, {"tail", Json::array()}});
  ASSERT_TRUE(fail_worker(pod.id, "worker_crashed").at("done"));
  const Json sharper{{"cause", "gpu_error"}, {"evidence_line", "Xid 79"}};
  for (int i = 0; i < 2; ++i)
    project().ask("gpuwarden_add_evidence", {{"worker_id_param", pod.id},
                                             {"owner_param", "test"},
                                             {"epoch_param", epoch},
                                             {"failure_param", sharper}});
  EXPECT_EQ(told(pod.id), (Words{"registered", "pod", "-> starting", "task_claimed", "crash", "failed",
                                 "-> collecting", "task_requeued", "verdict"}));
  EXPECT_EQ(detail("crash").at("exit_code"), 2);
  EXPECT_EQ(detail("crash").at("line"), "worker.py: error: boom");
  EXPECT_EQ(detail("failed").at("cause"), "worker_crashed");
  EXPECT_EQ(detail("failed").at("evidence_line"), "the line");
  EXPECT_EQ(detail("verdict").at("before"), "worker_crashed");
  EXPECT_EQ(detail("verdict").at("cause"), "gpu_error");
  EXPECT_EQ(detail("task_requeued").at("attempt"), 1);
  const auto story = project().ask("gpuwarden_get_task", {{"task_id_param", id}});
  EXPECT_EQ(story.at("events").size(), 2U);
  ASSERT_EQ(story.at("failures").size(), 1U);
  EXPECT_EQ(story.at("failures")[0].at("worker_id"), pod.id);
  EXPECT_FALSE(story.at("failures")[0].contains("evidence"));
}

TEST_F(Events, ATasksAttemptsAreToldByEachOfTheWaysInWhichTheyEnd) {
  const auto first = worker("aaaaaaaa"), second = worker("bbbbbbbb"), third = worker("cccccccc");
  project().exec(
      "insert into public.gpuwarden_state (owner, key, value) values ('test', 'settings', "
      "'{\"task_max_attempts\": 3}')");
  const auto id = add_task();
  const auto held = first.claim();
  EXPECT_EQ(first.claim().at("id"), id) << "a repeated claim is no second one";
  ASSERT_TRUE(first.fail(held, "bad input").at("accepted"));
  EXPECT_EQ(first.fail(held, "bad input").at("reason"), "already");
  second.claim();
  project().exec("update public.gpuwarden_workers set status = 'error' where worker_id = '" + second.id +
                 "'");
  ASSERT_EQ(project()
                .ask("gpuwarden_rescue_tasks", {{"owner_param", "test"},
                                                {"epoch_param", epoch},
                                                {"options_param", {{"task_max_attempts", 3}}}})
                .at("requeued"),
            Json::array({id}));
  ASSERT_TRUE(third.fail(third.claim(), "bad input again").at("accepted"));
  const auto story = project().ask("gpuwarden_get_task", {{"task_id_param", id}});
  EXPECT_EQ(story.at("status"), "Failed");
  Json words = Json::array();
  for (const Json& event : story.at("events"))
    words.push_back({event.at("event"), event.at("detail").at("attempt"), event.at("worker_id")});
  EXPECT_EQ(words, (Json{{"task_claimed", 1, first.id},
                         {"task_failed", 1, first.id},
                         {"task_requeued", 1, first.id},
                         {"task_claimed", 2, second.id},
                         {"task_rescued", 2, second.id},
                         {"task_requeued", 2, second.id},
                         {"task_claimed", 3, third.id},
                         {"task_failed", 3, third.id},
                         {"task_given_up", 3, third.id}}));
  EXPECT_TRUE(project()
                  .ask("gpuwarden_get_task", {{"task_id_param", "00000000-0000-0000-0000-000000000000"}})
                  .is_null());
}

TEST_F(Events, TheFunctionsOfExistingWorkersTellOfTheirTasksToo) {
  const auto pod = worker("aaaaaaaa");
  const auto done = add_task(), bad = add_task();
  project().exec("select * from public.func_claim_available_task('" + pod.id +
                 "'); "
                 "select public.func_mark_task_complete('" +
                 done +
                 "'); "
                 "select * from public.func_claim_available_task('" +
                 pod.id +
                 "'); "
                 "select public.func_mark_task_failed('" +
                 bad + "', 'no')");
  EXPECT_EQ(told(pod.id), (Words{"registered", "pod", "-> starting", "task_claimed", "task_completed",
                                 "task_claimed", "task_given_up"}));
  const auto before = count();
  const auto foreign = add_task("task_type, status, worker_id", "'x', 'In Progress', 'api-worker-1'");
  project().exec("select public.func_mark_task_complete('" + foreign + "')");
  EXPECT_EQ(count(), before) << "what is not ours is not ours to tell";
}

TEST_F(Events, WithoutTheTableOrBehindItsLockEverythingGoesOn) {
  const auto pod = worker("aaaaaaaa");
  add_task();
  add_task();
  {
    const OpenTransaction other(project().database,
                                "lock table public.gpuwarden_events in access exclusive mode");
    const auto began = std::chrono::steady_clock::now();
    EXPECT_TRUE(pod.complete(pod.claim()).at("accepted"));
    EXPECT_EQ(pod.report({{"kind", "crash"}, {"exit_code", 1}}).status, 200);
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(3));
  }
  project().exec("alter table public.gpuwarden_events rename to events_away");
  const auto held = pod.claim();
  EXPECT_TRUE(held.is_object()) << held;
  EXPECT_TRUE(fail_worker(pod.id, "worker_crashed").at("done"));
  EXPECT_EQ(task(held.at("id")).at("status"), "Queued");
  project().exec("alter table public.events_away rename to gpuwarden_events");
}

TEST_F(Events, AreListedByWorkerBehindAnIdAndByAge) {
  const auto one = worker("aaaaaaaa"), two = worker("bbbbbbbb");
  const auto all = events();
  ASSERT_EQ(all.size(), 6U);
  EXPECT_EQ(events({{"worker_id_param", two.id}}).size(), 3U);
  const auto third = all[2].at("id").get<long>();
  const auto behind = events({{"after_id_param", third}, {"limit_param", 2}});
  ASSERT_EQ(behind.size(), 2U);
  EXPECT_EQ(behind[0].at("id"), all[3].at("id")) << "the first behind it, oldest first";
  const auto newest = events({{"limit_param", 2}});
  EXPECT_EQ(newest[1].at("id"), all[5].at("id")) << "without an id the newest, oldest first";
  EXPECT_EQ(newest[0].at("id"), all[4].at("id"));
  project().exec("update public.gpuwarden_events set at = now() - interval '2 hours' where worker_id = '" +
                 one.id + "'");
  EXPECT_EQ(events({{"since_sec_param", 3600}}).size(), 3U);
  EXPECT_EQ(events({{"since_sec_param", 3600}, {"worker_id_param", one.id}}).size(), 0U);
  EXPECT_EQ(project().ask("gpuwarden_list_events", {{"owner_param", "other"}}).size(), 0U);
}

TEST_F(Events, TheSameFaultOnManyPodsIsOneGroup) {
  for (int i = 0; i < 3; ++i)
    fail_worker(worker("aaaaaaa" + std::to_string(i)).id, "start_failed", {{"fingerprint", "f1"}});
  fail_worker(worker("bbbbbbbb").id, "gpu_error", {{"fingerprint", ""}});
  const auto groups = project().ask(
      "gpuwarden_failure_groups", {{"owner_param", "test"}, {"since_sec_param", 3600}, {"limit_param", 10}});
  ASSERT_EQ(groups.size(), 2U) << groups;
  EXPECT_EQ(groups[0].at("pods"), 3);
  EXPECT_EQ(groups[0].at("cause"), "start_failed");
  EXPECT_NEAR(groups[0].at("cost_usd").get<double>(), 0.75, 1e-9);
  EXPECT_EQ(groups[0].at("worker_id"), "gpu-test-20261124000000-aaaaaaa2") << "the newest one's";
  EXPECT_EQ(groups[1].at("fingerprint"), "gpu_error") << "without a fingerprint the cause is one";
}

class Prune : public Events {
 protected:
  /// A failure and an event whose age is `days` and `more`, by the clock of the transaction that prunes.
  static std::string aged(const std::string& worker, const std::string& more, bool ended = true) {
    return "insert into public.gpuwarden_workers (worker_id, owner, epoch, status, ended_at) values ('" +
           worker + "', 'test', 1, 'terminated', " + (ended ? "now()" : "null") +
           "); insert into public.gpuwarden_failures (worker_id, owner, cause, created_at) values ('" +
           worker + "', 'test', 'gpu_error', now() - interval '720 hours' " + more +
           "); delete from public.gpuwarden_events where worker_id = '" + worker +
           "'; insert into public.gpuwarden_events (owner, worker_id, event, at) values ('test', '" + worker +
           "', 'phase', now() - interval '720 hours' " + more + "); ";
  }
  std::string pruned(int days) const {
    return "select public.gpuwarden_prune('test', " + std::to_string(epoch) + ", " + std::to_string(days) +
           ");";
  }
  static std::set<std::string> left(const std::string& table) {
    std::set<std::string> workers;
    for (const Json& row : project().rows("select worker_id from public." + table))
      workers.insert(row["worker_id"]);
    return workers;
  }
};

TEST_F(Prune, DeletesWhatIsOlderThanTheLimitToTheMillisecondAndKeepsTheRest) {
  project().exec("begin; " + aged("older", "- interval '1 millisecond'") + aged("exact", "") +
                 aged("younger", "+ interval '1 millisecond'") + aged("alive", "- interval '1 day'", false) +
                 pruned(30) + " commit;");
  EXPECT_EQ(left("gpuwarden_failures"), (std::set<std::string>{"exact", "younger", "alive"}))
      << "a worker that has not ended keeps its failure";
  EXPECT_EQ(left("gpuwarden_events"), (std::set<std::string>{"exact", "younger"}));
}

TEST_F(Prune, TakesAThousandRowsACallUntilNothingOldIsLeft) {
  project().exec(
      "insert into public.gpuwarden_failures (worker_id, owner, cause, created_at) select 'w' || n, 'test', "
      "'gpu_error', now() - interval '40 days' from generate_series(1, 1200) n; truncate "
      "public.gpuwarden_events; insert into public.gpuwarden_events (owner, worker_id, event, at) select "
      "'test', 'w' || n, 'phase', now() - interval '40 days' from generate_series(1, 900) n; insert into "
      "public.gpuwarden_events (owner, worker_id, event, at) values ('other', 'x', 'phase', now() - interval "
      "'40 days')");
  const Json call{{"owner_param", "test"}, {"epoch_param", epoch}, {"days_param", 30}};
  const auto first = project().ask("gpuwarden_prune", call), second = project().ask("gpuwarden_prune", call),
             third = project().ask("gpuwarden_prune", call);
  EXPECT_EQ(first,
            (Json{{"done", true}, {"reason", "pruned"}, {"failures", 1000}, {"events", 0}, {"more", true}}));
  EXPECT_EQ(second,
            (Json{{"done", true}, {"reason", "pruned"}, {"failures", 200}, {"events", 800}, {"more", true}}));
  EXPECT_EQ(third,
            (Json{{"done", true}, {"reason", "pruned"}, {"failures", 0}, {"events", 100}, {"more", false}}));
  EXPECT_EQ(left("gpuwarden_events"), (std::set<std::string>{"x"})) << "another owner's are its own business";
}

TEST_F(Prune, IsRefusedToWhoDoesNotLeadAndToLessThanADay) {
  project().exec(aged("older", "- interval '1 day'"));
  const auto refused = project().ask(
      "gpuwarden_prune", {{"owner_param", "test"}, {"epoch_param", epoch + 1}, {"days_param", 30}});
  EXPECT_EQ(refused, (Json{{"done", false}, {"reason", "not_leader"}}));
  EXPECT_EQ(project()
                .rpc("gpuwarden_prune", {{"owner_param", "test"}, {"epoch_param", epoch}, {"days_param", 0}})
                .status,
            400);
  EXPECT_EQ(left("gpuwarden_failures").size(), 1U);
}

TEST_F(Prune, TheStoreReadsWhatTheDatabaseWrites) {
  auto& server = Server::get();
  supabase::Settings settings;
  settings.url = project().gateway->url();
  settings.key = Secret(project().keys.secret);
  supabase::SupabaseStore store(project().client, settings);
  const auto pod = worker("aaaaaaaa");
  const auto id = add_task();
  pod.claim();
  fail_worker(pod.id, "worker_crashed");
  ports::EventQuery query;
  query.owner = "test";
  query.worker = WorkerId(pod.id);
  const auto events = server.run(store.events(query));
  ASSERT_TRUE(events) << events.error().message;
  ASSERT_EQ(events->size(), 7U);
  EXPECT_EQ(events->front().event, "registered");
  EXPECT_EQ(events->at(3).task, id);
  const auto story = server.run(store.task(TaskId(id)));
  ASSERT_TRUE(story && *story);
  EXPECT_EQ((*story)->task.attempts, 1);
  EXPECT_EQ((*story)->events.size(), 2U);
  EXPECT_EQ((*story)->failures.at(0).cause, "worker_crashed");
  const auto groups = server.run(store.failure_groups("test", std::chrono::hours(1), 10));
  ASSERT_TRUE(groups) << groups.error().message;
  EXPECT_EQ(groups->at(0).pods, 1);
  const auto row = server.run(store.worker(WorkerId(pod.id)));
  ASSERT_TRUE(row && *row);
  EXPECT_EQ(Json::parse((*row)->details_json).at("evidence"), (Json{{"exit_code", 1}}));
  const auto pruned = server.run(store.prune({"test", epoch}, std::chrono::hours(24 * 30)));
  ASSERT_TRUE(pruned) << pruned.error().message;
  EXPECT_TRUE(pruned->done);
  EXPECT_FALSE(pruned->more);
  EXPECT_FALSE(server.run(store.prune({"test", epoch + 1}, std::chrono::hours(24 * 30)))->done);
}

}  // namespace
}  // namespace gpuwarden::test
