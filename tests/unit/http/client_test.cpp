#include "gpuwarden/http/client.hpp"

#include <set>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "loopback.hpp"

namespace gpuwarden::http {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;
using ::testing::HasSubstr;
using ::testing::Not;

awaitable<void> forever() {
  asio::steady_timer never(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
  co_await never.async_wait(asio::use_awaitable);
}

awaitable<ServerResponse> silent(ServerRequest) {
  co_await forever();
  co_return ServerResponse();
}

/// Reads one request and answers it, or not.
awaitable<void> answer(RawListener::Socket& socket, std::string text) {
  std::string head;
  co_await asio::async_read_until(socket, asio::dynamic_buffer(head), "\r\n\r\n", asio::use_awaitable);
  if (!text.empty()) co_await asio::async_write(socket, asio::buffer(text), asio::use_awaitable);
}

const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

TEST(Client, GivesStatusHeadersAndBodyOfAnAnswer) {
  Loopback net([](ServerRequest) -> awaitable<ServerResponse> {
    ServerResponse response;
    response.status = 418;
    response.headers = {{"X-Kind", "teapot"}};
    response.body = R"({"short":true})";
    co_return response;
  });
  const auto response = net.get("/pot");
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 418);
  EXPECT_EQ(response->header("x-kind"), "teapot");
  EXPECT_EQ(response->header("absent"), std::nullopt);
  EXPECT_EQ(response->body, R"({"short":true})");
  EXPECT_TRUE(response->is_json());
}

TEST(Client, SendsMethodHeadersAndBody) {
  for (const std::string method : {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}) {
    Loopback net;
    Request request;
    request.method = method;
    request.url = net.url("/thing?x=1");
    request.headers = {{"Content-Type", "application/json"}, {"X-Empty", ""}};
    if (method != "GET" && method != "HEAD" && method != "OPTIONS") request.body = std::string("a\0b", 3);
    const std::string body = request.body;
    const auto response = net.run(net.client.fetch(std::move(request)));
    ASSERT_TRUE(response) << method << response.error().message;
    ASSERT_EQ(net.seen.size(), 1U) << method;
    EXPECT_EQ(net.seen[0].method, method);
    EXPECT_EQ(net.seen[0].body, body) << method;
    EXPECT_EQ(net.seen[0].header("content-type"), "application/json") << method;
    EXPECT_EQ(net.seen[0].header("x-empty"), "") << method;
    EXPECT_EQ(net.seen[0].header("expect"), std::nullopt) << method;
    EXPECT_EQ(response->header("x-method"), method);
  }
}

TEST(Client, NamesItselfUnlikeABrowser) {
  ClientOptions options;
  options.user_agent = "gpuwarden/9.9";
  Loopback net(nullptr, ServerOptions(), options);
  ASSERT_TRUE(net.get("/"));
  EXPECT_EQ(net.seen.at(0).header("user-agent"), "gpuwarden/9.9");
  EXPECT_EQ(net.seen.at(0).header("content-type"), std::nullopt);
}

TEST(Client, KeepsItsConnection) {
  Loopback net;
  int connections = 0;
  RawListener listener(net.io, [&](RawListener::Socket& socket, int) -> awaitable<void> {
    ++connections;
    for (;;) co_await answer(socket, kOk);
  });
  for (int i = 0; i < 5; ++i) {
    Request request;
    request.url = listener.url("/");
    ASSERT_TRUE(net.run(net.client.fetch(std::move(request))));
  }
  EXPECT_EQ(connections, 1);
}

TEST(Client, TakesABodyOfExactlyTheLimitAndRefusesOneByteMore) {
  Loopback net([](ServerRequest request) -> awaitable<ServerResponse> {
    ServerResponse response;
    response.body = std::string(static_cast<std::size_t>(std::stoul(request.path.substr(1))), 'x');
    co_return response;
  });
  for (const std::size_t size : {99'999U, 100'000U, 100'001U}) {
    Request request;
    request.url = net.url("/" + std::to_string(size));
    request.max_body = 100'000;
    const auto response = net.run(net.client.fetch(std::move(request)));
    if (size <= 100'000) {
      ASSERT_TRUE(response) << size;
      EXPECT_EQ(response->body.size(), size);
    } else {
      ASSERT_FALSE(response);
      EXPECT_EQ(response.error().kind, ErrorKind::malformed);
      EXPECT_THAT(response.error().message, HasSubstr("longer than 100000 bytes"));
    }
  }
}

TEST(Client, ARefusedConnectionIsUnavailable) {
  Loopback net;
  std::uint16_t closed_port = 0;
  {
    asio::ip::tcp::acceptor reserve(net.io, {asio::ip::address_v4::loopback(), 0});
    closed_port = reserve.local_endpoint().port();
  }
  Request request;
  request.method = "POST";
  request.url = "http://127.0.0.1:" + std::to_string(closed_port) + "/pods?key=hush";
  request.headers = {{"Authorization", "Bearer hush-hush"}};
  const auto response = net.run(net.client.fetch(std::move(request)));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, ErrorKind::unavailable);
  EXPECT_THAT(response.error().message,
              HasSubstr("POST 127.0.0.1:" + std::to_string(closed_port) + "/pods: "));
  EXPECT_THAT(response.error().message, Not(HasSubstr("hush")));
}

TEST(Client, ANameThatDoesNotResolveIsUnavailable) {
  Loopback net;
  Request request;
  request.url = "http://no-such-host.invalid/";
  const auto response = net.run(net.client.fetch(std::move(request)));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, ErrorKind::unavailable);
}

TEST(Client, AFailedTlsHandshakeIsUnavailable) {
  Loopback net;
  Request request;
  request.method = "POST";
  request.url = "https://127.0.0.1:" + std::to_string(net.port) + "/";
  const auto response = net.run(net.client.fetch(std::move(request)));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, ErrorKind::unavailable);
}

TEST(Client, ADeadlineBeforeTheConnectionStandsIsUnavailable) {
  Loopback net;
  // Accepted by the kernel, but the TLS handshake is never answered.
  RawListener listener(net.io, [](RawListener::Socket&, int) -> awaitable<void> { co_await forever(); });
  for (const bool whole : {true, false}) {
    Request request;
    request.method = "POST";
    request.url = listener.url("/", "https");
    (whole ? request.timeout : request.connect_timeout) = 100ms;
    const auto response = net.run(net.client.fetch(std::move(request)));
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().kind, ErrorKind::unavailable) << response.error().message;
  }
}

TEST(Client, ADeadlineAfterTheRequestWasSentIsATimeout) {
  Loopback net(silent);
  Request request;
  request.method = "POST";
  request.url = net.url("/slow");
  request.timeout = 100ms;
  const auto response = net.run(net.client.fetch(std::move(request)));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, ErrorKind::timeout);
  EXPECT_THAT(response.error().message, HasSubstr("/slow: no complete answer within 100ms"));
  EXPECT_EQ(net.seen.size(), 1U);
}

TEST(Client, AConnectionDroppedWithoutAnAnswerIsAmbiguous) {
  Loopback net([](ServerRequest) -> awaitable<ServerResponse> {
    ServerResponse response;
    response.drop = true;
    co_return response;
  });
  Request request;
  request.method = "POST";
  request.url = net.url("/pods");
  const auto response = net.run(net.client.fetch(std::move(request)));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, ErrorKind::ambiguous);
}

TEST(Client, AnAnswerThatBreaksOffIsAmbiguous) {
  Loopback net;
  RawListener listener(net.io, [](RawListener::Socket& socket, int) -> awaitable<void> {
    co_await answer(socket, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
  });
  Request request;
  request.method = "POST";
  request.url = listener.url("/");
  const auto response = net.run(net.client.fetch(std::move(request)));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, ErrorKind::ambiguous);
}

// curl by itself sends a request again when a kept connection ends without an answer. A second create is a
// second pod.
TEST(Client, NeverSendsAPostASecondTimeWhenAKeptConnectionEnds) {
  for (const std::string method : {"POST", "PATCH", "DELETE", "PUT"}) {
    Loopback net;
    int requests = 0;
    RawListener listener(net.io, [&](RawListener::Socket& socket, int) -> awaitable<void> {
      co_await answer(socket, kOk);
      ++requests;
      co_await answer(socket, "");
      ++requests;
    });
    for (int i = 0; i < 2; ++i) {
      Request request;
      request.method = method;
      request.url = listener.url("/pods");
      const auto response = net.run(net.client.fetch(std::move(request)));
      EXPECT_EQ(response.has_value(), i == 0) << method;
      if (!response) {
        EXPECT_EQ(response.error().kind, ErrorKind::ambiguous) << method;
      }
    }
    EXPECT_EQ(requests, 2) << method;
  }
}

TEST(Client, SendsAGetAgainWhenAKeptConnectionEnds) {
  Loopback net;
  RawListener listener(net.io, [&](RawListener::Socket& socket, int connection) -> awaitable<void> {
    co_await answer(socket, kOk);
    if (connection == 1) {
      co_await answer(socket, "");
    } else {
      co_await forever();
    }
  });
  for (int i = 0; i < 2; ++i) {
    Request request;
    request.url = listener.url("/pods");
    EXPECT_TRUE(net.run(net.client.fetch(std::move(request))));
  }
  EXPECT_EQ(listener.connections, 2);
}

TEST(Client, CancellationEndsTheFetchAtOnceAndLeavesTheClientUsable) {
  Loopback net([](ServerRequest request) {
    return request.path == "/slow" ? silent(std::move(request)) : Loopback::echo(std::move(request));
  });
  for (const auto type : {asio::cancellation_type::terminal, asio::cancellation_type::total}) {
    asio::cancellation_signal signal;
    std::optional<Result<Response>> result;
    asio::co_spawn(
        net.io,
        [&]() -> awaitable<void> {
          co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
          Request request;
          request.url = net.url("/slow");
          result = co_await net.client.fetch(std::move(request));
        },
        asio::bind_cancellation_slot(signal.slot(), [](const std::exception_ptr&) {}));
    const std::size_t before = net.seen.size();
    net.run_until([&] { return net.seen.size() > before; });
    signal.emit(type);
    net.run_until([&] { return result.has_value(); });
    ASSERT_FALSE(*result);
    EXPECT_EQ(result->error().kind, ErrorKind::cancelled);
  }
  EXPECT_TRUE(net.get("/quick"));
}

TEST(Client, DestructionEndsWhatIsUnderWay) {
  Loopback net(silent);
  auto client = std::make_unique<Client>(net.io.get_executor());
  std::optional<Result<Response>> result;
  asio::co_spawn(
      net.io,
      [&]() -> awaitable<void> {
        Request request;
        request.url = net.url("/slow");
        result = co_await client->fetch(std::move(request));
      },
      [](const std::exception_ptr&) {});
  net.run_until([&] { return !net.seen.empty(); });
  client.reset();
  net.run_until([&] { return result.has_value(); });
  ASSERT_FALSE(*result);
  EXPECT_EQ(result->error().kind, ErrorKind::cancelled);
}

TEST(Client, AnAbandonedLoopLeaksNothing) {
  auto net = std::make_unique<Loopback>(silent);
  for (int i = 0; i < 3; ++i) {
    Request request;
    request.url = net->url("/slow");
    asio::co_spawn(net->io, net->client.fetch(std::move(request)),
                   [](const std::exception_ptr&, const Result<Response>&) {});
  }
  net->run_until([&] { return net->seen.size() == 3; });
  net.reset();  // judged by the sanitizers
}

TEST(Client, GivesAStreamedBodyInChunksAndStopsWhenToldTo) {
  int sent = 0;
  Loopback net([&](ServerRequest) -> awaitable<ServerResponse> {
    ServerResponse response;
    response.headers = {{"Content-Type", "text/event-stream"}};
    response.stream = [&](SendChunk send) -> awaitable<void> {
      asio::steady_timer pause(co_await asio::this_coro::executor);
      for (int i = 0; i < 1000; ++i) {
        if (!co_await send("data: " + std::to_string(i) + "\n\n")) co_return;
        ++sent;
        pause.expires_after(1ms);
        co_await pause.async_wait(asio::use_awaitable);
      }
    };
    co_return response;
  });
  std::string body;
  Request request;
  request.url = net.url("/logs");
  request.max_body = 4;  // bounds a collected body only
  request.on_chunk = [&](std::string_view chunk) {
    body += chunk;
    return body.find("data: 2\n") == std::string::npos;
  };
  const auto response = net.run(net.client.fetch(std::move(request)));
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->header("content-type"), "text/event-stream");
  EXPECT_TRUE(response->body.empty());
  EXPECT_THAT(body, HasSubstr("data: 0\n\ndata: 1\n\ndata: 2\n\n"));
  EXPECT_LT(sent, 1000);
}

TEST(Client, AReaderMayUseTheClientItself) {
  Loopback net;
  bool inner_done = false;
  Request request;
  request.method = "POST";
  request.url = net.url("/outer");
  request.body = "text";
  request.on_chunk = [&](std::string_view) {
    Request inner;
    inner.url = net.url("/inner");
    asio::co_spawn(
        net.io, net.client.fetch(std::move(inner)),
        [&](const std::exception_ptr&, const Result<Response>& answer) { inner_done = answer.has_value(); });
    return true;
  };
  ASSERT_TRUE(net.run(net.client.fetch(std::move(request))));
  net.run_until([&] { return inner_done; });
}

TEST(Client, KeepsManyRequestsApart) {
  ClientOptions options;
  options.max_connections = 4;
  Loopback net(nullptr, ServerOptions(), options);
  std::set<std::string> bodies;
  for (int i = 0; i < 300; ++i) {
    Request request;
    request.method = "POST";
    request.url = net.url("/");
    request.body = "body " + std::to_string(i);
    asio::co_spawn(net.io, net.client.fetch(std::move(request)),
                   [&](const std::exception_ptr&, const Result<Response>& response) {
                     bodies.insert(response ? response->body : response.error().message);
                   });
  }
  net.run_until([&] { return net.seen.size() == 300 && bodies.size() == 300; });
  EXPECT_EQ(bodies.count("body 299"), 1U);
}

TEST(Client, OpensNoMoreConnectionsToAHostThanAllowed) {
  ClientOptions options;
  options.max_connections = 3;
  Loopback net(nullptr, ServerOptions(), options);
  RawListener listener(net.io, [](RawListener::Socket& socket, int) -> awaitable<void> {
    for (;;) co_await answer(socket, kOk);
  });
  int done = 0;
  for (int i = 0; i < 30; ++i) {
    Request request;
    request.url = listener.url("/");
    asio::co_spawn(
        net.io, net.client.fetch(std::move(request)),
        [&](const std::exception_ptr&, const Result<Response>& response) { done += response.has_value(); });
  }
  net.run_until([&] { return done == 30; });
  EXPECT_LE(listener.connections, 3);
}

TEST(Client, FollowsNoRedirect) {
  Loopback net([](ServerRequest) -> awaitable<ServerResponse> {
    ServerResponse response;
    response.status = 302;
    response.headers = {{"Location", "/elsewhere"}};
    co_return response;
  });
  const auto response = net.get("/");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 302);
  EXPECT_EQ(net.seen.size(), 1U);
}

TEST(Client, RefusesWhatWouldSmuggleAnotherHeader) {
  Loopback net;
  const auto error_of = [&](auto change) {
    Request request;
    request.url = net.url("/");
    change(request);
    const auto response = net.run(net.client.fetch(std::move(request)));
    return response ? ErrorKind::internal : response.error().kind;
  };
  EXPECT_EQ(error_of([](Request& r) { r.headers = {{"A", "b\r\nC: d"}}; }), ErrorKind::invalid_input);
  EXPECT_EQ(error_of([](Request& r) { r.headers = {{"A: x\r\nB", "c"}}; }), ErrorKind::invalid_input);
  EXPECT_EQ(error_of([](Request& r) { r.method = "GET / HTTP/1.1\r\nX: y"; }), ErrorKind::invalid_input);
  EXPECT_EQ(error_of([](Request& r) { r.url = "file:///etc/passwd"; }), ErrorKind::invalid_input);
  EXPECT_EQ(error_of([](Request& r) { r.url = "ftp://127.0.0.1/x"; }), ErrorKind::invalid_input);
  EXPECT_EQ(error_of([](Request& r) { r.url = "not a url"; }), ErrorKind::invalid_input);
  EXPECT_TRUE(net.seen.empty());
}

TEST(Client, AsksNoProxyForLoopback) {
  setenv("http_proxy", "http://127.0.0.1:1/", 1);
  Loopback net;
  EXPECT_TRUE(net.get("/"));
  unsetenv("http_proxy");
}

}  // namespace
}  // namespace gpuwarden::http
