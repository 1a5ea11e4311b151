#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/supabase/codec.hpp"

namespace gpuwarden::supabase {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

json sample_worker() {
  return json::parse(R"({
    "id":"gpu-default-20261124010203-00c0ffee","status":"spawning","phase":"bootstrapping","step":"fetch",
    "pod_id":"pod1","gpu":"RTX 4090","data_center":"EU-RO-1","volume_id":"v1","volume_name":"models",
    "cloud":"SECURE","image":"img","script_hash":"h","cost_per_hr":0.44,"generation":2,"canary":true,
    "proven":false,"age_s":61.5,"phase_age_s":3,"heartbeat_age_s":null,"idle_s":null,"tasks":["t1","t2"],
    "drain_reason":null,"crash":{"step":"fetch","exit_code":128,"signal":null,"tail":["fatal: no"],"ran_s":1.5},
    "git_commit":"abc","vram_total_mb":24564,"vram_used_mb":null,"disk_free_mb":1000,"agent_uptime_s":60})");
}

json sample() {
  json doc = json::parse(R"({
    "schema_version":4,"db_now":"2026-11-24T01:48:40.123Z","writable":true,
    "leader":{"leading":true,"epoch":7,"holder":"me","expires_in_s":29.9},
    "queue":{"queued":5,"running":2,"blocked":1,"by_type":{"render":{"queued":5,"running":2}}},
    "workers":[],
    "running_tasks":[{"id":"t1","task_type":"render","worker_id":"w","attempts":1,"running_s":12.25}],
    "outcomes":[{"worker_id":"w0","success":false,"cause":"start_failed","gpu":"RTX 4090","data_center":"EU-RO-1",
                 "volume_id":null,"cloud":"SECURE","fingerprint":"f","script_hash":"h","generation":2,"age_s":30}],
    "breaker":{"state":"half_open","generation":4,"state_age_s":9,"pause_s":240,"canary_successes":1,
               "canary":"w9","reason":"why","script_hash":"h"},
    "breaker_override":{"kind":"release","actor":"ann","reason":"tested","expires_in_s":null},
    "switches":{"paused":true,"paused_by":"bob","pause_reason":"night"},
    "tombstones":[{"worker_id":"w7","pod_id":"p7","age_s":100}],
    "rescuable":3,"spent_last_day_usd":12.5})");
  doc["workers"].push_back(sample_worker());
  return doc;
}

TEST(SnapshotCodec, ReadsEveryField) {
  const auto snapshot = parse_snapshot(sample().dump());
  ASSERT_TRUE(snapshot) << snapshot.error().message;
  EXPECT_EQ(snapshot->db_now, parse_time("2026-11-24T01:48:40.123Z"));
  EXPECT_TRUE(snapshot->writable);
  EXPECT_TRUE(snapshot->leader.leading);
  EXPECT_EQ(snapshot->leader.epoch, 7);
  EXPECT_EQ(snapshot->leader.holder, "me");
  EXPECT_EQ(snapshot->queue.queued, 5);
  EXPECT_EQ(snapshot->queue.running, 2);
  EXPECT_EQ(snapshot->queue.blocked, 1);
  EXPECT_EQ(snapshot->queue.by_type.at("render").queued, 5);
  ASSERT_EQ(snapshot->workers.size(), 1U);
  const Worker& worker = snapshot->workers[0];
  EXPECT_EQ(worker.id.str(), "gpu-default-20261124010203-00c0ffee");
  EXPECT_EQ(worker.status, WorkerStatus::spawning);
  EXPECT_EQ(worker.phase, Phase::bootstrapping);
  EXPECT_EQ(worker.step, BootStep::fetch);
  EXPECT_EQ(worker.pod.str(), "pod1");
  EXPECT_EQ(worker.placement, (Placement{"RTX 4090", "EU-RO-1", "v1", "models", Cloud::secure, 0.44}));
  EXPECT_EQ(worker.age, 61500ms);
  EXPECT_EQ(worker.phase_age, 3s);
  EXPECT_FALSE(worker.heartbeat_age || worker.idle_for);
  EXPECT_EQ(worker.tasks, (std::vector<TaskId>{TaskId("t1"), TaskId("t2")}));
  EXPECT_TRUE(worker.canary);
  EXPECT_FALSE(worker.proven);
  EXPECT_EQ(worker.generation, 2);
  ASSERT_TRUE(worker.crash);
  EXPECT_EQ(worker.crash->step, BootStep::fetch);
  EXPECT_EQ(worker.crash->exit_code, 128);
  EXPECT_EQ(worker.crash->tail, std::vector<std::string>{"fatal: no"});
  EXPECT_EQ(worker.crash->ran_for, 1500ms);
  EXPECT_EQ(worker.git_commit, "abc");
  EXPECT_EQ(worker.vram_total_mb, 24564);
  EXPECT_FALSE(worker.vram_used_mb);
  EXPECT_EQ(worker.agent_uptime, 60s);
  ASSERT_EQ(snapshot->running.size(), 1U);
  EXPECT_EQ(snapshot->running[0].worker.str(), "w");
  EXPECT_EQ(snapshot->running[0].running_for, 12250ms);
  ASSERT_EQ(snapshot->outcomes.size(), 1U);
  EXPECT_EQ(snapshot->outcomes[0].cause, FailureCause::start_failed);
  EXPECT_EQ(snapshot->outcomes[0].age, 30s);
  EXPECT_EQ(snapshot->breaker.state, BreakerState::half_open);
  EXPECT_EQ(snapshot->breaker.canary.str(), "w9");
  EXPECT_EQ(snapshot->breaker.pause, 240s);
  ASSERT_TRUE(snapshot->breaker_override);
  EXPECT_EQ(snapshot->breaker_override->kind, BreakerOverride::Kind::release);
  EXPECT_FALSE(snapshot->breaker_override->expires_in);
  EXPECT_TRUE(snapshot->switches.paused);
  EXPECT_EQ(snapshot->switches.paused_by, "bob");
  ASSERT_EQ(snapshot->tombstones.size(), 1U);
  EXPECT_EQ(snapshot->tombstones[0].pod.str(), "p7");
  EXPECT_EQ(snapshot->rescuable, 3);
  EXPECT_EQ(snapshot->spent_last_day_usd, 12.5);
}

TEST(SnapshotCodec, WaysToFailAreRead) {
  json doc = sample();
  doc["failing"] =
      json::parse(R"([{"cause":"disk_full","fingerprint":"f","summary":"The disk is full","count":50,
    "worker_id":"w1","age_s":3.5,"cost_usd":1.25}, {"cause":"of_a_later_version","fingerprint":null,"summary":null,"count":1,
    "worker_id":"w2","age_s":4}])");
  const auto snapshot = parse_snapshot(doc.dump());
  ASSERT_TRUE(snapshot) << snapshot.error().message;
  ASSERT_EQ(snapshot->failing.size(), 2U);
  EXPECT_EQ(snapshot->failing[0].cause, FailureCause::disk_full);
  EXPECT_EQ(snapshot->failing[0].summary, "The disk is full");
  EXPECT_EQ(snapshot->failing[0].count, 50);
  EXPECT_EQ(snapshot->failing[0].newest.str(), "w1");
  EXPECT_EQ(snapshot->failing[0].newest_age, 3500ms);
  EXPECT_EQ(snapshot->failing[0].cost_usd, 1.25);
  EXPECT_EQ(snapshot->failing[1].cause, FailureCause::unclassified);
}

TEST(SnapshotCodec, NoBreakerMemoryMeansAClosedBreaker) {
  json doc = sample();
  doc["breaker"] = nullptr;
  doc["breaker_override"] = nullptr;
  const auto snapshot = parse_snapshot(doc.dump());
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->breaker, BreakerMemory());
  EXPECT_FALSE(snapshot->breaker_override);
}

TEST(SnapshotCodec, WhatWasLeftBehindAndWhoFailedLatelyAreRead) {
  json doc = sample();
  EXPECT_EQ(parse_snapshot(doc.dump())->beacon, "");
  EXPECT_EQ(parse_snapshot(doc.dump())->breaker.good_script, "");
  doc["beacon"] = nullptr;
  EXPECT_EQ(parse_snapshot(doc.dump())->beacon, "");
  doc["beacon"] = "0123 us";
  doc["breaker"]["good_script"] = "g";
  doc["recent_failures"] = json::parse(R"([{"worker_id":"w1","age_s":12.5,"silent_s":130}])");
  const auto snapshot = parse_snapshot(doc.dump());
  ASSERT_TRUE(snapshot) << snapshot.error().message;
  EXPECT_EQ(snapshot->beacon, "0123 us");
  EXPECT_EQ(snapshot->breaker.good_script, "g");
  ASSERT_EQ(snapshot->recent_failures.size(), 1U);
  EXPECT_EQ(snapshot->recent_failures[0].worker.str(), "w1");
  EXPECT_EQ(snapshot->recent_failures[0].age, 12'500ms);
  EXPECT_EQ(snapshot->recent_failures[0].silent, 130s);
  EXPECT_TRUE(snapshot->failing.empty()) << "what older functions do not say";
  doc["recent_failures"][0].erase("silent_s");
  EXPECT_FALSE(parse_snapshot(doc.dump()));
}

TEST(SnapshotCodec, MoneyWithoutResultAndThePaceOfTasksAreRead) {
  json doc = sample();
  EXPECT_EQ(parse_snapshot(doc.dump())->fruitless_last_day_usd, 0);
  EXPECT_TRUE(parse_snapshot(doc.dump())->pace.empty());
  doc["fruitless_last_day_usd"] = 1.25;
  doc["pace"] =
      json::parse(R"({"render":{"typical_s":61.5,"samples":50},"film":{"typical_s":900,"samples":2}})");
  const auto snapshot = parse_snapshot(doc.dump());
  ASSERT_TRUE(snapshot) << snapshot.error().message;
  EXPECT_EQ(snapshot->fruitless_last_day_usd, 1.25);
  ASSERT_EQ(snapshot->pace.size(), 2U);
  EXPECT_EQ(snapshot->pace.at("render").typical, 61500ms);
  EXPECT_EQ(snapshot->pace.at("render").samples, 50);
  EXPECT_EQ(snapshot->pace.at("film").samples, 2);
}

TEST(SnapshotCodec, APaceThatMakesNoSenseIsNoEstimateAndNoError) {
  json doc = sample();
  doc["pace"] =
      json::parse(R"({"a":{"typical_s":0,"samples":9},"b":{"typical_s":-5,"samples":9},"c":{"typical_s":5},
    "d":{"typical_s":"x","samples":9},"e":7,"f":{"typical_s":5,"samples":0},"g":{"typical_s":1e18,"samples":9},
    "h":{"typical_s":5,"samples":9}})");
  const auto snapshot = parse_snapshot(doc.dump());
  ASSERT_TRUE(snapshot) << snapshot.error().message;
  ASSERT_EQ(snapshot->pace.size(), 1U);
  EXPECT_EQ(snapshot->pace.at("h").typical, 5s);
}

TEST(SnapshotCodec, UnknownFieldsAreIgnored) {
  json doc = sample();
  doc["new"] = 1;
  doc["workers"][0]["new"] = json::array();
  EXPECT_TRUE(parse_snapshot(doc.dump()));
}

// Predecessor case 12: an answer of an unexpected shape is an error of the answer, never a dead worker.
TEST(SnapshotCodec, Case12AMissingFieldIsAnErrorOfTheAnswerThatNamesIt) {
  const json whole = sample();
  for (const auto& [key, value] : whole.items()) {
    json doc = whole;
    doc.erase(key);
    const auto snapshot = parse_snapshot(doc.dump());
    ASSERT_FALSE(snapshot) << key;
    EXPECT_EQ(snapshot.error().kind, ErrorKind::malformed) << key;
    EXPECT_THAT(snapshot.error().message, HasSubstr("'" + key + "'"));
  }
}

TEST(SnapshotCodec, Case12AWrongTypedFieldIsAnErrorOfTheAnswerThatNamesIt) {
  const json whole = sample();
  for (const auto& [key, value] : whole.items()) {
    json doc = whole;
    doc[key] = value.is_string() ? json(17) : json("surprise");
    const auto snapshot = parse_snapshot(doc.dump());
    ASSERT_FALSE(snapshot) << key;
    EXPECT_EQ(snapshot.error().kind, ErrorKind::malformed) << key;
    EXPECT_THAT(snapshot.error().message, HasSubstr("'" + key + "'"));
  }
}

TEST(SnapshotCodec, Case12AWorkerRowWithAHoleNamesTheFieldAndTheWorker) {
  for (const char* key : {"status", "phase", "pod_id", "age_s", "phase_age_s", "heartbeat_age_s", "idle_s",
                          "tasks", "canary", "proven", "generation"}) {
    json doc = sample();
    doc["workers"][0].erase(key);
    const auto snapshot = parse_snapshot(doc.dump());
    ASSERT_FALSE(snapshot) << key;
    EXPECT_EQ(snapshot.error().kind, ErrorKind::malformed);
    EXPECT_THAT(snapshot.error().message,
                AllOf(HasSubstr(std::string("'") + key + "'"), HasSubstr("00c0ffee")));
  }
}

TEST(SnapshotCodec, AnUnknownStatusOrPhaseNamesTheWorker) {
  for (const auto& [key, value] : std::vector<std::pair<std::string, std::string>>{
           {"status", "hibernating"}, {"phase", "dreaming"}, {"cloud", "ALL"}}) {
    json doc = sample();
    doc["workers"][0][key] = value;
    const auto snapshot = parse_snapshot(doc.dump());
    ASSERT_FALSE(snapshot) << key;
    EXPECT_EQ(snapshot.error().kind, ErrorKind::malformed);
    EXPECT_THAT(snapshot.error().message, AllOf(HasSubstr(value), HasSubstr("00c0ffee")));
  }
}

TEST(SnapshotCodec, ThePhaseMayCarryItsStep) {
  json doc = sample();
  doc["workers"][0]["phase"] = "bootstrapping:setup";
  doc["workers"][0]["step"] = nullptr;
  const auto snapshot = parse_snapshot(doc.dump());
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->workers[0].phase, Phase::bootstrapping);
  EXPECT_EQ(snapshot->workers[0].step, BootStep::setup);
}

TEST(SnapshotCodec, WhatAPodReportedCannotMakeTheSnapshotUnreadable) {
  json doc = sample();
  doc["workers"][0]["crash"] =
      json::parse(R"({"step":"dance","exit_code":"x","signal":9,"tail":[1,"kept",null],"ran_s":"long"})");
  doc["workers"][0]["step"] = "dance";
  doc["workers"][0]["vram_total_mb"] = "lots";
  doc["workers"][0]["disk_free_mb"] = 1e300;
  doc["workers"][0]["git_commit"] = json::array();
  const auto snapshot = parse_snapshot(doc.dump());
  ASSERT_TRUE(snapshot) << snapshot.error().message;
  const Worker& worker = snapshot->workers[0];
  EXPECT_FALSE(worker.crash->step || worker.crash->exit_code || worker.crash->ran_for);
  EXPECT_FALSE(worker.step);
  EXPECT_EQ(worker.crash->signal, "SIGKILL");
  EXPECT_EQ(worker.crash->tail, std::vector<std::string>{"kept"});
  EXPECT_FALSE(worker.vram_total_mb || worker.disk_free_mb);
  EXPECT_TRUE(worker.git_commit.empty());
}

TEST(SnapshotCodec, ReadsThePlacesOfTheBreakerAsTheyWereSaved) {
  BreakerMemory memory;
  memory.generation = 5;
  memory.good_script = "g";
  memory.scopes.push_back({.key = "host|RTX 4090|EU-RO-1",
                           .state = BreakerState::open,
                           .since = *parse_time("2026-11-24T01:40:00.001Z"),
                           .pause = 120s,
                           .canary_successes = 0,
                           .reason = "three in a row"});
  memory.scopes.push_back({.key = "placement|RTX 4090|",
                           .state = BreakerState::half_open,
                           .since = *parse_time("2026-11-24T01:41:00Z"),
                           .pause = 240s,
                           .canary_successes = 1,
                           .reason = "paused"});
  json doc = sample();
  doc["breaker"] = json::parse(save_breaker_request({"default", 7}, memory))["value_param"];
  doc["breaker"]["state_age_s"] = 0;
  auto snapshot = parse_snapshot(doc.dump());
  ASSERT_TRUE(snapshot) << snapshot.error().message;
  EXPECT_EQ(snapshot->breaker, memory);
  doc["breaker"]["scopes"][1]["state"] = "ajar";
  snapshot = parse_snapshot(doc.dump());
  ASSERT_FALSE(snapshot);
  EXPECT_THAT(snapshot.error().message, HasSubstr("ajar"));
}

TEST(SnapshotCodec, ReadsMemoryThatKnowsNoPlacesAndStartsWithoutTheirTime) {
  const auto old = parse_snapshot(sample().dump());
  ASSERT_TRUE(old);
  EXPECT_TRUE(old->breaker.scopes.empty());
  EXPECT_FALSE(old->outcomes[0].took);
  json doc = sample();
  doc["outcomes"][0]["success"] = true;
  doc["outcomes"][0]["took_s"] = 61.5;
  EXPECT_EQ(parse_snapshot(doc.dump())->outcomes[0].took, 61500ms);
  doc["outcomes"][0]["took_s"] = nullptr;
  EXPECT_FALSE(parse_snapshot(doc.dump())->outcomes[0].took);
}

TEST(SnapshotCodec, ACauseOfALaterVersionStaysAFailure) {
  json doc = sample();
  doc["outcomes"][0]["cause"] = "cosmic_ray";
  const auto snapshot = parse_snapshot(doc.dump());
  ASSERT_TRUE(snapshot);
  EXPECT_FALSE(snapshot->outcomes[0].success);
  EXPECT_EQ(snapshot->outcomes[0].cause, FailureCause::unclassified);
}

TEST(SnapshotCodec, NegativeAndAbsurdAgesAreClamped) {
  json doc = sample();
  doc["workers"][0]["age_s"] = -3;
  doc["workers"][0]["phase_age_s"] = 1e300;
  const auto snapshot = parse_snapshot(doc.dump());
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->workers[0].age, 0s);
  EXPECT_GT(snapshot->workers[0].phase_age, 24h * 365);
}

TEST(SnapshotCodec, WholeNumbersMayCarryAScale) {
  json doc = sample();
  doc["rescuable"] = 3.0;
  EXPECT_EQ(parse_snapshot(doc.dump())->rescuable, 3);
  doc["rescuable"] = 3.5;
  EXPECT_FALSE(parse_snapshot(doc.dump()));
}

TEST(SnapshotCodec, AUsersQueueFunctionNeedsOnlyTheTwoCounts) {
  json doc = sample();
  doc["queue"] = {{"queued", 1}, {"running", 0}};
  ASSERT_TRUE(parse_snapshot(doc.dump()));
  doc["queue"] = {{"queued", 1}};
  EXPECT_THAT(parse_snapshot(doc.dump()).error().message, HasSubstr("'running'"));
}

TEST(SnapshotCodec, AnOlderSchemaAsksForTheMigrations) {
  json doc = sample();
  doc["schema_version"] = 0;
  const auto snapshot = parse_snapshot(doc.dump());
  ASSERT_FALSE(snapshot);
  EXPECT_EQ(snapshot.error().kind, ErrorKind::invalid_input);
  EXPECT_THAT(snapshot.error().message, HasSubstr("gpuwarden migrate --print"));
}

TEST(SnapshotCodec, TextThatIsNoJsonObjectIsMalformed) {
  for (const char* body : {"", "null", "[]", "<!DOCTYPE html>", "{", "\xff"}) {
    const auto snapshot = parse_snapshot(body);
    ASSERT_FALSE(snapshot) << body;
    EXPECT_EQ(snapshot.error().kind, ErrorKind::malformed);
  }
}

TEST(TaskCounts, TakeTheTotalsOfTheEdgeFunction) {
  const auto queue = parse_task_counts(R"({"mode":"count","totals":{"queued_only":4,"active_only":2,
    "queued_plus_active":6,"blocked_by_capacity":1,"blocked_by_deps":2,"blocked_by_settings":3,
    "potentially_claimable":9}})");
  ASSERT_TRUE(queue);
  EXPECT_EQ(queue->queued, 4);
  EXPECT_EQ(queue->running, 2);
  EXPECT_EQ(queue->blocked, 6);
}

TEST(TaskCounts, TheBlockedCountsMayStandBesideTheTotalsOrBeAbsent) {
  EXPECT_EQ(parse_task_counts(R"({"totals":{"queued_only":1,"active_only":0},"blocked_by_deps":5})")->blocked,
            5);
  EXPECT_EQ(parse_task_counts(R"({"totals":{"queued_only":1,"active_only":0}})")->blocked, 0);
}

TEST(TaskCounts, WithoutTotalsTheAnswerIsMalformed) {
  for (const char* body :
       {"{}", R"({"totals":{"queued_only":1}})", R"({"totals":{"queued_only":"1","active_only":0}})"}) {
    const auto queue = parse_task_counts(body);
    ASSERT_FALSE(queue) << body;
    EXPECT_EQ(queue.error().kind, ErrorKind::malformed);
  }
}

}  // namespace
}  // namespace gpuwarden::supabase
