#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/supabase/codec.hpp"

namespace gpuwarden::supabase {
namespace {

using nlohmann::json;
using ports::CasOutcome;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(CasAnswer, DoneAndLost) {
  EXPECT_EQ(parse_cas(R"({"done":true,"reason":""})", "f"), CasOutcome::done);
  EXPECT_EQ(parse_cas(R"({"done":false,"reason":"not_leader"})", "f"), CasOutcome::lost);
}

TEST(CasAnswer, WithoutDoneItIsMalformedAndNamesTheFunction) {
  for (const char* body : {"{}", "null", "[]", R"({"done":1})", "nonsense"}) {
    const auto outcome = parse_cas(body, "gpuwarden_resign");
    ASSERT_FALSE(outcome) << body;
    EXPECT_EQ(outcome.error().kind, ErrorKind::malformed);
    EXPECT_THAT(outcome.error().message, HasSubstr("gpuwarden_resign"));
  }
}

TEST(UpdateAnswerCodec, CarriesTheRowAsItIs) {
  const auto answer =
      parse_update(R"({"done":false,"reason":"status","status":"error","phase":"collecting"})");
  ASSERT_TRUE(answer);
  EXPECT_FALSE(answer->done);
  EXPECT_EQ(answer->status, "error");
  EXPECT_EQ(answer->phase, "collecting");
  EXPECT_TRUE(parse_update(R"({"done":false,"reason":"unknown_worker","status":null,"phase":null})"));
  EXPECT_FALSE(parse_update(R"({"status":"error"})"));
}

TEST(TasksFreedCodec, ListsWhatWasRequeuedAndFailed) {
  const auto freed = parse_tasks_freed(R"({"done":true,"requeued":["a","b"],"failed":["c"]})", "f");
  ASSERT_TRUE(freed);
  EXPECT_TRUE(freed->done);
  EXPECT_THAT(freed->requeued, ElementsAre(TaskId("a"), TaskId("b")));
  EXPECT_THAT(freed->failed, ElementsAre(TaskId("c")));
}

TEST(TasksFreedCodec, OnlyARefusalMayOmitTheLists) {
  EXPECT_TRUE(parse_tasks_freed(R"({"done":false,"reason":"already"})", "f"));
  EXPECT_THAT(parse_tasks_freed(R"({"done":true,"failed":[]})", "f").error().message,
              HasSubstr("'requeued'"));
  EXPECT_THAT(parse_tasks_freed(R"({"done":true,"requeued":[1],"failed":[]})", "f").error().message,
              HasSubstr("'requeued'"));
}

TEST(HealthCodec, ReadsTheStateOfTheDatabase) {
  const auto health = parse_health(
      R"({"schema_version":1,"db_now":"2026-11-24T01:48:40.5+00:00","writable":false,"missing":["a"]})");
  ASSERT_TRUE(health);
  EXPECT_EQ(health->schema_version, 1);
  EXPECT_EQ(health->db_now, parse_time("2026-11-24T01:48:40.500Z"));
  EXPECT_FALSE(health->writable);
  EXPECT_THAT(health->missing, ElementsAre("a"));
  EXPECT_THAT(
      parse_health(R"({"schema_version":1,"db_now":"noon","writable":true,"missing":[]})").error().message,
      HasSubstr("'db_now'"));
}

TEST(FailureRows, KeepTheEvidenceAsJsonText) {
  const auto rows = parse_failures(R"([{"id":17,"worker_id":"w","cause":"start_failed","summary":"s",
    "evidence_line":"e","fingerprint":"f","phase":"bootstrapping:start","pod_id":null,"gpu":"g",
    "data_center":null,"cost_usd":0.25,"created_at":"2026-11-24T01:48:40Z","evidence":{"exit_code":2}}])");
  ASSERT_TRUE(rows) << rows.error().message;
  ASSERT_EQ(rows->size(), 1U);
  EXPECT_EQ(rows->at(0).id, "17");
  EXPECT_EQ(rows->at(0).cause, "start_failed");
  EXPECT_EQ(json::parse(rows->at(0).evidence_json), json::parse(R"({"exit_code":2})"));
  EXPECT_EQ(rows->at(0).cost_usd, 0.25);
}

TEST(FailureRows, ARowWithoutACauseIsMalformedAndNamed) {
  const auto rows = parse_failures(R"([{"id":"x1","worker_id":"w","created_at":"2026-11-24T01:48:40Z"}])");
  ASSERT_FALSE(rows);
  EXPECT_THAT(rows.error().message, HasSubstr("x1"));
  EXPECT_THAT(rows.error().message, HasSubstr("'cause'"));
}

TEST(WorkerRows, WhatHasNoFieldOfItsOwnStaysInTheDetails) {
  const auto row = parse_worker(R"({"id":"w","status":"terminated","phase":"gone","pod_id":"p","gpu":"g",
    "data_center":"d","cause":null,"summary":null,"created_at":"2026-11-24T01:48:40Z","last_heartbeat":null,
    "ended_at":"2026-11-24T02:48:40Z","cost_usd":1.5,"git_commit":"abc","metadata":{"a":1}})");
  ASSERT_TRUE(row) << row.error().message;
  ASSERT_TRUE(*row);
  EXPECT_EQ((*row)->pod, "p");
  EXPECT_FALSE((*row)->last_heartbeat);
  EXPECT_EQ((*row)->ended_at, parse_time("2026-11-24T02:48:40Z"));
  EXPECT_EQ(json::parse((*row)->details_json), json::parse(R"({"git_commit":"abc","metadata":{"a":1}})"));
}

TEST(WorkerRows, NullIsNoWorker) {
  const auto row = parse_worker("null");
  ASSERT_TRUE(row);
  EXPECT_FALSE(*row);
  EXPECT_FALSE(parse_worker("[]"));
  EXPECT_FALSE(parse_worker("{}"));
}

TEST(WorkerRows, AListMustBeAList) {
  EXPECT_TRUE(parse_workers("[]")->empty());
  for (const char* body : {"null", "{}", "[1]", R"([{"id":"w"}])"}) {
    const auto rows = parse_workers(body);
    ASSERT_FALSE(rows) << body;
    EXPECT_EQ(rows.error().kind, ErrorKind::malformed);
  }
}

TEST(TaskRows, ReadTheQueue) {
  const auto rows = parse_tasks(R"([{"id":"t","task_type":"render","status":"Failed","worker_id":null,
    "error_message":"why","attempts":3,"created_at":"2026-11-24T01:48:40Z","updated_at":null}])");
  ASSERT_TRUE(rows) << rows.error().message;
  EXPECT_EQ(rows->at(0).type, "render");
  EXPECT_EQ(rows->at(0).attempts, 3);
  EXPECT_EQ(rows->at(0).updated_at, rows->at(0).created_at);
  EXPECT_FALSE(parse_tasks(R"([{"id":"t"}])"));
}

TEST(EventRows, ReadWhatConcernsAWorkerATaskOrBoth) {
  const auto rows = parse_events(R"([
    {"id":7,"at":"2026-11-24T01:48:40.5+00:00","worker_id":"gpu-a","task_id":null,"event":"phase","detail":{"phase":"starting"}},
    {"id":8,"at":"2026-11-24T01:48:41Z","worker_id":null,"task_id":"t1","event":"task_rescued","detail":null}])");
  ASSERT_TRUE(rows) << rows.error().message;
  EXPECT_EQ(rows->at(0).id, 7);
  EXPECT_EQ(format_time_ms(rows->at(0).at), "2026-11-24T01:48:40.500Z");
  EXPECT_EQ(rows->at(0).worker, "gpu-a");
  EXPECT_EQ(rows->at(0).detail_json, R"({"phase":"starting"})");
  EXPECT_EQ(rows->at(1).task, "t1");
  EXPECT_EQ(rows->at(1).detail_json, "");
  EXPECT_THAT(parse_events(R"([{"id":7,"at":"noon","event":"phase"}])").error().message,
              HasSubstr("event 7"));
  EXPECT_FALSE(parse_events(R"([{"at":"2026-11-24T01:48:40Z","event":"phase"}])"));
}

TEST(TaskStories, HoldTheRowItsEventsAndItsFailures) {
  const auto story = parse_task_story(R"({"id":"t","task_type":"render","status":"Failed","worker_id":null,
    "error_message":"why","attempts":3,"created_at":"2026-11-24T01:48:40Z","updated_at":null,
    "generation_started_at":"2026-11-24T01:49:40Z","generation_processed_at":null,
    "events":[{"id":1,"at":"2026-11-24T01:48:40Z","event":"task_claimed","detail":{"attempt":1}}],
    "failures":[{"id":"f","worker_id":"gpu-a","cause":"gpu_error","created_at":"2026-11-24T01:48:40Z"}]})");
  ASSERT_TRUE(story) << story.error().message;
  ASSERT_TRUE(*story);
  EXPECT_EQ((*story)->task.attempts, 3);
  EXPECT_EQ(format_time((*story)->started_at.value()), "2026-11-24T01:49:40Z");
  EXPECT_FALSE((*story)->processed_at);
  EXPECT_EQ((*story)->events.at(0).event, "task_claimed");
  EXPECT_EQ((*story)->failures.at(0).cause, "gpu_error");
  const auto none = parse_task_story("null");
  ASSERT_TRUE(none);
  EXPECT_FALSE(*none);
  EXPECT_FALSE(parse_task_story(R"({"id":"t","status":"Queued","events":[]})")) << "no list of failures";
  EXPECT_FALSE(parse_task_story(R"({"id":"t","status":"Queued","events":[{}],"failures":[]})"));
}

TEST(FailureGroups, CountPodsAndDollars) {
  const auto groups =
      parse_failure_groups(R"([{"fingerprint":"f","cause":"start_failed","pods":50,"cost_usd":1.5,
    "first_at":"2026-11-24T01:48:40Z","last_at":"2026-11-24T02:48:40Z","worker_id":"gpu-a","summary":null,"evidence_line":"x"}])");
  ASSERT_TRUE(groups) << groups.error().message;
  EXPECT_EQ(groups->at(0).pods, 50);
  EXPECT_EQ(groups->at(0).cost_usd, 1.5);
  EXPECT_EQ(groups->at(0).evidence_line, "x");
  EXPECT_FALSE(parse_failure_groups(R"([{"fingerprint":"f"}])"));
}

TEST(PrunedCodec, OnlyARefusalMayOmitTheFigures) {
  const auto pruned = parse_pruned(R"({"done":true,"failures":3,"events":997,"more":true})");
  ASSERT_TRUE(pruned);
  EXPECT_EQ(pruned->failures, 3);
  EXPECT_EQ(pruned->events, 997);
  EXPECT_TRUE(pruned->more);
  EXPECT_FALSE(parse_pruned(R"({"done":false,"reason":"not_leader"})")->done);
  EXPECT_FALSE(parse_pruned(R"({"done":true,"failures":3})"));
}

TEST(StoryRequests, NameOnlyWhatIsAskedFor) {
  ports::EventQuery query;
  query.owner = "o";
  query.limit = 7;
  EXPECT_EQ(json::parse(list_events_request(query)), (json{{"owner_param", "o"}, {"limit_param", 7}}));
  query.worker = WorkerId("w");
  query.task = TaskId("t");
  query.after = 12;
  query.since = std::chrono::seconds(90);
  EXPECT_EQ(json::parse(list_events_request(query)), (json{{"owner_param", "o"},
                                                           {"limit_param", 7},
                                                           {"worker_id_param", "w"},
                                                           {"task_id_param", "t"},
                                                           {"after_id_param", 12},
                                                           {"since_sec_param", 90.0}}));
  EXPECT_EQ(json::parse(prune_request({"o", 3}, std::chrono::hours(24 * 30 + 23))),
            (json{{"owner_param", "o"}, {"epoch_param", 3}, {"days_param", 30}}));
  EXPECT_EQ(json::parse(prune_request({"o", 3}, std::chrono::seconds(1)))["days_param"], 1)
      << "never less than a day";
}

}  // namespace
}  // namespace gpuwarden::supabase
