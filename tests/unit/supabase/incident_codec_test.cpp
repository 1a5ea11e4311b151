#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/supabase/codec.hpp"

namespace gpuwarden::supabase {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;
using ::testing::HasSubstr;

json sample() {
  return json::parse(R"({
    "db_now":"2026-11-24T01:48:40.123Z","leader":{"holder":"me","epoch":7,"expires_in_s":-12.5},
    "queue":{"queued":5,"running":2},"live":{"spawning":1,"active":2,"terminating":3,"error":4},
    "breaker":{"state":"open","generation":4,"state_age_s":9,"pause_s":240,"canary_successes":0,"canary":null,
               "reason":"why","script_hash":"h","scopes":[]},
    "breaker_override":{"kind":"hold","actor":"ann","reason":"tested","expires_in_s":60},
    "switches":{"paused":true,"paused_by":"bob","pause_reason":"night"},"spent_last_day_usd":12.5,
    "failed":{"count":3,"cost_usd":0.25},"tasks":{"Queued":2,"In Progress":1},
    "failures":[{"worker_id":"w1","cause":"start_failed","fingerprint":"f","phase":"bootstrapping:start",
      "scope":"image_and_script","counts":true,"pod_id":"p","gpu":"L4","data_center":"EU-RO-1","cost_usd":0.1,
      "created_at":"2026-11-24T01:48:00Z","tasks":1,"summary":"s","evidence_line":"e","advice":"a",
      "last_words":["one","two"],"image":"i","script_hash":"h","git_commit":"c","canary":true,
      "registered_at":"2026-11-24T01:47:00Z","activated_at":"2026-11-24T01:47:30Z","heartbeat":true,
      "reported":true,"claimed":true,"probed":true,"channel":"report","exit_code":137,"signal":9,
      "missing":["m"]}],
    "starts":[{"worker_id":"w1","success":false,"counts":false,"at":"2026-11-24T01:48:00Z",
      "registered_at":"2026-11-24T01:47:00Z","gpu":"L4","data_center":"EU-RO-1","image":"i","script_hash":"h",
      "git_commit":"c"}]})");
}

TEST(IncidentCodec, ReadsEveryField) {
  const auto incident = parse_incident(sample().dump());
  ASSERT_TRUE(incident) << incident.error().message;
  EXPECT_EQ(incident->db_now, parse_time("2026-11-24T01:48:40.123Z"));
  EXPECT_EQ(incident->leader, "me");
  EXPECT_EQ(incident->leader_expires_in, -12500ms);
  EXPECT_EQ(incident->queue.queued, 5);
  EXPECT_EQ(incident->live.spawning, 1);
  EXPECT_EQ(incident->live.active, 2);
  EXPECT_EQ(incident->live.terminating, 3);
  EXPECT_EQ(incident->live.error, 4);
  EXPECT_EQ(incident->breaker.state, BreakerState::open);
  EXPECT_EQ(incident->breaker.pause, 240s);
  ASSERT_TRUE(incident->breaker_override);
  EXPECT_EQ(incident->breaker_override->expires_in, 60s);
  EXPECT_TRUE(incident->switches.paused);
  EXPECT_EQ(incident->spent_last_day_usd, 12.5);
  EXPECT_EQ(incident->failed, 3);
  EXPECT_EQ(incident->failed_usd, 0.25);
  EXPECT_EQ(incident->tasks, (std::map<std::string, long>{{"In Progress", 1}, {"Queued", 2}}));
  ASSERT_EQ(incident->failures.size(), 1U);
  const FailedWorker& failed = incident->failures[0];
  EXPECT_EQ(failed.worker.str(), "w1");
  EXPECT_EQ(failed.cause, "start_failed");
  EXPECT_EQ(failed.fingerprint, "f");
  EXPECT_EQ(failed.phase, "bootstrapping:start");
  EXPECT_EQ(failed.scope, "image_and_script");
  EXPECT_EQ(failed.pod.str(), "p");
  EXPECT_EQ(failed.summary + failed.evidence_line + failed.advice, "sea");
  EXPECT_EQ(failed.last_words, (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(failed.image + failed.script_hash + failed.git_commit, "ihc");
  EXPECT_EQ(failed.gpu + failed.data_center, "L4EU-RO-1");
  EXPECT_EQ(failed.cost_usd, 0.1);
  EXPECT_EQ(failed.tasks, 1);
  EXPECT_EQ(failed.at, parse_time("2026-11-24T01:48:00Z"));
  EXPECT_EQ(failed.registered_at, parse_time("2026-11-24T01:47:00Z"));
  EXPECT_EQ(failed.activated_at, parse_time("2026-11-24T01:47:30Z"));
  EXPECT_TRUE(failed.counts && failed.canary && failed.heartbeat && failed.reported && failed.claimed &&
              failed.probed);
  EXPECT_EQ(failed.channel, "report");
  EXPECT_EQ(failed.exit_code, 137);
  EXPECT_EQ(failed.signal, "SIGKILL");
  EXPECT_EQ(failed.missing, std::vector<std::string>{"m"});
  ASSERT_EQ(incident->starts.size(), 1U);
  const StartRecord& start = incident->starts[0];
  EXPECT_FALSE(start.success);
  EXPECT_FALSE(start.counts);
  EXPECT_EQ(start.at - start.registered_at, 60s);
  EXPECT_EQ(start.image + start.script_hash + start.git_commit, "ihc");
}

TEST(IncidentCodec, TakesAFailureOfWhichAlmostNothingIsKnown) {
  json doc = sample();
  doc["failures"] = {
      {{"worker_id", "w"}, {"cause", "of a later version"}, {"created_at", "2026-11-24T01:48:00Z"}}};
  doc["leader"] = {{"holder", ""}, {"epoch", 0}, {"expires_in_s", nullptr}};
  doc["breaker"] = nullptr;
  doc["breaker_override"] = nullptr;
  const auto incident = parse_incident(doc.dump());
  ASSERT_TRUE(incident) << incident.error().message;
  EXPECT_EQ(incident->failures[0].cause, "of a later version");
  EXPECT_TRUE(incident->failures[0].counts);
  EXPECT_FALSE(incident->failures[0].heartbeat);
  EXPECT_EQ(incident->leader_expires_in, std::nullopt);
}

TEST(IncidentCodec, WhatEvidenceHoldsMayBeAnything) {
  json doc = sample();
  for (const json& nonsense : {json("x"), json(1e300), json(1.5), json("137")}) {
    doc["failures"][0]["exit_code"] = nonsense;
    const auto incident = parse_incident(doc.dump());
    ASSERT_TRUE(incident) << nonsense;
    EXPECT_EQ(incident->failures[0].exit_code, std::nullopt);
  }
  doc["failures"][0]["channel"] = 7;
  EXPECT_EQ(parse_incident(doc.dump())->failures[0].channel, "");
}

TEST(IncidentCodec, NamesTheFieldThatIsWrong) {
  for (const char* key :
       {"db_now", "leader", "queue", "live", "failed", "failures", "starts", "tasks", "switches"}) {
    json doc = sample();
    doc.erase(key);
    const auto incident = parse_incident(doc.dump());
    ASSERT_FALSE(incident) << key;
    EXPECT_EQ(incident.error().kind, ErrorKind::malformed);
    EXPECT_THAT(incident.error().message, HasSubstr(key));
  }
  json doc = sample();
  doc["failures"][0].erase("created_at");
  EXPECT_THAT(parse_incident(doc.dump()).error().message, HasSubstr("the failure of 'w1'"));
}

}  // namespace
}  // namespace gpuwarden::supabase
