#include "gpuwarden/app/webhook_alerts.hpp"

#include <chrono>
#include <functional>
#include <memory>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "fakes/fake_clock.hpp"
#include "fakes/loopback_service.hpp"
#include "fakes/recording_log.hpp"

namespace gpuwarden::app {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

struct Webhook : testing::Test {
  boost::asio::io_context io;
  fakes::FakeClock clock;
  fakes::RecordingLog log;
  Redactor redactor;
  http::Client http{io.get_executor()};
  std::unique_ptr<fakes::LoopbackService> service;
  WebhookSettings settings{.url = "", .owner = "team-a"};
  std::unique_ptr<WebhookAlerts> alerts;

  void start(fakes::LoopbackService::Answer answer) {
    service = std::make_unique<fakes::LoopbackService>(io, std::move(answer));
    settings.url = service->url + "/hooks/PLANTEDhook";
    start();
  }
  void start() {
    alerts = std::make_unique<WebhookAlerts>(settings, http, clock, redactor, log);
    boost::asio::co_spawn(io, alerts->run(), boost::asio::detached);
  }
  void failure(const std::string& fingerprint) {
    alerts->write(
        ports::LogLevel::error, "worker_failed", "died",
        {{"worker", "gpu-" + fingerprint}, {"cause", "start_failed"}, {"fingerprint", fingerprint}});
  }
  /// Real sockets, virtual time.
  bool until(const std::function<bool()>& done) {
    const auto limit = std::chrono::steady_clock::now() + 20s;
    while (!done() && std::chrono::steady_clock::now() < limit) {
      clock.advance(io, 100ms);
      io.restart();
      io.run_for(2ms);
    }
    return done();
  }
  nlohmann::json body(std::size_t request) const {
    return nlohmann::json::parse(service->requests.at(request).body);
  }
};

TEST_F(Webhook, GetsOnePostOfAJsonObjectForAnAlert) {
  start([](const auto&, int) { return fakes::json_answer(200, "ok"); });
  failure("f1");
  ASSERT_TRUE(until([&] { return service->requests.size() == 1; }));
  EXPECT_EQ(service->requests[0].method, "POST");
  EXPECT_EQ(service->requests[0].path, "/hooks/PLANTEDhook");
  EXPECT_EQ(service->requests[0].header("content-type"), "application/json");
  EXPECT_EQ(body(0)["event"], "worker_failed");
  EXPECT_EQ(body(0)["owner"], "team-a");
  until([&] { return clock.now() > MonoTime(1h + 1min); });
  EXPECT_EQ(service->requests.size(), 1U);
  EXPECT_TRUE(log.lines.empty());
}

TEST_F(Webhook, IsAskedOnceMoreWhenItFails) {
  start([](const auto&, int number) { return fakes::json_answer(number == 1 ? 503 : 200, ""); });
  failure("f1");
  ASSERT_TRUE(until([&] { return service->requests.size() == 2; }));
  EXPECT_EQ(service->requests[0].body, service->requests[1].body);
  until([&] { return clock.now() > MonoTime(1h + 1min); });
  EXPECT_EQ(service->requests.size(), 2U);
  EXPECT_EQ(log.count("alert_failed"), 0);
}

TEST_F(Webhook, IsNotAskedAgainWhenItRefuses) {
  start([](const auto&, int) { return fakes::json_answer(404, ""); });
  failure("f1");
  ASSERT_TRUE(until([&] { return log.count("alert_failed") == 1; }));
  EXPECT_EQ(service->requests.size(), 1U);
  EXPECT_THAT(log.lines.front().message, HasSubstr("answered 404"));
  EXPECT_THAT(log.lines.front().message, HasSubstr("ALERT_WEBHOOK_URL"));
}

TEST_F(Webhook, ThatFailsIsLoggedOnceWithoutItsAddressAndOnceWhenItWorksAgain) {
  bool broken = true;
  start([&](const auto&, int) { return broken ? fakes::no_answer() : fakes::json_answer(200, ""); });
  for (const char* fingerprint : {"f1", "f2", "f3"}) failure(fingerprint);
  ASSERT_TRUE(until([&] { return service->requests.size() == 6; })) << "each with one more try";
  until([&] { return clock.now() > MonoTime(1h + 1min); });
  EXPECT_EQ(log.lines.size(), 1U);
  EXPECT_THAT(log.lines.at(0).message, Not(HasSubstr("PLANTEDhook")));
  broken = false;
  failure("f4");
  ASSERT_TRUE(until([&] { return log.count("alerts_back") == 1; }));
  EXPECT_THAT(log.lines.back().message, HasSubstr("3 alerts were lost"));
}

TEST_F(Webhook, ThatNobodyListensAtIsNoMoreThanALine) {
  settings.url = fakes::dead_url(io);
  start();
  failure("f1");
  ASSERT_TRUE(until([&] { return log.count("alert_failed") == 1; }));
  EXPECT_THAT(log.lines.front().message, HasSubstr("cannot be reached"));
}

TEST_F(Webhook, ThatHangsBlocksNobodyAndTheOldestWaitingAlertsAreDroppedAndCounted) {
  settings.capacity = 3;
  settings.timeout = 300ms;
  bool hangs = true;
  service = std::make_unique<fakes::LoopbackService>(
      io, fakes::LoopbackService::Handler(
              [&](http::ServerRequest) -> boost::asio::awaitable<http::ServerResponse> {
                if (hangs) {
                  boost::asio::steady_timer timer(io, 60s);
                  co_await timer.async_wait(boost::asio::use_awaitable);
                }
                co_return fakes::json_answer(200, "");
              }));
  settings.url = service->url;
  start();
  failure("f0");
  ASSERT_TRUE(until([&] { return service->requests.size() == 1; }));
  const auto began = std::chrono::steady_clock::now();
  for (int i = 1; i <= 10; ++i) failure("f" + std::to_string(i));
  EXPECT_LT(std::chrono::steady_clock::now() - began, 200ms);
  hangs = false;
  ASSERT_TRUE(until([&] {
    return service->requests.size() >= 4 && body(service->requests.size() - 1)["worker"] == "gpu-f10";
  }));
  std::string told;
  for (std::size_t i = 0; i < service->requests.size(); ++i)
    told += body(i)["text"].get<std::string>() + "\n";
  EXPECT_THAT(told, HasSubstr("7 older alerts were dropped"));
  EXPECT_THAT(told, Not(HasSubstr("gpu-f7 ")));
  EXPECT_THAT(told, HasSubstr("gpu-f8 "));
}

TEST_F(Webhook, GetsTheLastAlertsWhenTheDaemonStops) {
  start([](const auto&, int) { return fakes::json_answer(200, ""); });
  failure("f1");
  bool ended = false;
  boost::asio::co_spawn(
      io,
      [&]() -> boost::asio::awaitable<void> {
        co_await alerts->finish(60s);
        ended = true;
      },
      boost::asio::detached);
  ASSERT_TRUE(until([&] { return ended; }));
  EXPECT_EQ(service->requests.size(), 1U);
}

}  // namespace
}  // namespace gpuwarden::app
