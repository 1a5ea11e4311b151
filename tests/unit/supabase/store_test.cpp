#include "gpuwarden/supabase/store.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "fakes/loopback_service.hpp"

namespace gpuwarden::supabase {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using fakes::html_answer;
using fakes::json_answer;
using fakes::LoopbackService;
using fakes::no_answer;
using fakes::run;
using http::ServerRequest;
using http::ServerResponse;
using ports::CasOutcome;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kSnapshot = R"({
  "schema_version":4,"db_now":"2026-11-24T01:48:40Z","writable":true,
  "leader":{"leading":true,"epoch":1,"holder":"me","expires_in_s":30},
  "queue":{"queued":5,"running":2,"blocked":1,"by_type":{}},"workers":[],"running_tasks":[],"outcomes":[],
  "breaker":null,"breaker_override":null,"switches":{"paused":false},"tombstones":[],"rescuable":0,
  "spent_last_day_usd":0})";
constexpr const char* kNoPool = R"({"code":"PGRST003","message":"Timed out acquiring connection"})";

Settings quick(std::string url) {
  Settings settings;
  settings.url = std::move(url);
  settings.key = Secret("sb_secret_test_0123456789");
  settings.attempt_timeout = 5s;
  settings.retry_base = 1ms;
  settings.schema_pause = 1ms;
  return settings;
}

/// Holds every request until `open` is called.
struct Barrier {
  explicit Barrier(asio::io_context& io) : timer(io, asio::steady_timer::time_point::max()) {}
  asio::awaitable<ServerResponse> hold(ServerRequest) {
    ++inside;
    peak = std::max(peak, inside);
    boost::system::error_code ignored;
    if (!is_open) co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    --inside;
    co_return json_answer(200, "[]");
  }
  void open() {
    is_open = true;
    timer.cancel();
  }
  asio::steady_timer timer;
  bool is_open{false};
  int inside{0}, peak{0};
};

class Store : public ::testing::Test {
 protected:
  LoopbackService& serve(LoopbackService::Answer answer) {
    service_ = std::make_unique<LoopbackService>(io_, std::move(answer));
    return *service_;
  }
  SupabaseStore store() { return SupabaseStore(client_, quick(service_->url)); }

  asio::io_context io_;
  http::Client client_{io_.get_executor()};
  std::unique_ptr<LoopbackService> service_;
  ports::Fence fence_{"default", 1};
};

TEST_F(Store, CallsOneFunctionByOnePost) {
  auto& service = serve([](const ServerRequest&, int) { return json_answer(200, kSnapshot); });
  Settings settings = quick(service.url + "/");
  SupabaseStore store(client_, settings);
  const auto snapshot = run(io_, store.snapshot({.owner = "default", .holder = "me"}));
  ASSERT_TRUE(snapshot) << snapshot.error().message;
  EXPECT_EQ(snapshot->queue.queued, 5);
  ASSERT_EQ(service.requests.size(), 1U);
  const ServerRequest& request = service.requests[0];
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/rest/v1/rpc/gpuwarden_snapshot");
  EXPECT_EQ(request.header("apikey"), "sb_secret_test_0123456789");
  EXPECT_FALSE(request.header("authorization")) << "a secret key is no bearer token";
  EXPECT_EQ(request.header("content-type"), "application/json");
  EXPECT_THAT(std::string(request.header("user-agent").value_or("")), StartsWith("gpuwarden"));
  EXPECT_EQ(nlohmann::json::parse(request.body)["owner_param"], "default");
}

TEST_F(Store, AJwtKeyIsSentAsBearerToo) {
  auto& service = serve([](const ServerRequest&, int) { return json_answer(200, "[]"); });
  Settings settings = quick(service.url);
  settings.key = Secret("aaa.bbb.ccc");
  SupabaseStore store(client_, settings);
  ASSERT_TRUE(run(io_, store.tasks("", 10)));
  EXPECT_EQ(service.requests[0].header("authorization"), "Bearer aaa.bbb.ccc");
}

TEST_F(Store, ReadsAreRepeatedUntilTheyWork) {
  auto& service = serve([](const ServerRequest&, int number) {
    if (number == 1) return json_answer(503, R"({"code":"PGRST002","message":"schema cache"})");
    if (number == 2) return no_answer();
    return json_answer(200, kSnapshot);
  });
  auto store = this->store();
  EXPECT_TRUE(run(io_, store.snapshot({.owner = "default"})));
  EXPECT_EQ(service.requests.size(), 3U);
}

TEST_F(Store, RepetitionsEndAndTheLastErrorIsTold) {
  auto& service = serve([](const ServerRequest&, int) { return html_answer(522); });
  auto store = this->store();
  const auto snapshot = run(io_, store.snapshot({.owner = "default"}));
  ASSERT_FALSE(snapshot);
  EXPECT_EQ(snapshot.error().kind, ErrorKind::unavailable);
  EXPECT_EQ(snapshot.error().http_status, 522);
  EXPECT_THAT(snapshot.error().message, StartsWith("gpuwarden_snapshot: "));
  EXPECT_EQ(service.requests.size(), 3U);
}

TEST_F(Store, AnHtmlPageWithStatus200IsMalformedAndNotRepeated) {
  auto& service = serve([](const ServerRequest&, int) { return html_answer(200); });
  auto store = this->store();
  const auto snapshot = run(io_, store.snapshot({.owner = "default"}));
  ASSERT_FALSE(snapshot);
  EXPECT_EQ(snapshot.error().kind, ErrorKind::malformed);
  EXPECT_EQ(service.requests.size(), 1U);
}

TEST_F(Store, RefusedCredentialsAreNotTriedAgain) {
  auto& service =
      serve([](const ServerRequest&, int) { return json_answer(401, R"({"message":"Invalid API key"})"); });
  auto store = this->store();
  EXPECT_EQ(run(io_, store.health()).error().kind, ErrorKind::unauthorized);
  EXPECT_EQ(service.requests.size(), 1U);
}

TEST_F(Store, ACancelledStatementIsRepeatedOnce) {
  auto& service =
      serve([](const ServerRequest&, int) { return json_answer(500, R"({"code":"57014","message":"m"})"); });
  auto store = this->store();
  EXPECT_EQ(run(io_, store.snapshot({.owner = "default"})).error().kind, ErrorKind::timeout);
  EXPECT_EQ(service.requests.size(), 2U);
}

TEST_F(Store, AnAmbiguousRescueIsNotRepeated) {
  for (const bool drop : {false, true}) {
    auto& service =
        serve([drop](const ServerRequest&, int) { return drop ? no_answer() : html_answer(502); });
    auto store = this->store();
    const auto freed = run(io_, store.rescue_tasks(fence_, {}));
    ASSERT_FALSE(freed);
    EXPECT_EQ(freed.error().kind, ErrorKind::ambiguous) << freed.error().message;
    EXPECT_EQ(service.requests.size(), 1U);
  }
}

TEST_F(Store, AFailureMarkIsRepeatedUnderItsOwnNameSoThatTheDatabaseKnowsIt) {
  auto& service = serve([](const ServerRequest&, int number) {
    return number == 1 ? no_answer()
                       : json_answer(200, R"({"done":true,"reason":"already","requeued":[],"failed":[]})");
  });
  auto store = this->store();
  const auto name_of = [&](std::size_t request) {
    return nlohmann::json::parse(service.requests.at(request).body)
        .at("failure_param")
        .at("request_id")
        .get<std::string>();
  };
  const auto freed = run(io_, store.fail_worker(fence_, {}));
  ASSERT_TRUE(freed) << freed.error().message;
  EXPECT_TRUE(freed->done);
  ASSERT_EQ(service.requests.size(), 2U);
  EXPECT_EQ(service.requests[0].body, service.requests[1].body);
  EXPECT_EQ(name_of(0).size(), 32U);
  ASSERT_TRUE(run(io_, store.fail_worker(fence_, {})));
  EXPECT_NE(name_of(2), name_of(0)) << "another call is another failure";
}

TEST_F(Store, AWriteThatCertainlyDidNotRunIsRepeated) {
  auto& service = serve([](const ServerRequest&, int number) {
    return number == 1 ? json_answer(504, kNoPool)
                       : json_answer(200, R"({"done":true,"requeued":["t"],"failed":[]})");
  });
  auto store = this->store();
  const auto freed = run(io_, store.fail_worker(fence_, {}));
  ASSERT_TRUE(freed) << freed.error().message;
  EXPECT_EQ(freed->requeued.size(), 1U);
  EXPECT_EQ(service.requests.size(), 2U);
}

TEST_F(Store, RegistrationIsRepeatedAfterAnAmbiguousAnswer) {
  auto& service = serve([](const ServerRequest&, int number) {
    return number == 1 ? no_answer() : json_answer(200, R"({"done":true,"reason":""})");
  });
  auto store = this->store();
  EXPECT_EQ(run(io_, store.register_worker(fence_, {})), CasOutcome::done);
  EXPECT_EQ(service.requests.size(), 2U);
  EXPECT_EQ(service.requests[0].body, service.requests[1].body);
}

TEST_F(Store, WhatAnEarlierAttemptMayHaveDoneStaysAmbiguous) {
  serve(
      [](const ServerRequest&, int number) { return number == 1 ? no_answer() : json_answer(504, kNoPool); });
  auto store = this->store();
  EXPECT_EQ(run(io_, store.register_worker(fence_, {})).error().kind, ErrorKind::ambiguous);
}

ports::WorkerChange to_active() {
  ports::WorkerChange change;
  change.worker = WorkerId("gpu-a");
  change.expected = {WorkerStatus::spawning};
  change.status = WorkerStatus::active;
  change.phase = Phase::idle;
  return change;
}

struct SwapCase {
  bool lost_first_answer;
  const char* second;
  CasOutcome outcome;
};

TEST_F(Store, ASwapWhoseAnswerWasLostIsRecognisedByTheRow) {
  const std::vector<SwapCase> cases{
      {false, R"({"done":true,"reason":""})", CasOutcome::done},
      {true, R"({"done":true,"reason":""})", CasOutcome::done},
      {true, R"({"done":false,"reason":"status","status":"active","phase":"idle"})", CasOutcome::done},
      {true, R"({"done":false,"reason":"status","status":"active","phase":"busy"})", CasOutcome::lost},
      {true, R"({"done":false,"reason":"status","status":"error","phase":"idle"})", CasOutcome::lost},
      {true, R"({"done":false,"reason":"not_leader","status":"active","phase":"idle"})", CasOutcome::lost},
      {true, R"({"done":false,"reason":"unknown","status":null,"phase":null})", CasOutcome::lost},
      // Without a lost answer the row is in that state by another's doing.
      {false, R"({"done":false,"reason":"status","status":"active","phase":"idle"})", CasOutcome::lost},
  };
  for (const SwapCase& c : cases) {
    serve([&](const ServerRequest&, int number) {
      return c.lost_first_answer && number == 1 ? no_answer() : json_answer(200, c.second);
    });
    auto store = this->store();
    const auto outcome = run(io_, store.update_worker(fence_, to_active()));
    ASSERT_TRUE(outcome) << c.second;
    EXPECT_EQ(*outcome, c.outcome) << c.lost_first_answer << c.second;
  }
}

TEST_F(Store, NobodyListeningMeansUnavailableForReadsAndWrites) {
  SupabaseStore store(client_, quick(fakes::dead_url(io_)));
  EXPECT_EQ(run(io_, store.health()).error().kind, ErrorKind::unavailable);
  EXPECT_EQ(run(io_, store.fail_worker(fence_, {})).error().kind, ErrorKind::unavailable);
}

TEST_F(Store, TheDeadlineBoundsACallThatGetsNoAnswer) {
  LoopbackService service(io_, LoopbackService::Handler([](ServerRequest) -> asio::awaitable<ServerResponse> {
                            asio::steady_timer never(co_await asio::this_coro::executor,
                                                     asio::steady_timer::time_point::max());
                            boost::system::error_code ignored;
                            co_await never.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
                            co_return no_answer();
                          }));
  Settings settings = quick(service.url);
  settings.deadline = 50ms;
  SupabaseStore store(client_, settings);
  const auto read = run(io_, store.health());
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().kind, ErrorKind::timeout);
  EXPECT_THAT(read.error().message, HasSubstr("50ms"));
  const auto write = run(io_, store.rescue_tasks(fence_, {}));
  ASSERT_FALSE(write);
  EXPECT_EQ(write.error().kind, ErrorKind::ambiguous);
}

TEST_F(Store, APauseBeyondTheDeadlineIsNotBegun) {
  auto& service = serve([](const ServerRequest&, int) {
    auto response = json_answer(504, kNoPool);
    response.headers.emplace_back("Retry-After", "3600");
    return response;
  });
  Settings settings = quick(service.url);
  settings.deadline = 20s;  // which `run` would wait for
  SupabaseStore store(client_, settings);
  const auto read = run(io_, store.health());
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().kind, ErrorKind::unavailable);
  EXPECT_EQ(read.error().code, "PGRST003");
  EXPECT_EQ(read.error().retry_after, 1h);
  const auto write = run(io_, store.fail_worker(fence_, {}));
  ASSERT_FALSE(write);
  EXPECT_EQ(write.error().kind, ErrorKind::unavailable) << "it never got a connection to the database";
  EXPECT_EQ(service.requests.size(), 2U);
}

TEST_F(Store, ADeadlineThatPassesBeforeARepetitionIsSentLeavesNoDoubt) {
  Barrier barrier(io_);
  int answers = 0;
  LoopbackService service(
      io_, LoopbackService::Handler([&](ServerRequest request) -> asio::awaitable<ServerResponse> {
        if (request.path.ends_with("fail_worker") && ++answers == 1) co_return json_answer(504, kNoPool);
        co_return co_await barrier.hold(std::move(request));
      }));
  Settings settings = quick(service.url);
  settings.max_concurrent = 1;
  settings.deadline = 500ms;
  settings.retry_base = 1ms;
  SupabaseStore store(client_, settings);
  std::optional<Result<ports::TasksFreed>> freed;
  asio::co_spawn(io_, store.fail_worker(fence_, {}),
                 [&](const std::exception_ptr&, auto result) { freed.emplace(std::move(result)); });
  // Takes the only place between the two attempts and keeps it.
  bool other_ended = false;
  asio::co_spawn(io_, store.tasks("", 1),
                 [&](const std::exception_ptr&, const auto&) { other_ended = true; });
  while (!freed) ASSERT_GT(io_.run_one_for(10s), 0U);
  ASSERT_FALSE(*freed);
  EXPECT_EQ(answers, 1);
  EXPECT_EQ(freed->error().kind, ErrorKind::unavailable) << freed->error().message;
  barrier.open();
  while (!other_ended) ASSERT_GT(io_.run_one_for(10s), 0U);
}

TEST_F(Store, AFunctionThatTheApiDoesNotKnowIsAskedForOnceMore) {
  for (const char* code : {"PGRST202", "PGRST204", "PGRST205", "42P01"}) {
    const auto unknown =
        json_answer(404, std::string(R"({"code":")") + code + R"(","message":"Could not find it"})");
    auto& service = serve([&](const ServerRequest&, int number) {
      return number == 1 ? unknown : json_answer(200, R"({"done":true,"requeued":[],"failed":[]})");
    });
    auto store = this->store();
    EXPECT_TRUE(run(io_, store.fail_worker(fence_, {}))) << code;
    EXPECT_EQ(service.requests.size(), 2U) << code;

    auto& without = serve([&](const ServerRequest&, int) { return unknown; });
    auto second = this->store();
    const auto freed = run(io_, second.fail_worker(fence_, {}));
    ASSERT_FALSE(freed) << code;
    EXPECT_EQ(freed.error().kind, ErrorKind::invalid_input) << code;
    EXPECT_THAT(freed.error().message, HasSubstr("gpuwarden migrate --print")) << code;
    EXPECT_EQ(without.requests.size(), 2U) << code;
  }
}

TEST_F(Store, MissingFunctionsAreAStateOfHealthNotAnError) {
  serve([](const ServerRequest&, int) {
    return json_answer(404, R"({"code":"PGRST202","message":"Could not find the function"})");
  });
  auto store = this->store();
  const auto health = run(io_, store.health());
  ASSERT_TRUE(health);
  EXPECT_EQ(health->schema_version, 0);
  EXPECT_THAT(health->missing, ::testing::ElementsAre("gpuwarden_health"));
  EXPECT_THAT(run(io_, store.snapshot({})).error().message, HasSubstr("gpuwarden migrate --print"));
}

TEST_F(Store, NoMoreThanTheSetNumberOfRequestsAreUnderWay) {
  Barrier barrier(io_);
  LoopbackService service(
      io_, LoopbackService::Handler([&](ServerRequest r) { return barrier.hold(std::move(r)); }));
  Settings settings = quick(service.url);
  settings.max_concurrent = 2;
  SupabaseStore store(client_, settings);
  int ended = 0;
  for (int i = 0; i < 5; ++i) {
    asio::co_spawn(io_, store.tasks("", 1),
                   [&](std::exception_ptr, const auto& rows) { ended += rows ? 1 : 0; });
  }
  while (barrier.inside < 2) ASSERT_GT(io_.run_one_for(10s), 0U);
  barrier.open();
  while (ended < 5) ASSERT_GT(io_.run_one_for(10s), 0U);
  EXPECT_EQ(barrier.peak, 2);
  EXPECT_EQ(service.requests.size(), 5U);
}

TEST_F(Store, ACancelledCallThatWaitedItsTurnDoesNotBlockTheNext) {
  Barrier barrier(io_);
  LoopbackService service(
      io_, LoopbackService::Handler([&](ServerRequest r) { return barrier.hold(std::move(r)); }));
  Settings settings = quick(service.url);
  settings.max_concurrent = 1;
  SupabaseStore store(client_, settings);
  int ended = 0;
  bool cancelled = false;
  asio::cancellation_signal cancel;
  const auto count = [&](std::exception_ptr, const auto& rows) { ended += rows ? 1 : 0; };
  asio::co_spawn(io_, store.tasks("", 1), count);
  while (barrier.inside < 1) ASSERT_GT(io_.run_one_for(10s), 0U);
  asio::co_spawn(io_, store.tasks("", 2),
                 asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr error, const auto& rows) {
                   cancelled = error != nullptr || !rows;
                 }));
  asio::co_spawn(io_, store.tasks("", 3), count);
  io_.poll();
  cancel.emit(asio::cancellation_type::terminal);
  while (!cancelled) ASSERT_GT(io_.run_one_for(10s), 0U);
  barrier.open();
  while (ended < 2) ASSERT_GT(io_.run_one_for(10s), 0U);
  EXPECT_EQ(service.requests.size(), 2U);
}

class EdgeCounts : public Store {
 protected:
  Result<Snapshot> snapshot(ServerResponse counts) {
    auto& service = serve([counts = std::move(counts)](const ServerRequest& request, int) {
      return request.path == "/functions/v1/task-counts" ? counts : json_answer(200, kSnapshot);
    });
    Settings settings = quick(service.url);
    settings.count_by_edge_function = true;
    SupabaseStore store(client_, settings);
    return run(io_, store.snapshot({.owner = "default"}));
  }
};

TEST_F(EdgeCounts, ReplaceTheCountsOfTheSnapshot) {
  const auto snapshot = this->snapshot(
      json_answer(200, R"({"totals":{"queued_only":40,"active_only":3,"blocked_by_capacity":7}})"));
  ASSERT_TRUE(snapshot) << snapshot.error().message;
  EXPECT_EQ(snapshot->queue.queued, 40);
  EXPECT_EQ(snapshot->queue.running, 3);
  EXPECT_EQ(snapshot->queue.blocked, 7);
  EXPECT_EQ(service_->requests.size(), 2U);
  for (const auto& request : service_->requests) {
    if (request.path == "/functions/v1/task-counts") {
      EXPECT_EQ(nlohmann::json::parse(request.body), nlohmann::json::parse(R"({"run_type":"gpu"})"));
      EXPECT_TRUE(request.header("apikey"));
    }
  }
}

TEST_F(EdgeCounts, AnErrorOfTheCountsIsAnErrorOfTheSnapshot) {
  const auto missing = snapshot(json_answer(404, R"({"code":"NOT_FOUND","message":"Function not found"})"));
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, StartsWith("task-counts: "));
  const auto odd = snapshot(json_answer(200, R"({"count":3})"));
  ASSERT_FALSE(odd);
  EXPECT_EQ(odd.error().kind, ErrorKind::malformed);
}

TEST_F(Store, ACallThatIsCalledOffAtAnyMomentEndsWithAnErrorAndNotWithAnException) {
  auto& service = serve([](const ServerRequest&, int) { return json_answer(503, kNoPool); });
  bool over = false;
  for (int steps = 0; !over; ++steps) {
    auto store = this->store();
    asio::cancellation_signal cancel;
    const std::size_t before = service.requests.size();
    bool ended = false, thrown = false;
    asio::co_spawn(io_, store.tasks("", 1),
                   asio::bind_cancellation_slot(cancel.slot(),
                                                [&](const std::exception_ptr& error, const auto& /*rows*/) {
                                                  ended = true;
                                                  thrown = error != nullptr;
                                                }));
    io_.restart();
    while (service.requests.size() == before) ASSERT_GT(io_.run_one_for(10s), 0U);
    for (int step = 0; step < steps && !ended; ++step) ASSERT_GT(io_.run_one_for(10s), 0U);
    over = ended;
    bool called_off = false;
    asio::post(io_, [&] {
      called_off = true;
      cancel.emit(asio::cancellation_type::terminal);
    });
    while (!ended || !called_off) ASSERT_GT(io_.run_one_for(10s), 0U);
    EXPECT_FALSE(thrown) << "called off after " << steps << " steps";
  }
}

}  // namespace
}  // namespace gpuwarden::supabase
