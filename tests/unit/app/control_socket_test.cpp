#include "app/control_socket.hpp"

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <stdexcept>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gpuwarden/http/server.hpp"

namespace gpuwarden::app {
namespace {

struct ControlSocket : testing::Test {
  ControlSocket() {
    if (::mkdtemp(directory.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path = directory + "/control.sock";
  }
  ~ControlSocket() override { std::filesystem::remove_all(directory); }

  Result<std::string> ask() {
    http::Client client(io.get_executor());
    std::optional<Result<std::string>> answer;
    boost::asio::co_spawn(io, ask_daemon(client, path, "/v1/status"),
                          [&](const std::exception_ptr& failure, Result<std::string> result) {
                            if (failure) std::rethrow_exception(failure);
                            answer = std::move(result);
                            io.stop();
                          });
    io.restart();
    io.run();
    return std::move(*answer);
  }

  boost::asio::io_context io;
  std::string directory = "/tmp/gpuwarden-socket-XXXXXX";
  std::string path;
};

TEST_F(ControlSocket, ThatIsNotThereMeansThatNoDaemonRuns) {
  const auto answer = ask();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::not_found);
  EXPECT_EQ(answer.error().message, "nothing listens on " + path);
}

TEST_F(ControlSocket, ThatADeadDaemonLeftMeansThatNoDaemonRuns) {
  {
    boost::asio::local::stream_protocol::acceptor left(io,
                                                       boost::asio::local::stream_protocol::endpoint(path));
  }
  ASSERT_TRUE(std::filesystem::exists(path));
  const auto answer = ask();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::not_found);
  EXPECT_EQ(answer.error().message, "nothing answers on " + path);
}

/// Lets root be judged by the file system as somebody else; for others nothing changes.
struct Unprivileged {
  Unprivileged() {
    constexpr uid_t kNobody = 65534;
    if (root && ::setreuid(kNobody, 0) != 0) throw std::runtime_error("setreuid");
  }
  ~Unprivileged() {
    if (root && ::setreuid(0, 0) != 0) std::abort();
  }
  bool root{::geteuid() == 0};
};

TEST_F(ControlSocket, ThatThisUserMayNotUseIsToldFromNoDaemon) {
  boost::asio::local::stream_protocol::acceptor daemon(io,
                                                       boost::asio::local::stream_protocol::endpoint(path));
  ASSERT_EQ(::chmod(path.c_str(), 0000), 0);
  const Unprivileged user;
  const auto answer = ask();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::unauthorized);
  EXPECT_EQ(answer.error().message, path + ": Permission denied");
}

TEST_F(ControlSocket, GivesTheDaemonsAnswer) {
  http::Server server(io.get_executor(),
                      [](http::ServerRequest request) -> boost::asio::awaitable<http::ServerResponse> {
                        http::ServerResponse response;
                        response.status = request.path == "/v1/status" ? 200 : 404;
                        response.body = "{}";
                        co_return response;
                      });
  ASSERT_TRUE(server.listen_unix(path, 0600));
  const auto answer = ask();
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(*answer, "{}");
}

}  // namespace
}  // namespace gpuwarden::app
