#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gmock/gmock.h>

#include "gpuwarden/base/format.hpp"

#include "unit/runpod/provider_fixture.hpp"

namespace gpuwarden::runpod {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using fakes::json_answer;
using fakes::LoopbackService;
using fakes::run;
using http::ServerRequest;
using http::ServerResponse;
using ::testing::HasSubstr;

using ProviderLog = Provider;

constexpr const char* kEventStream = "text/event-stream";

ServerResponse stream(std::string first, bool stays_open, const char* type = kEventStream) {
  ServerResponse response;
  response.headers = {{"Content-Type", type}};
  response.stream = [first = std::move(first), stays_open](http::SendChunk send) -> asio::awaitable<void> {
    if (!first.empty()) co_await send(first);
    if (!stays_open) co_return;
    asio::steady_timer never(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
    boost::system::error_code ignored;
    co_await never.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  };
  return response;
}

ports::LogQuery log_query() {
  ports::LogQuery query;
  query.pod = PodId("p1");
  query.source = "container";
  query.tail = 9999;
  query.listen = 300ms;
  return query;
}

TEST_F(ProviderLog, TheLogIsWhatCameWhileListening) {
  for (const bool stays_open : {true, false}) {
    auto& service = serve([stays_open](const ServerRequest&, int) {
      return stream("data: {\"line\":\"hello\",\"source\":\"container\"}\n\ndata: {\"line\":\"you\"}\n\n",
                    stays_open);
    });
    auto provider = this->provider();
    const auto lines = run(io_, provider.logs(log_query()));
    ASSERT_TRUE(lines) << lines.error().message;
    ASSERT_EQ(lines->size(), 2U);
    EXPECT_EQ(lines->at(0).line, "hello");
    EXPECT_EQ(lines->at(1).source, "container");
    EXPECT_EQ(service.requests.at(0).target, "/v2/pods/p1/logs?source=container&tail=5000");
  }
}

TEST_F(ProviderLog, ASilentLogIsEmpty) {
  serve([](const ServerRequest&, int) { return stream("", true); });
  auto provider = this->provider();
  const auto lines = run(io_, provider.logs(log_query()));
  ASSERT_TRUE(lines) << lines.error().message;
  EXPECT_TRUE(lines->empty());
}

TEST_F(ProviderLog, ARefusedLogSaysWhy) {
  serve([](const ServerRequest&, int) {
    return json_answer(404, R"({"title":"T","status":404,"detail":"pod not found"})");
  });
  auto provider = this->provider();
  const auto lines = run(io_, provider.logs(log_query()));
  ASSERT_FALSE(lines);
  EXPECT_EQ(lines.error().kind, ErrorKind::not_found);
}

TEST_F(ProviderLog, AnAnswerThatNeverComesIsNoEmptyLog) {
  LoopbackService mute(io_, LoopbackService::Handler([](ServerRequest) -> asio::awaitable<ServerResponse> {
                         asio::steady_timer never(co_await asio::this_coro::executor,
                                                  asio::steady_timer::time_point::max());
                         boost::system::error_code ignored;
                         co_await never.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
                         co_return fakes::no_answer();
                       }));
  RunpodProvider provider(client_, clock_, quick(mute.url));
  const auto lines = run(io_, provider.logs(log_query()));
  ASSERT_FALSE(lines) << "nobody has said that the log is empty";
  EXPECT_EQ(lines.error().kind, ErrorKind::timeout);
  EXPECT_THAT(lines.error().message, HasSubstr("log of pod p1"));
}

TEST_F(ProviderLog, ARefusalWhoseWordsDoNotComeIsStillARefusal) {
  for (const int status : {403, 500}) {
    serve([status](const ServerRequest&, int) {
      ServerResponse response = stream(R"({"title":"T")", true, "application/problem+json");
      response.status = status;
      return response;
    });
    auto provider = this->provider();
    const auto lines = run(io_, provider.logs(log_query()));
    ASSERT_FALSE(lines) << status;
    EXPECT_EQ(lines.error().http_status, status);
  }
}

TEST_F(ProviderLog, WhatIsNoEventStreamIsNoLog) {
  serve([](const ServerRequest&, int) {
    return stream("<html>data: {\"line\":\"hello\"}\n\n</html>", false, "text/html");
  });
  auto provider = this->provider();
  const auto lines = run(io_, provider.logs(log_query()));
  ASSERT_FALSE(lines);
  EXPECT_EQ(lines.error().kind, ErrorKind::malformed);
  EXPECT_THAT(lines.error().message, HasSubstr("text/html, not an event stream"));
}

TEST_F(ProviderLog, TheBudgetLearnsFromAStreamThatIsStillOpen) {
  serve([](const ServerRequest&, int) {
    ServerResponse response = stream("", true);
    response.headers.emplace_back("RateLimit", R"("minute";r=7;t=12)");
    response.headers.emplace_back("RateLimit-Policy", R"("minute";q=60;w=60)");
    return response;
  });
  auto provider = this->provider();
  ports::LogQuery query = log_query();
  query.listen = 20s;
  bool ended = false;
  asio::co_spawn(io_, provider.logs(query), [&](const std::exception_ptr&, const auto&) { ended = true; });
  while (provider.budget().empty() || provider.budget()[0].remaining != 7) {
    ASSERT_FALSE(ended);
    ASSERT_GT(io_.run_one_for(10s), 0U);
  }
  EXPECT_FALSE(ended);
}

TEST_F(ProviderLog, MayBeginAtATime) {
  auto& service = serve([](const ServerRequest&, int) { return stream("", false); });
  auto provider = this->provider();
  ports::LogQuery query = log_query();
  query.since = parse_time("2026-06-01T12:02:03.25Z");
  ASSERT_TRUE(run(io_, provider.logs(query)));
  EXPECT_EQ(service.requests.at(0).target,
            "/v2/pods/p1/logs?source=container&since=2026-06-01T12%3A02%3A03.250Z");
  EXPECT_EQ(service.requests.at(0).query.find("since")->second, "2026-06-01T12:02:03.250Z");
}

}  // namespace
}  // namespace gpuwarden::runpod
