#include <array>
#include <memory>

#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gpuwarden/http/client.hpp"

#include "h2_server.hpp"
#include "loopback.hpp"

namespace gpuwarden::http {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;
using ::testing::HasSubstr;

/// Passes bytes on between clients and a server, until it is told to swallow those of its present clients.
class Relay {
 public:
  using Socket = asio::ip::tcp::socket;
  Relay(asio::io_context& io, std::uint16_t to)
      : to_(to), acceptor_(io, {asio::ip::address_v4::loopback(), 0}) {
    asio::co_spawn(io, accept(), asio::detached);
  }
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  void swallow() { swallowed_up_to_ = connections; }
  int connections{0};

 private:
  awaitable<void> accept() {
    for (;;) {
      auto client = std::make_shared<Socket>(co_await acceptor_.async_accept(asio::use_awaitable));
      auto server = std::make_shared<Socket>(acceptor_.get_executor());
      co_await server->async_connect({asio::ip::address_v4::loopback(), to_}, asio::use_awaitable);
      ++connections;
      asio::co_spawn(acceptor_.get_executor(), pump(client, server, connections), asio::detached);
      asio::co_spawn(acceptor_.get_executor(), pump(server, client, connections), asio::detached);
    }
  }
  awaitable<void> pump(std::shared_ptr<Socket> from, std::shared_ptr<Socket> into, int number) {
    std::array<char, 16384> bytes{};
    for (;;) {
      const std::size_t got = co_await from->async_read_some(asio::buffer(bytes), asio::use_awaitable);
      if (number <= swallowed_up_to_) continue;
      co_await asio::async_write(*into, asio::buffer(bytes.data(), got), asio::use_awaitable);
    }
  }
  std::uint16_t to_;
  asio::ip::tcp::acceptor acceptor_;
  int swallowed_up_to_{0};
};

/// HTTP/2 over TLS, which is what both services speak.
class ClientH2 : public ::testing::Test {
 protected:
  static ClientOptions trusting(const std::string& ca_file) {
    ClientOptions options;
    options.ca_file = ca_file;
    return options;
  }
  static Request request(std::string method, std::string url) {
    Request made;
    made.method = std::move(method);
    made.url = std::move(url);
    if (made.method == "POST") made.body = "the body";
    made.timeout = 20s;
    return made;
  }
  Result<Response> get(const std::string& path) {
    return net.run(net.client.fetch(request("GET", server.url(path))));
  }
  /// Runs the loop until it has nothing to do at once.
  void settle() {
    net.io.restart();
    net.io.run_for(300ms);
  }

  H2Server server;
  Loopback net{nullptr, ServerOptions(), trusting(server.ca_file())};
};

TEST_F(ClientH2, GivesTheAnswerOfAServerWithAProperCertificate) {
  const auto response = net.run(net.client.fetch(request("POST", server.url("/small"))));
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, "the body");
  EXPECT_TRUE(response->header("server"));
  EXPECT_EQ(server.logged("The negotiated protocol: h2"), 1);
}

TEST_F(ClientH2, SharesOneConnectionAmongAllRequests) {
  server.freeze();
  int good = 0;
  for (int i = 0; i < 20; ++i) {
    asio::co_spawn(
        net.io, net.client.fetch(request("POST", server.url("/" + std::to_string(i)))),
        [&](const std::exception_ptr&, const Result<Response>& response) { good += response.has_value(); });
  }
  settle();
  server.thaw();
  net.run_until([&] { return good == 20; });
  EXPECT_EQ(server.connections(), 1);
  EXPECT_EQ(server.logged(":method: POST"), 20);
  EXPECT_GT(server.most_open(), 1) << "one after another is no sharing";
}

TEST_F(ClientH2, LeavesAStreamWithoutHarmToItsNeighbours) {
  std::size_t received = 0;
  std::optional<Result<Response>> whole;
  Request all = request("GET", server.url("/big"));
  all.on_chunk = [&](std::string_view chunk) {
    received += chunk.size();
    return true;
  };
  asio::co_spawn(
      net.io, net.client.fetch(std::move(all)),
      [&](const std::exception_ptr&, Result<Response> response) { whole.emplace(std::move(response)); });
  net.run_until([&] { return received > 0; });
  Request some = request("GET", server.url("/big"));
  some.on_chunk = [](std::string_view) { return false; };
  const auto left = net.run(net.client.fetch(std::move(some)));
  EXPECT_TRUE(left) << left.error().message;
  net.run_until([&] { return whole.has_value(); });
  EXPECT_TRUE(*whole) << whole->error().message;
  EXPECT_EQ(received, H2Server::kBig);
  EXPECT_TRUE(get("/small"));
  EXPECT_EQ(server.logged("recv RST_STREAM"), 1) << "else the server sends on for nobody";
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(ClientH2, ADeadlineEndsOnlyItsOwnStream) {
  ASSERT_TRUE(get("/small"));
  server.freeze();
  Request hasty = request("POST", server.url("/a"));
  hasty.timeout = 200ms;
  std::optional<Result<Response>> patient;
  asio::co_spawn(
      net.io, net.client.fetch(request("POST", server.url("/b"))),
      [&](const std::exception_ptr&, Result<Response> response) { patient.emplace(std::move(response)); });
  const auto late = net.run(net.client.fetch(std::move(hasty)));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().kind, ErrorKind::timeout);
  server.thaw();
  net.run_until([&] { return patient.has_value(); });
  EXPECT_TRUE(*patient) << patient->error().message;
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(ClientH2, SendsAGetButNoPostAgainWhenTheConnectionIsLost) {
  for (const std::string method : {"POST", "GET"}) {
    ASSERT_TRUE(get("/small"));
    server.freeze();
    std::optional<Result<Response>> ended;
    asio::co_spawn(
        net.io, net.client.fetch(request(method, server.url("/small"))),
        [&](const std::exception_ptr&, Result<Response> response) { ended.emplace(std::move(response)); });
    settle();
    EXPECT_FALSE(ended);
    server.replace();
    net.run_until([&] { return ended.has_value(); });
    EXPECT_EQ(ended->has_value(), method == "GET");
    if (!*ended) {
      EXPECT_EQ(ended->error().kind, ErrorKind::ambiguous) << ended->error().message;
    }
    EXPECT_EQ(server.logged(":method: " + method), method == "GET" ? 1 : 0);
  }
}

TEST_F(ClientH2, LeavesAConnectionThatTheOtherSideHasForgotten) {
  Relay relay(net.io, server.port());
  const std::string url = "https://localhost:" + std::to_string(relay.port()) + "/small";
  ASSERT_TRUE(net.run(net.client.fetch(request("GET", url))));
  relay.swallow();
  Request lost = request("POST", url);
  lost.timeout = 2500ms;
  const auto late = net.run(net.client.fetch(std::move(lost)));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().kind, ErrorKind::timeout);
  Request next = request("POST", url);
  next.timeout = 10s;
  const auto response = net.run(net.client.fetch(std::move(next)));
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(relay.connections, 2);
}

TEST_F(ClientH2, SaysNothingToAServerWhoseCertificateIsForAnotherName) {
  const auto response = net.run(net.client.fetch(request("POST", server.url("/small", "127.0.0.1"))));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, ErrorKind::unavailable);
  EXPECT_THAT(response.error().message, HasSubstr("127.0.0.1"));
  EXPECT_EQ(server.logged(":method:"), 0);
  EXPECT_TRUE(get("/small")) << "the same server under its own name";
}

TEST_F(ClientH2, SaysNothingToAServerWhoseCertificateNobodyVouchesFor) {
  Client stranger(net.io.get_executor());
  const auto response = net.run(stranger.fetch(request("POST", server.url("/small"))));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, ErrorKind::unavailable);
  EXPECT_THAT(response.error().message, HasSubstr("certificate"));
  EXPECT_EQ(server.logged(":method:"), 0);
}

}  // namespace
}  // namespace gpuwarden::http
