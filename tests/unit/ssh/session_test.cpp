#include "gpuwarden/ssh/session.hpp"

#include <chrono>
#include <fstream>
#include <optional>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ssh_host.hpp"

namespace gpuwarden::ssh {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;
using asio::awaitable;
using ::testing::HasSubstr;
using ::testing::Not;

/// One sshd for all tests that need nothing special of it.
SshHost& host() {
  static SshHost only;
  return only;
}

class SessionTest : public ::testing::Test {
 protected:
  template <class T>
  T run(awaitable<T> work) {
    std::optional<T> result;
    std::exception_ptr thrown;
    asio::co_spawn(io, std::move(work), [&](std::exception_ptr failure, T value) {
      thrown = failure;
      result.emplace(std::move(value));
    });
    run_until([&] { return result.has_value(); });
    if (thrown) std::rethrow_exception(thrown);
    return std::move(*result);
  }

  void run_until(const std::function<bool()>& done) {
    io.restart();
    while (!done()) {
      if (io.run_one_for(60s) == 0) throw std::runtime_error("the loop is stuck");
    }
  }

  static Target target_of(const SshHost& on) {
    Target target;
    target.host = "127.0.0.1";
    target.port = on.port();
    target.user = on.user();
    target.private_key = Secret(on.user_key());
    target.timeout = 20s;
    return target;
  }

  std::unique_ptr<Session> connect(Target target) {
    auto session = run(Session::connect(io.get_executor(), limit, std::move(target)));
    if (!session) throw std::runtime_error(session.error().message);
    return std::move(*session);
  }
  Error refusal(Target target) {
    auto session = run(Session::connect(io.get_executor(), limit, std::move(target)));
    if (session) throw std::runtime_error("connected");
    return session.error();
  }

  struct Output {
    Result<ExecResult> result;
    std::string out, err;
  };
  Output exec(Session& session, std::string command, std::string input = "", Duration timeout = 30s) {
    Output output{fail(ErrorKind::internal, "not run"), "", ""};
    Exec what;
    what.command = std::move(command);
    what.stdin_data = std::move(input);
    what.timeout = timeout;
    what.on_stdout = [&](std::string_view chunk) { output.out += chunk; };
    what.on_stderr = [&](std::string_view chunk) { output.err += chunk; };
    output.result = run(session.exec(std::move(what)));
    return output;
  }

  asio::io_context io;
  HandshakeLimit limit{io.get_executor()};
};

TEST_F(SessionTest, RunsACommandAndTellsItsExitStatus) {
  const auto session = connect(target_of(host()));
  for (const int status : {0, 1, 42, 255}) {
    const auto ran = exec(*session, "echo out; echo err >&2; exit " + std::to_string(status));
    ASSERT_TRUE(ran.result) << ran.result.error().message;
    EXPECT_EQ(ran.result->exit_status, status);
    EXPECT_EQ(ran.result->exit_signal, "");
    EXPECT_EQ(ran.out, "out\n");
    EXPECT_EQ(ran.err, "err\n");
  }
}

TEST_F(SessionTest, TellsTheSignalThatEndedACommand) {
  const auto session = connect(target_of(host()));
  const auto ran = exec(*session, "kill -TERM $$");
  ASSERT_TRUE(ran.result);
  EXPECT_EQ(ran.result->exit_signal, "TERM");
  EXPECT_EQ(ran.result->exit_status, -1);
}

TEST_F(SessionTest, SendsAMegabyteOfInputAndItsEnd) {
  const auto session = connect(target_of(host()));
  std::string input(1U << 20U, '\0');
  for (std::size_t i = 0; i < input.size(); ++i) input[i] = static_cast<char>(i * 131 >> 7U);
  const auto ran = exec(*session, "wc -c; echo done", input);
  ASSERT_TRUE(ran.result) << ran.result.error().message;
  EXPECT_EQ(ran.out, "1048576\ndone\n");
}

TEST_F(SessionTest, MovesMuchInputAndOutputAtTheSameTime) {
  const auto session = connect(target_of(host()));
  std::string input(24U << 20U, '\0');
  for (std::size_t i = 0; i < input.size(); ++i) input[i] = static_cast<char>(i * 2654435761U >> 24U);
  const auto ran = exec(*session, "tee /dev/stderr", input, 60s);
  ASSERT_TRUE(ran.result) << ran.result.error().message;
  EXPECT_TRUE(ran.out == input) << ran.out.size();
  EXPECT_TRUE(ran.err == input) << ran.err.size();
}

TEST_F(SessionTest, ACommandThatReadsNothingStillEnds) {
  const auto session = connect(target_of(host()));
  const auto ran = exec(*session, "exit 3", std::string(8U << 20U, 'x'));
  ASSERT_TRUE(ran.result) << ran.result.error().message;
  EXPECT_EQ(ran.result->exit_status, 3);
}

TEST_F(SessionTest, ACommandThatClosesItsOutputMayGoOn) {
  const auto session = connect(target_of(host()));
  const std::string file = host().directory() + "/input";
  const auto ran =
      exec(*session, "exec >&- 2>&-; sleep 0.3; cat > " + file + "; exit 7", std::string(4U << 20U, 'y'));
  ASSERT_TRUE(ran.result) << ran.result.error().message;
  EXPECT_EQ(ran.result->exit_status, 7);
  EXPECT_EQ(read_text(file).size(), 4U << 20U);
}

TEST_F(SessionTest, StreamsOutputWhileTheCommandRuns) {
  const auto session = connect(target_of(host()));
  bool first_seen = false;
  Exec what;
  what.command = "echo first; read line; echo \"$line\"";  // ends only when the test has seen the first line
  what.timeout = 20s;
  what.on_stdout = [&](std::string_view chunk) { first_seen = first_seen || chunk.starts_with("first"); };
  std::optional<Result<ExecResult>> result;
  asio::co_spawn(
      io,
      [&]() -> awaitable<void> {
        Exec blocked;
        blocked.command = "echo first; while [ ! -e " + host().directory() + "/go ]; do sleep 0.02; done";
        blocked.on_stdout = what.on_stdout;
        result = co_await session->exec(std::move(blocked));
      },
      asio::detached);
  run_until([&] { return first_seen; });
  EXPECT_FALSE(result);
  EXPECT_EQ(std::system(("touch " + host().directory() + "/go").c_str()), 0);
  run_until([&] { return result.has_value(); });
  EXPECT_TRUE(*result);
}

TEST_F(SessionTest, RefusesASecondCommandWhileOneRuns) {
  const auto session = connect(target_of(host()));
  asio::co_spawn(
      io,
      [&]() -> awaitable<void> {
        Exec long_one;
        long_one.command = "sleep 5";
        co_await session->exec(std::move(long_one));
      },
      asio::detached);
  io.restart();
  io.poll();
  const auto second = exec(*session, "true");
  ASSERT_FALSE(second.result);
  EXPECT_EQ(second.result.error().kind, ErrorKind::conflict);
}

TEST_F(SessionTest, AcceptsEd25519AndEcdsaAndEncryptedKeys) {
  for (const std::string type : {"ed25519", "ecdsa", "encrypted"}) {
    Target target = target_of(host());
    target.private_key = Secret(host().user_key(type));
    if (type == "encrypted") target.passphrase = Secret("open sesame");
    EXPECT_TRUE(exec(*connect(std::move(target)), "true").result) << type;
  }
}

TEST_F(SessionTest, AKeyThatTheHostDoesNotKnowIsUnauthorized) {
  Target target = target_of(host());
  target.private_key = Secret(host().stranger_key());
  const Error error = refusal(std::move(target));
  EXPECT_EQ(error.kind, ErrorKind::unauthorized);
  EXPECT_THAT(error.message, HasSubstr("@127.0.0.1:" + std::to_string(host().port())));
  EXPECT_THAT(error.message, Not(HasSubstr("PRIVATE KEY")));
}

TEST_F(SessionTest, AnUnusableKeyOfOursIsInvalidInput) {
  Target wrong_passphrase = target_of(host());
  wrong_passphrase.private_key = Secret(host().user_key("encrypted"));
  wrong_passphrase.passphrase = Secret("close sesame");
  EXPECT_EQ(refusal(std::move(wrong_passphrase)).kind, ErrorKind::invalid_input);
  Target nonsense = target_of(host());
  nonsense.private_key = Secret("not a key at all");
  const Error error = refusal(std::move(nonsense));
  EXPECT_EQ(error.kind, ErrorKind::invalid_input) << error.message;
}

TEST_F(SessionTest, ShowsTheEd25519FingerprintAsSshKeygenPrintsIt) {
  EXPECT_EQ(connect(target_of(host()))->host_key_sha256(), host().fingerprint("ed25519"));
}

TEST_F(SessionTest, AcceptsAnyPinnedKeyOfTheHost) {
  Target target = target_of(host());
  target.host_key_sha256 = {"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                            host().fingerprint("ed25519")};
  EXPECT_TRUE(connect(target));
  target.host_key_sha256 = {host().fingerprint("ecdsa")};
  EXPECT_EQ(connect(target)->host_key_sha256(), host().fingerprint("ecdsa"));
}

TEST_F(SessionTest, TalksToAHostThatOwnsOnlyOneKindOfKey) {
  for (const std::string type : {"ed25519", "ecdsa"}) {
    SshHost::Options options;
    options.host_keys = {type};
    const SshHost one(options);
    Target target = target_of(one);
    target.host_key_sha256 = {one.fingerprint(type)};
    EXPECT_TRUE(connect(std::move(target))) << type;
  }
}

TEST_F(SessionTest, AWrongPinIsAConflictAndNothingIsAuthenticated) {
  const SshHost fresh;
  Target target = target_of(fresh);
  target.host_key_sha256 = {"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
  const Error error = refusal(target);
  EXPECT_EQ(error.kind, ErrorKind::conflict);
  EXPECT_THAT(error.message, HasSubstr("host key " + fresh.fingerprint("ed25519") + " does not match"));
  EXPECT_THAT(fresh.log(), Not(HasSubstr("userauth-request")));
  target.host_key_sha256.clear();
  connect(target);
  EXPECT_THAT(fresh.log(), HasSubstr("userauth-request"));  // so the log would have shown it
}

TEST_F(SessionTest, ARefusedPortIsUnavailable) {
  Target target = target_of(host());
  asio::ip::tcp::acceptor reserve(io, {asio::ip::address_v4::loopback(), 0});
  target.port = reserve.local_endpoint().port();
  reserve.close();
  const Error error = refusal(std::move(target));
  EXPECT_EQ(error.kind, ErrorKind::unavailable);
  EXPECT_THAT(error.message, HasSubstr("Connection refused"));
}

TEST_F(SessionTest, ANameThatDoesNotResolveIsUnavailable) {
  Target target = target_of(host());
  target.host = "no-such-host.invalid";
  EXPECT_EQ(refusal(std::move(target)).kind, ErrorKind::unavailable);
  target = target_of(host());
  target.host = "localhost";
  EXPECT_TRUE(connect(std::move(target)));
}

TEST_F(SessionTest, AHostThatAcceptsAndSaysNothingIsATimeout) {
  asio::ip::tcp::acceptor black_hole(io, {asio::ip::address_v4::loopback(), 0});
  Target target = target_of(host());
  target.port = black_hole.local_endpoint().port();
  target.timeout = 200ms;
  EXPECT_EQ(refusal(std::move(target)).kind, ErrorKind::timeout);
}

TEST_F(SessionTest, AHostThatHangsUpIsUnavailable) {
  asio::ip::tcp::acceptor rude(io, {asio::ip::address_v4::loopback(), 0});
  asio::ip::tcp::socket peer(io);
  rude.async_accept(peer, [&](boost::system::error_code) { peer.close(); });
  Target target = target_of(host());
  target.port = rude.local_endpoint().port();
  EXPECT_EQ(refusal(std::move(target)).kind, ErrorKind::unavailable);
}

TEST_F(SessionTest, AHostThatSpeaksSomethingElseIsUnavailable) {
  asio::ip::tcp::acceptor strange(io, {asio::ip::address_v4::loopback(), 0});
  asio::ip::tcp::socket peer(io);
  const std::string text = "HTTP/1.1 400 Bad Request\r\n\r\n";
  strange.async_accept(peer, [&](boost::system::error_code) {
    peer.write_some(asio::buffer(text));
    peer.close();
  });
  Target target = target_of(host());
  target.port = strange.local_endpoint().port();
  EXPECT_EQ(refusal(std::move(target)).kind, ErrorKind::unavailable);
}

TEST_F(SessionTest, ACommandThatTakesTooLongIsATimeoutAndEndsTheSession) {
  const auto session = connect(target_of(host()));
  const auto slow = exec(*session, "echo begun; sleep 5", "", 300ms);
  ASSERT_FALSE(slow.result);
  EXPECT_EQ(slow.result.error().kind, ErrorKind::timeout);
  EXPECT_EQ(slow.out, "begun\n");
  const auto next = exec(*session, "true");
  ASSERT_FALSE(next.result);
  EXPECT_EQ(next.result.error().kind, ErrorKind::unavailable);
}

TEST_F(SessionTest, AConnectionThatBreaksDuringACommandIsAmbiguous) {
  const auto session = connect(target_of(host()));
  const std::string seen = host().directory() + "/begun-seen";
  std::string out;
  Exec what;
  what.command = "echo begun; while [ ! -e " + seen + " ]; do sleep 0.02; done; kill -KILL $PPID; sleep 5";
  what.on_stdout = [&](std::string_view chunk) {
    out += chunk;
    std::ofstream(seen).put('\n');
  };
  const auto result = run(session->exec(std::move(what)));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::ambiguous) << result.error().message;
  EXPECT_EQ(out, "begun\n");
}

TEST_F(SessionTest, APeerThatGoesSilentIsGivenUp) {
  Target target = target_of(host());
  target.keepalive = 1s;
  const auto session = connect(std::move(target));
  // The sshd behind the session is frozen, and thawed when nobody waits any more.
  const auto ran = exec(*session, "(sleep 8; kill -CONT $PPID) & kill -STOP $PPID; sleep 8", "", 30s);
  ASSERT_FALSE(ran.result);
  EXPECT_EQ(ran.result.error().kind, ErrorKind::ambiguous);
  EXPECT_THAT(ran.result.error().message, HasSubstr("silent"));
}

TEST_F(SessionTest, AQuietCommandIsNotTakenForASilentPeer) {
  Target target = target_of(host());
  target.keepalive = 1s;
  const auto session = connect(std::move(target));
  const auto ran = exec(*session, "sleep 5; echo woke", "", 30s);
  ASSERT_TRUE(ran.result) << ran.result.error().message;
  EXPECT_EQ(ran.out, "woke\n");
}

TEST_F(SessionTest, CancellationEndsACommandAtOnce) {
  for (const auto type : {asio::cancellation_type::terminal, asio::cancellation_type::total}) {
    const auto session = connect(target_of(host()));
    asio::cancellation_signal signal;
    std::optional<Result<ExecResult>> result;
    bool begun = false;
    asio::co_spawn(
        io,
        [&]() -> awaitable<void> {
          co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
          Exec what;
          what.command = "echo begun; sleep 30";
          what.on_stdout = [&](std::string_view) { begun = true; };
          result = co_await session->exec(std::move(what));
        },
        asio::bind_cancellation_slot(signal.slot(), asio::detached));
    run_until([&] { return begun; });
    signal.emit(type);
    run_until([&] { return result.has_value(); });
    ASSERT_FALSE(*result);
    EXPECT_EQ(result->error().kind, ErrorKind::cancelled);
  }
}

TEST_F(SessionTest, CancellationEndsAConnectAtOnce) {
  asio::ip::tcp::acceptor black_hole(io, {asio::ip::address_v4::loopback(), 0});
  asio::cancellation_signal signal;
  std::optional<Result<std::unique_ptr<Session>>> result;
  Target target = target_of(host());
  target.port = black_hole.local_endpoint().port();
  asio::co_spawn(io, Session::connect(io.get_executor(), limit, std::move(target)),
                 asio::bind_cancellation_slot(
                     signal.slot(), [&](const std::exception_ptr&, Result<std::unique_ptr<Session>> session) {
                       result = std::move(session);
                     }));
  asio::ip::tcp::socket peer(io);
  bool accepted = false;
  black_hole.async_accept(peer, [&](boost::system::error_code) { accepted = true; });
  run_until([&] { return accepted; });
  signal.emit(asio::cancellation_type::terminal);
  run_until([&] { return result.has_value(); });
  ASSERT_FALSE(*result);
  EXPECT_EQ(result->error().kind, ErrorKind::cancelled);
}

TEST_F(SessionTest, DestructionEndsACommandUnderWay) {
  auto session = connect(target_of(host()));
  std::optional<Result<ExecResult>> result;
  bool begun = false;
  asio::co_spawn(
      io,
      [&]() -> awaitable<void> {
        Exec what;
        what.command = "echo begun; sleep 30";
        what.on_stdout = [&](std::string_view) { begun = true; };
        result = co_await session->exec(std::move(what));
      },
      asio::detached);
  run_until([&] { return begun; });
  session.reset();
  run_until([&] { return result.has_value(); });
  ASSERT_FALSE(*result);
  EXPECT_EQ(result->error().kind, ErrorKind::cancelled);
}

TEST_F(SessionTest, AnAbandonedLoopLeaksNothing) {
  auto loop = std::make_unique<asio::io_context>();
  HandshakeLimit own(loop->get_executor(), 2);
  for (int i = 0; i < 5; ++i) {
    asio::co_spawn(*loop, Session::connect(loop->get_executor(), own, target_of(host())),
                   [](const std::exception_ptr&, const Result<std::unique_ptr<Session>>&) {});
  }
  for (int i = 0; i < 40; ++i) loop->run_one();
  loop.reset();  // judged by the sanitizers
}

}  // namespace
}  // namespace gpuwarden::ssh
