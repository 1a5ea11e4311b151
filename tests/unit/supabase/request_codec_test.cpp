#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/supabase/codec.hpp"

namespace gpuwarden::supabase {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

const ports::Fence kFence{"default", 7};

TEST(SupabaseRequests, SnapshotNamesEveryArgumentOfTheFunction) {
  ports::SnapshotQuery query;
  query.owner = "default";
  query.holder = "host:1";
  query.lease = 30s;
  query.failure_window = 30min;
  query.orphan_task_after = 15min;
  query.rescue_exempt = {"*_orchestrator*"};
  EXPECT_EQ(json::parse(snapshot_request(query)), json::parse(R"({
    "owner_param":"default","holder_param":"host:1","lease_sec_param":30,
    "options_param":{"failure_window_sec":1800.0,"orphan_task_sec":900.0,"api_task_sec":420.0,
                     "inactive_task_sec":1800.0,"rescue_exempt":["*_orchestrator*"],
                     "task_max_attempts":3,"pod_lease_sec":3600.0}})"));
}

TEST(SupabaseRequests, SnapshotWithoutAHolderOnlyLooks) {
  EXPECT_TRUE(json::parse(snapshot_request({.owner = "x"}))["holder_param"].is_null());
}

TEST(SupabaseRequests, SnapshotLeavesABeaconBehindWhereOneIsGiven) {
  EXPECT_FALSE(json::parse(snapshot_request({.owner = "x"}))["options_param"].contains("beacon"));
  ports::SnapshotQuery query;
  query.beacon = "0123 us";
  EXPECT_EQ(json::parse(snapshot_request(query))["options_param"]["beacon"], "0123 us");
}

TEST(SupabaseRequests, ALeaseOfPartSecondsIsRoundedUp) {
  ports::SnapshotQuery query;
  query.lease = 1001ms;
  EXPECT_EQ(json::parse(snapshot_request(query))["lease_sec_param"], 2);
  query.lease = 1000ms;
  EXPECT_EQ(json::parse(snapshot_request(query))["lease_sec_param"], 1);
}

TEST(SupabaseRequests, RegisterSendsThePlacement) {
  ports::Registration registration;
  registration.worker = WorkerId("gpu-a");
  registration.placement = {"RTX 4090", "EU-RO-1", "vol1", "models", Cloud::community, 0.5};
  registration.image = "img";
  registration.script_hash = "h";
  registration.generation = 3;
  registration.canary = true;
  registration.cost_per_hr = 0.5;
  EXPECT_EQ(json::parse(register_worker_request(kFence, registration)), json::parse(R"({
    "worker_id_param":"gpu-a","owner_param":"default","epoch_param":7,
    "details_param":{"gpu":"RTX 4090","data_center":"EU-RO-1","volume_id":"vol1","volume_name":"models",
      "cloud":"COMMUNITY","image":"img","script_hash":"h","generation":3,"canary":true,"cost_per_hr":0.5}})"));
}

TEST(SupabaseRequests, UpdateSendsOnlyWhatChanges) {
  ports::WorkerChange change;
  change.worker = WorkerId("gpu-a");
  change.expected = {WorkerStatus::spawning, WorkerStatus::active};
  EXPECT_EQ(json::parse(update_worker_request(kFence, change)), json::parse(R"({
    "worker_id_param":"gpu-a","owner_param":"default","epoch_param":7,
    "expected_param":["spawning","active"],"change_param":{}})"));
}

TEST(SupabaseRequests, UpdateKnowsEveryField) {
  ports::WorkerChange change;
  change.worker = WorkerId("gpu-a");
  change.status = WorkerStatus::terminating;
  change.phase = Phase::bootstrapping;
  change.step = BootStep::setup;
  change.pod = PodId("p1");
  change.token_sha256 = "ab";
  change.cost_per_hr = 0.25;
  change.drain_reason = "idle";
  change.success = true;
  change.end_reason = "idle";
  EXPECT_EQ(json::parse(update_worker_request(kFence, change))["change_param"], json::parse(R"({
    "status":"terminating","phase":"bootstrapping","step":"setup","pod_id":"p1","token_sha256":"ab",
    "cost_per_hr":0.25,"drain_reason":"idle","success":true,"end_reason":"idle"})"));
}

TEST(SupabaseRequests, AFailureCarriesVerdictAndEvidence) {
  ports::FailureRecord failure;
  failure.worker = WorkerId("gpu-a");
  failure.verdict.cause = FailureCause::start_failed;
  failure.verdict.summary = "worker ended";
  failure.verdict.evidence_line = "error: unrecognized arguments";
  failure.verdict.advice = "fix it";
  failure.verdict.scope = FailureScope::image_and_script;
  failure.verdict.fingerprint = "f";
  failure.evidence.exit_code = 2;
  failure.phase = Phase::bootstrapping;
  failure.step = BootStep::start;
  failure.pod = PodId("p1");
  failure.placement.gpu = "RTX";
  failure.cost_usd = 0.5;
  failure.generation = 4;
  const json body = json::parse(failure_request(kFence, failure));
  EXPECT_EQ(body["epoch_param"], 7);
  EXPECT_EQ(body["failure_param"], json::parse(R"({
    "cause":"start_failed","summary":"worker ended","evidence_line":"error: unrecognized arguments",
    "fingerprint":"f","phase":"bootstrapping:start","scope":"image_and_script","counts":true,"advice":"fix it",
    "evidence":{"exit_code":2},"pod_id":"p1","gpu":"RTX","data_center":null,"cost_usd":0.5,"generation":4,
    "task_max_attempts":3,"outcome":true,"expected":[]})"));
  failure.expected = {WorkerStatus::active, WorkerStatus::terminating};
  failure.counts_as_start = false;
  const json marked = json::parse(failure_request(kFence, failure, "r1"))["failure_param"];
  EXPECT_EQ(marked["expected"], (json{"active", "terminating"}));
  EXPECT_EQ(marked["outcome"], false);
  EXPECT_EQ(marked["request_id"], "r1");
}

TEST(SupabaseRequests, RescueCarriesTheSameAgesAsTheSnapshot) {
  ports::RescueRequest request;
  request.task_max_attempts = 5;
  request.exempt = {"a*"};
  EXPECT_EQ(json::parse(rescue_request(kFence, request))["options_param"], json::parse(R"({
    "orphan_task_sec":900.0,"api_task_sec":420.0,"inactive_task_sec":1800.0,"rescue_exempt":["a*"],
    "task_max_attempts":5})"));
}

TEST(SupabaseRequests, BreakerMemoryIsSavedWithoutItsAge) {
  BreakerMemory memory;
  memory.state = BreakerState::open;
  memory.generation = 3;
  memory.state_age = 99s;
  memory.pause = 120s;
  memory.reason = "too many";
  memory.script_hash = "h";
  memory.good_script = "g";
  ScopeBreaker scope;
  scope.key = "host|RTX 4090|EU-RO-1";
  scope.state = BreakerState::half_open;
  scope.since = *parse_time("2026-11-24T01:48:40.123Z");
  scope.pause = 240s;
  scope.canary_successes = 1;
  scope.reason = "paused";
  memory.scopes = {scope};
  EXPECT_EQ(json::parse(save_breaker_request(kFence, memory)), json::parse(R"({
    "owner_param":"default","epoch_param":7,"key_param":"breaker",
    "value_param":{"state":"open","generation":3,"pause_s":120.0,"canary_successes":0,"canary":null,
                   "reason":"too many","script_hash":"h","good_script":"g",
                   "scopes":[{"key":"host|RTX 4090|EU-RO-1","state":"half_open","since":"2026-11-24T01:48:40.123Z",
                              "pause_s":240.0,"canary_successes":1,"reason":"paused"}]}})"));
}

TEST(SupabaseRequests, ListsAndSingleRows) {
  EXPECT_EQ(json::parse(resign_request(kFence, "me")),
            json::parse(R"({"owner_param":"default","epoch_param":7,"holder_param":"me"})"));
  EXPECT_EQ(json::parse(list_failures_request("o", 2h, 50)),
            json::parse(R"({"owner_param":"o","since_sec_param":7200.0,"limit_param":50})"));
  EXPECT_EQ(json::parse(list_workers_request("o", true, 5)),
            json::parse(R"({"owner_param":"o","ended_param":true,"limit_param":5})"));
  EXPECT_EQ(json::parse(get_worker_request(WorkerId("w"))), json::parse(R"({"worker_id_param":"w"})"));
  EXPECT_EQ(json::parse(list_tasks_request("", 5)), json::parse(R"({"status_param":null,"limit_param":5})"));
  EXPECT_EQ(json::parse(list_tasks_request("Queued", 5))["status_param"], "Queued");
  EXPECT_EQ(json::parse(task_counts_request()), json::parse(R"({"run_type":"gpu"})"));
}

TEST(SupabaseRequests, TextThatJsonbRefusesIsMadeHarmless) {
  ports::WorkerChange change;
  change.end_reason = std::string("a\0b\xff", 4);
  const std::string body = update_worker_request(kFence, change);
  EXPECT_EQ(body.find("\\u0000"), std::string::npos);
  EXPECT_EQ(json::parse(body)["change_param"]["end_reason"], "a b\xEF\xBF\xBD");
}

TEST(SupabaseKeys, ASecretKeyGoesInApikeyAlone) {
  const auto headers = key_headers(Secret("sb_secret_abc.def.ghi"));
  ASSERT_EQ(headers.size(), 1U);
  EXPECT_EQ(headers[0], (std::pair<std::string, std::string>{"apikey", "sb_secret_abc.def.ghi"}));
}

TEST(SupabaseKeys, AJwtKeyIsAlsoTheBearer) {
  const auto headers = key_headers(Secret("eyJhbGci.eyJyb2xl.c2ln"));
  ASSERT_EQ(headers.size(), 2U);
  EXPECT_EQ(headers[0].first, "apikey");
  EXPECT_EQ(headers[1],
            (std::pair<std::string, std::string>{"Authorization", "Bearer eyJhbGci.eyJyb2xl.c2ln"}));
}

}  // namespace
}  // namespace gpuwarden::supabase
