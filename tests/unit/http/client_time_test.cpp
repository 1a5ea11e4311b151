#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gpuwarden/http/client.hpp"

#include "loopback.hpp"

namespace gpuwarden::http {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

awaitable<void> forever() {
  asio::steady_timer never(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
  co_await never.async_wait(asio::use_awaitable);
}

awaitable<ServerResponse> silent(ServerRequest) {
  co_await forever();
  co_return ServerResponse();
}

Request post(std::string url, Duration timeout) {
  Request request;
  request.method = "POST";
  request.url = std::move(url);
  request.timeout = timeout;
  return request;
}

/// A request under way, and its end.
struct Call {
  std::optional<Result<Response>> ended;
  void start(Loopback& net, Request request) {
    asio::co_spawn(
        net.io, net.client.fetch(std::move(request)),
        [this](const std::exception_ptr&, Result<Response> response) { ended.emplace(std::move(response)); });
  }
};

ClientOptions one_connection() {
  ClientOptions options;
  options.max_connections = 1;
  return options;
}

TEST(ClientTime, ARequestThatWaitsForAConnectionEndsByItsOwnDeadline) {
  Loopback net(silent, ServerOptions(), one_connection());
  Call first, second;
  first.start(net, post(net.url("/first"), 20s));
  net.run_until([&] { return net.seen.size() == 1; });
  second.start(net, post(net.url("/second"), 100ms));
  net.run_until([&] { return second.ended || first.ended; });
  ASSERT_TRUE(second.ended) << "it waited for as long as the request before it";
  ASSERT_FALSE(*second.ended);
  EXPECT_EQ(second.ended->error().kind, ErrorKind::unavailable) << "it was certainly not sent";
  EXPECT_THAT(second.ended->error().message, HasSubstr("/second: no connection in time"));
  EXPECT_EQ(net.seen.size(), 1U);
}

TEST(ClientTime, AConnectionThatBecomesFreeInTimeIsUsed) {
  Loopback net(
      [](ServerRequest request) { return request.path == "/first" ? silent({}) : Loopback::echo({}); },
      ServerOptions(), one_connection());
  Call first, second;
  first.start(net, post(net.url("/first"), 300ms));
  net.run_until([&] { return net.seen.size() == 1; });
  second.start(net, post(net.url("/second"), 20s));
  net.run_until([&] { return second.ended.has_value(); });
  EXPECT_TRUE(*second.ended) << second.ended->error().message;
  EXPECT_EQ(first.ended->error().kind, ErrorKind::timeout);
}

TEST(ClientTime, ARequestThatWaitsForAnothersTlsHandshakeEndsByItsOwnDeadline) {
  Loopback net;
  RawListener listener(net.io, [](RawListener::Socket&, int) -> awaitable<void> { co_await forever(); });
  Call first, second;
  first.start(net, post(listener.url("/first", "https"), 20s));
  net.run_until([&] { return listener.connections == 1; });
  second.start(net, post(listener.url("/second", "https"), 100ms));
  net.run_until([&] { return second.ended || first.ended; });
  ASSERT_TRUE(second.ended);
  EXPECT_EQ(second.ended->error().kind, ErrorKind::unavailable);
  EXPECT_EQ(listener.connections, 1) << "it would have shared the connection";
}

TEST(ClientTime, WhatIsCancelledBeforeItBeginsIsNotSent) {
  Loopback net;
  asio::cancellation_signal signal;
  std::optional<Result<Response>> result;
  asio::co_spawn(
      net.io,
      [&]() -> awaitable<void> {
        co_await asio::this_coro::throw_if_cancelled(false);
        boost::system::error_code ended;
        asio::steady_timer pause(net.io, asio::steady_timer::time_point::max());
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ended));
        result = co_await net.client.fetch(post(net.url("/"), 20s));
      },
      asio::bind_cancellation_slot(signal.slot(), [](const std::exception_ptr&) {}));
  net.io.poll();
  signal.emit(asio::cancellation_type::terminal);
  net.run_until([&] { return result.has_value(); });
  ASSERT_FALSE(*result);
  EXPECT_EQ(result->error().kind, ErrorKind::cancelled);
  EXPECT_TRUE(net.seen.empty());
}

/// A stream that says `first`, if anything, and then nothing for ever.
Loopback::Handler stream(int status, std::string first) {
  return [=](ServerRequest) -> awaitable<ServerResponse> {
    ServerResponse response;
    response.status = status;
    response.headers = {{"Content-Type", "text/event-stream"}};
    response.stream = [first](SendChunk send) -> awaitable<void> {
      if (!first.empty()) co_await send(first);
      co_await forever();
    };
    co_return response;
  };
}

struct Heard {
  std::vector<std::string> events;
  Request listening(std::string url) {
    Request request;
    request.url = std::move(url);
    request.on_headers = [this](const Response& head) {
      events.push_back("head " + std::to_string(head.status));
    };
    request.on_chunk = [this](std::string_view chunk) {
      events.emplace_back(chunk);
      return true;
    };
    return request;
  }
};

TEST(ClientTime, AStreamThatOutlivesItsTimeGivesWhatCame) {
  for (const bool by_listen : {true, false}) {
    Loopback net(stream(200, "data: one\n\n"));
    Heard heard;
    Request request = heard.listening(net.url("/logs"));
    (by_listen ? request.listen : request.timeout) = 1s;
    const auto response = net.run(net.client.fetch(std::move(request)));
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->header("content-type"), "text/event-stream");
    EXPECT_THAT(heard.events, ElementsAre("head 200", "data: one\n\n"));
  }
}

TEST(ClientTime, ASilentStreamHasAtLeastItsHeaders) {
  Loopback net(stream(503, ""));
  Heard heard;
  Request request = heard.listening(net.url("/logs"));
  request.listen = 100ms;
  const auto response = net.run(net.client.fetch(std::move(request)));
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 503);
  EXPECT_THAT(heard.events, ElementsAre("head 503"));
}

TEST(ClientTime, AStreamWithoutHeadersIsATimeout) {
  Loopback net(silent);
  Heard heard;
  Request request = heard.listening(net.url("/logs"));
  request.listen = 20ms;  // which begins with the headers
  request.timeout = 300ms;
  const auto response = net.run(net.client.fetch(std::move(request)));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, ErrorKind::timeout);
  EXPECT_TRUE(heard.events.empty());
}

TEST(ClientTime, ListeningBeginsWithTheHeaders) {
  Loopback net([](ServerRequest request) -> awaitable<ServerResponse> {
    asio::steady_timer late(co_await asio::this_coro::executor, 600ms);
    co_await late.async_wait(asio::use_awaitable);
    co_return co_await stream(200, "data: one\n\n")(std::move(request));
  });
  Heard heard;
  Request request = heard.listening(net.url("/logs"));
  request.listen = 300ms;
  ASSERT_TRUE(net.run(net.client.fetch(std::move(request))));
  EXPECT_THAT(heard.events, ElementsAre("head 200", "data: one\n\n"));
}

TEST(ClientTime, HeadersOfAnInterimAnswerAreNotShown) {
  Loopback net;
  RawListener listener(net.io, [](RawListener::Socket& socket, int) -> awaitable<void> {
    std::string head;
    co_await asio::async_read_until(socket, asio::dynamic_buffer(head), "\r\n\r\n", asio::use_awaitable);
    const std::string text =
        "HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    co_await asio::async_write(socket, asio::buffer(text), asio::use_awaitable);
    co_await forever();
  });
  std::vector<int> heads;
  Request request;
  request.url = listener.url("/");
  request.on_headers = [&](const Response& head) {
    heads.push_back(head.status);
    EXPECT_FALSE(head.header("x-early"));
  };
  const auto response = net.run(net.client.fetch(std::move(request)));
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "ok");
  EXPECT_THAT(heads, ElementsAre(200));
}

TEST(ClientTime, HeadersWithoutEndAreRefusedUnderTheirOwnName) {
  Loopback net;
  RawListener listener(net.io, [](RawListener::Socket& socket, int) -> awaitable<void> {
    std::string head;
    co_await asio::async_read_until(socket, asio::dynamic_buffer(head), "\r\n\r\n", asio::use_awaitable);
    const std::string line = "X-Much: " + std::string(8000, 'x') + "\r\n";
    const std::string status = "HTTP/1.1 200 OK\r\n";
    co_await asio::async_write(socket, asio::buffer(status), asio::use_awaitable);
    for (int i = 0; i < 100; ++i) co_await asio::async_write(socket, asio::buffer(line), asio::use_awaitable);
  });
  const auto response = net.run(net.client.fetch(post(listener.url("/"), 10s)));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, ErrorKind::malformed);
  EXPECT_THAT(response.error().message, HasSubstr("headers of the answer have no end"));
}

}  // namespace
}  // namespace gpuwarden::http
