#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netdb.h>

#include "gpuwarden/ssh/session.hpp"

#include "adapters/ssh/host_key.hpp"
#include "ssh_host.hpp"

namespace gpuwarden::ssh {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;
using asio::awaitable;
using ::testing::HasSubstr;

/// A resolver that keeps who asks for kHangs until it is let go.
constexpr std::string_view kHangs = "hangs.test";
struct Resolver {
  std::mutex mutex;
  std::condition_variable changed;
  int asked{0}, answered{0};
  bool let_go{false};
  void hang() {
    std::unique_lock lock(mutex);
    ++asked;
    changed.wait_for(lock, 30s, [this] { return let_go; });
    ++answered;
    changed.notify_all();
  }
  void release() {
    std::unique_lock lock(mutex);
    let_go = true;
    changed.notify_all();
    changed.wait(lock, [this] { return answered == asked; });
  }
};
Resolver& resolver() {
  static Resolver only;
  return only;
}

}  // namespace
}  // namespace gpuwarden::ssh

extern "C" int getaddrinfo(const char* name, const char* service, const addrinfo* hints, addrinfo** found) {
  using gpuwarden::ssh::kHangs;
  if (name != nullptr && kHangs == name) {
    gpuwarden::ssh::resolver().hang();
    return EAI_AGAIN;
  }
  static const auto real = reinterpret_cast<decltype(&getaddrinfo)>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  return real(name, service, hints, found);
}

namespace gpuwarden::ssh {
namespace {

class ConnectTest : public ::testing::Test {
 protected:
  using Connected = Result<std::unique_ptr<Session>>;

  struct Attempt {
    std::optional<Connected> ended;
  };
  void start(Attempt& attempt, HandshakeLimit& limit, Target target) {
    asio::co_spawn(
        *io, Session::connect(io->get_executor(), limit, std::move(target)),
        [&](const std::exception_ptr&, Connected session) { attempt.ended.emplace(std::move(session)); });
  }
  Error refusal(Target target) {
    HandshakeLimit limit(io->get_executor());
    Attempt attempt;
    start(attempt, limit, std::move(target));
    run_until([&] { return attempt.ended.has_value(); });
    if (*attempt.ended) throw std::runtime_error("connected");
    return attempt.ended->error();
  }
  void run_until(const std::function<bool()>& done) {
    io->restart();
    while (!done()) {
      if (io->run_one_for(60s) == 0) throw std::runtime_error("the loop is stuck");
    }
  }
  static Target target_at(std::uint16_t port) {
    Target target;
    target.host = "127.0.0.1";
    target.port = port;
    target.private_key = Secret("not asked for");
    target.timeout = 20s;
    return target;
  }

  std::unique_ptr<asio::io_context> io = std::make_unique<asio::io_context>();
};

/// Says who it is and no more, so that a handshake with it takes all the time that it is given.
class Tongue {
 public:
  explicit Tongue(asio::io_context& io) : acceptor_(io, {asio::ip::address_v4::loopback(), 0}), peer_(io) {
    acceptor_.async_accept(peer_, [this](boost::system::error_code) {
      asio::write(peer_, asio::buffer(std::string_view("SSH-2.0-tongue\r\n")));
      spoke = true;
    });
  }
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  bool spoke{false};

 private:
  asio::ip::tcp::acceptor acceptor_;
  asio::ip::tcp::socket peer_;
};

TEST_F(ConnectTest, WaitingForAHandshakeSlotHasAnEnd) {
  HandshakeLimit limit(io->get_executor(), 1);
  Tongue tongue(*io);
  Attempt first, second;
  start(first, limit, target_at(tongue.port()));
  run_until([&] { return tongue.spoke; });
  Target target = target_at(tongue.port());
  target.slot_wait = 100ms;
  start(second, limit, std::move(target));
  run_until([&] { return second.ended || first.ended; });
  ASSERT_TRUE(second.ended) << "it waited until the handshake before it was over";
  ASSERT_FALSE(*second.ended);
  EXPECT_EQ(second.ended->error().kind, ErrorKind::unavailable);
  EXPECT_THAT(second.ended->error().message, HasSubstr("no turn among the 1 handshakes"));
}

TEST_F(ConnectTest, WhatIsCancelledBeforeItBeginsWaitsForNoSlot) {
  HandshakeLimit limit(io->get_executor(), 1);
  Tongue tongue(*io);
  Attempt first, second;
  start(first, limit, target_at(tongue.port()));
  run_until([&] { return tongue.spoke; });
  asio::cancellation_signal signal;
  asio::co_spawn(
      *io,
      [&]() -> awaitable<void> {
        co_await asio::this_coro::throw_if_cancelled(false);
        boost::system::error_code ended;
        asio::steady_timer pause(*io, asio::steady_timer::time_point::max());
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ended));
        second.ended = co_await Session::connect(io->get_executor(), limit, target_at(tongue.port()));
      },
      asio::bind_cancellation_slot(signal.slot(), asio::detached));
  io->poll();
  signal.emit(asio::cancellation_type::terminal);
  run_until([&] { return second.ended || first.ended; });
  ASSERT_TRUE(second.ended && !*second.ended);
  EXPECT_EQ(second.ended->error().kind, ErrorKind::cancelled);
}

TEST_F(ConnectTest, ANameThatNobodyAnswersForHoldsUpNothing) {
  Target target = target_at(22);
  target.host = kHangs;
  target.timeout = 400ms;
  const Error error = refusal(std::move(target));
  EXPECT_EQ(error.kind, ErrorKind::unavailable);
  EXPECT_THAT(error.message, HasSubstr("does not resolve: no answer within 200ms"));
  io.reset();  // the end of the program
  EXPECT_EQ(resolver().answered, 0) << "the look-up was waited for";
  resolver().release();
}

TEST_F(ConnectTest, AHostWithOnlyRsaKeysIsToldWhatToDo) {
  SshHost::Options options;
  options.host_keys = {"rsa"};
  const SshHost host(options);
  const Error error = refusal(target_at(host.port()));
  EXPECT_EQ(error.kind, ErrorKind::unavailable);
  EXPECT_EQ(error.code, "libssh2 -5");
  EXPECT_THAT(error.message, HasSubstr("keys of the types rsa-sha2-512,rsa-sha2-256 only"));
  EXPECT_THAT(error.message, HasSubstr("ssh-keygen -A"));
}

TEST_F(ConnectTest, AnotherDisagreementIsNotBlamedOnTheHostKeys) {
  SshHost::Options options;
  options.more_config = "Ciphers chacha20-poly1305@openssh.com\n";
  const SshHost host(options);
  const Error error = refusal(target_at(host.port()));
  EXPECT_EQ(error.code, "libssh2 -5");
  EXPECT_THAT(error.message, ::testing::Not(HasSubstr("ssh-keygen")));
}

std::string name_list(const std::string& names) {
  return std::string("\0\0\0", 3) + static_cast<char>(names.size()) + names;
}

TEST(Greeting, NamesTheHostKeyTypes) {
  const std::string packet = std::string("\0\0\1\0\4", 5) + '\x14' + std::string(16, 'c') +
                             name_list("curve25519-sha256") + name_list("ssh-ed25519,ssh-rsa") + "rest";
  EXPECT_EQ(offered_host_key_types("SSH-2.0-x\r\n" + packet), "ssh-ed25519,ssh-rsa");
  EXPECT_EQ(offered_host_key_types("a banner\nof two lines\nSSH-2.0-x\n" + packet), "ssh-ed25519,ssh-rsa");
}

TEST(Greeting, ThatIsCutOffOrStrangeNamesNothing) {
  const std::string whole = "SSH-2.0-x\r\n" + std::string("\0\0\1\0\4", 5) + '\x14' + std::string(16, 'c') +
                            name_list("kex") + name_list("ssh-rsa");
  ASSERT_EQ(offered_host_key_types(whole), "ssh-rsa");
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_EQ(offered_host_key_types(std::string_view(whole).substr(0, length)), "") << length;
  std::string other_packet = whole;
  other_packet[16] = '\x15';
  EXPECT_EQ(offered_host_key_types(other_packet), "");
  EXPECT_EQ(offered_host_key_types("HTTP/1.1 400 Bad Request\r\n\r\n"), "");
}

TEST(Greeting, ListsHaveAWholeNameInCommon) {
  EXPECT_TRUE(has_common_name("a,bc", "x,bc,y"));
  EXPECT_TRUE(has_common_name("a", "a"));
  EXPECT_FALSE(has_common_name("rsa-sha2-512", "rsa-sha2-51,ssh-rsa"));
  EXPECT_FALSE(has_common_name("", "a"));
  EXPECT_FALSE(has_common_name("a", ""));
}

}  // namespace
}  // namespace gpuwarden::ssh
