#include <chrono>
#include <cstdio>
#include <map>
#include <optional>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gpuwarden/ssh/session.hpp"

#include "ssh_host.hpp"
#include "support/ticker.hpp"

namespace gpuwarden::ssh {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;
using asio::awaitable;
using Clock = asio::steady_timer::clock_type;

Target target_of(const SshHost& host) {
  Target target;
  target.host = "127.0.0.1";
  target.port = host.port();
  target.user = host.user();
  target.private_key = Secret(host.user_key());
  target.timeout = 30s;
  return target;
}

TEST(Fleet, TwoHundredSessionsNeverStallTheLoop) {
  constexpr int kSessions = 200;
  if (!support::starved_so_far())
    GTEST_SKIP() << "this kernel does not say how long a thread waited for a processor (schedstat)";
  const SshHost host;
  asio::io_context io;
  HandshakeLimit limit(io.get_executor(), 16);
  support::Ticker ticker(io);
  const std::string script(10'000, '#');
  int done = 0;
  int good = 0;
  std::map<std::string, int> failures;
  const auto began = Clock::now();
  for (int i = 0; i < kSessions; ++i) {
    asio::co_spawn(
        io,
        [&]() -> awaitable<void> {
          // By name: looking it up must not block the loop either.
          Target target = target_of(host);
          target.host = "localhost";
          auto session = co_await Session::connect(io.get_executor(), limit, std::move(target));
          if (!session) {
            ++failures[session.error().message];
          } else {
            Exec exec;
            exec.command = "bash -s";
            exec.stdin_data = script + "\nexit 7\n";
            const auto ran = co_await (*session)->exec(std::move(exec));
            if (ran && ran->exit_status == 7) ++good;
            if (!ran) ++failures[ran.error().message];
          }
          if (++done == kSessions) ticker.stop();
        },
        asio::detached);
  }
  io.run_for(100s);
  const auto ms = [](auto duration) {
    return static_cast<long long>(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
  };
  std::printf(
      "%d sessions in %lld ms, longest loop lag %lld ms (%lld ms of our own), at most %d handshakes at "
      "once\n",
      kSessions, ms(Clock::now() - began), ms(ticker.worst), ms(ticker.worst_of_our_own),
      limit.most_at_once());
  EXPECT_EQ(good, kSessions) << ::testing::PrintToString(failures);
  EXPECT_LT(ms(ticker.worst_of_our_own), 100);
  EXPECT_LE(limit.most_at_once(), 16);
  EXPECT_GT(limit.most_at_once(), 1);
}

TEST(Fleet, DeadHostsDoNotHoldUpLivingOnes) {
  const SshHost host;
  asio::io_context io;
  HandshakeLimit limit(io.get_executor(), 2);
  asio::ip::tcp::acceptor black_hole(io, {asio::ip::address_v4::loopback(), 0});
  int timed_out = 0;
  std::optional<bool> connected;
  int timed_out_before = 0;
  for (int i = 0; i < 4; ++i) {
    Target dead = target_of(host);
    dead.port = black_hole.local_endpoint().port();
    dead.timeout = 20s;
    asio::co_spawn(io, Session::connect(io.get_executor(), limit, std::move(dead)),
                   [&](const std::exception_ptr&, const Result<std::unique_ptr<Session>>& session) {
                     timed_out += !session && session.error().kind == ErrorKind::timeout;
                   });
  }
  asio::co_spawn(io, Session::connect(io.get_executor(), limit, target_of(host)),
                 [&](const std::exception_ptr&, const Result<std::unique_ptr<Session>>& session) {
                   connected = session.has_value();
                   timed_out_before = timed_out;
                   io.stop();
                 });
  io.run_for(60s);
  EXPECT_EQ(connected, true);
  EXPECT_EQ(timed_out_before, 0);
}

TEST(Fleet, WaitingForAHandshakeIsNotCountedInTheTimeout) {
  const SshHost host;
  asio::io_context io;
  HandshakeLimit limit(io.get_executor(), 1);
  // One that keeps the only slot for 700 ms: its host does not speak.
  asio::ip::tcp::acceptor black_hole(io, {asio::ip::address_v4::loopback(), 0});
  Target slow = target_of(host);
  slow.port = black_hole.local_endpoint().port();
  slow.timeout = 700ms;
  std::vector<std::string> order;
  const auto note = [&](std::string name) {
    return [&order, name](const std::exception_ptr&, const Result<std::unique_ptr<Session>>& session) {
      order.push_back(name + (session ? " connected" : " " + std::string(to_string(session.error().kind))));
    };
  };
  asio::co_spawn(io, Session::connect(io.get_executor(), limit, std::move(slow)), note("slow"));
  for (const char* name : {"first", "second", "third"}) {
    Target target = target_of(host);
    target.timeout = 650ms;
    asio::co_spawn(io, Session::connect(io.get_executor(), limit, std::move(target)), note(name));
  }
  while (order.size() < 4 && io.run_one_for(30s) > 0) {
  }
  EXPECT_THAT(order, ::testing::ElementsAre("slow timeout", "first connected", "second connected",
                                            "third connected"));
  EXPECT_EQ(limit.most_at_once(), 1);
}

TEST(Fleet, AWaiterThatIsCancelledPassesItsTurnOn) {
  const SshHost host;
  asio::io_context io;
  HandshakeLimit limit(io.get_executor(), 1);
  asio::ip::tcp::acceptor black_hole(io, {asio::ip::address_v4::loopback(), 0});
  Target slow = target_of(host);
  slow.port = black_hole.local_endpoint().port();
  slow.timeout = 300ms;
  asio::cancellation_signal signal;
  std::vector<std::string> order;
  const auto note = [&](std::string name) {
    return [&order, name](const std::exception_ptr&, const Result<std::unique_ptr<Session>>& session) {
      order.push_back(name + (session ? " connected" : " " + std::string(to_string(session.error().kind))));
    };
  };
  asio::co_spawn(io, Session::connect(io.get_executor(), limit, std::move(slow)), note("slow"));
  asio::co_spawn(io, Session::connect(io.get_executor(), limit, target_of(host)),
                 asio::bind_cancellation_slot(signal.slot(), note("cancelled")));
  asio::co_spawn(io, Session::connect(io.get_executor(), limit, target_of(host)), note("last"));
  asio::post(io, [&] { signal.emit(asio::cancellation_type::terminal); });
  while (order.size() < 3 && io.run_one_for(30s) > 0) {
  }
  EXPECT_THAT(order, ::testing::ElementsAre("cancelled cancelled", "slow timeout", "last connected"));
}

}  // namespace
}  // namespace gpuwarden::ssh
