#include "gpuwarden/supabase/log_rows.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/supabase/store.hpp"

#include "fakes/loopback_service.hpp"

namespace gpuwarden::supabase {
namespace {

using nlohmann::json;

LogRow a_row() {
  LogRow row;
  row.at = WallTime{std::chrono::sys_days{std::chrono::year{2026} / 11 / 24}};
  row.source = "team-a";
  row.level = "WARNING";
  row.message = "draining";
  row.worker = "gpu-1";
  row.task = "not a uuid";
  row.cycle = 12;
  row.fields = {{"event", "drain"}, {"reason", "idle"}};
  return row;
}

TEST(LogRows, BecomeTheArgumentOfTheFunctionThatProjectsHave) {
  EXPECT_EQ(json::parse(insert_logs_request({a_row()})), json::parse(R"({"logs":[{
    "timestamp":"2026-11-24T00:00:00.000Z","source_type":"orchestrator_gpu","source_id":"team-a",
    "log_level":"WARNING","message":"draining","worker_id":"gpu-1","task_id":null,"cycle_number":12,
    "metadata":{"event":"drain","reason":"idle"}}]})"));
}

TEST(LogRows, NameATaskOnlyByItsUuid) {
  LogRow row = a_row();
  row.task = "0b6f8a52-3f1e-4a53-9c39-0d6f3c9b7a11";
  row.worker.clear();
  const json request = json::parse(insert_logs_request({row}));
  EXPECT_EQ(request["logs"][0]["task_id"], row.task);
  EXPECT_TRUE(request["logs"][0]["worker_id"].is_null());
}

TEST(LogRows, AnswersSayHowManyWereRefused) {
  const LogsStored some = parse_logs_stored(R"({"success":true,"inserted":3,"errors":2})", 5);
  EXPECT_EQ(some.stored, 3);
  EXPECT_EQ(some.refused, 2);
  for (const char* other : {"null", "[]", "true", R"({"ok":1})"}) {
    EXPECT_EQ(parse_logs_stored(other, 5).stored, 5) << other << ": a function of the project's own";
    EXPECT_EQ(parse_logs_stored(other, 5).refused, 0) << other;
  }
}

struct LogStore : testing::Test {
  boost::asio::io_context io;
  http::Client client{io.get_executor()};

  Result<LogsStored> insert(fakes::LoopbackService& service) {
    Settings settings;
    settings.url = service.url;
    settings.key = Secret("sb_secret_test_0123456789");
    settings.retry_base = std::chrono::milliseconds(1);
    SupabaseStore store(client, settings);
    return fakes::run(io, store.insert_logs({a_row()}));
  }
};

TEST_F(LogStore, CallsTheFunctionThatProjectsHave) {
  fakes::LoopbackService service(
      io, [](const auto&, int) { return fakes::json_answer(200, R"({"inserted":1,"errors":0})"); });
  const auto stored = insert(service);
  ASSERT_TRUE(stored) << stored.error().message;
  EXPECT_EQ(stored->stored, 1);
  EXPECT_EQ(service.requests.at(0).path, "/rest/v1/rpc/func_insert_logs_batch");
}

TEST_F(LogStore, AFunctionThatReturnsNothingHasStoredEverything) {
  fakes::LoopbackService service(io, [](const auto&, int) {
    http::ServerResponse response;
    response.status = 204;
    response.headers = {{"Content-Type", "text/plain"}};
    return response;
  });
  const auto stored = insert(service);
  ASSERT_TRUE(stored) << stored.error().message;
  EXPECT_EQ(stored->stored, 1);
}

TEST_F(LogStore, LinesThatMayHaveBeenStoredAreNotSentAgain) {
  fakes::LoopbackService service(io, [](const auto&, int) { return fakes::no_answer(); });
  const auto stored = insert(service);
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().kind, ErrorKind::ambiguous);
  EXPECT_EQ(service.requests.size(), 1U);
}

}  // namespace
}  // namespace gpuwarden::supabase
