#include "gpuwarden/ssh/session.hpp"

#include <utility>

#include "execution.hpp"
#include "handshake.hpp"

namespace gpuwarden::ssh {

using boost::asio::awaitable;

struct Session::Impl {
  std::shared_ptr<Connection> connection;
  std::string host_key;
  Duration keepalive;
};

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Session::~Session() {
  impl_->connection->abort();
}

awaitable<Result<std::unique_ptr<Session>>> Session::connect(boost::asio::any_io_executor executor,
                                                             HandshakeLimit& limit, Target target) {
  const Duration keepalive = target.keepalive;
  auto established = co_await establish(std::move(executor), limit.impl(), std::move(target));
  if (!established) co_return fail(established.error());
  auto impl = std::make_unique<Impl>();
  impl->connection = std::move(established->connection);
  impl->host_key = std::move(established->host_key);
  impl->keepalive = keepalive;
  co_return std::unique_ptr<Session>(new Session(std::move(impl)));
}

awaitable<Result<ExecResult>> Session::exec(Exec exec) {
  const auto connection = impl_->connection;
  if (connection->busy) co_return fail(ErrorKind::conflict, "the SSH session is running a command already");
  if (connection->aborted()) co_return fail(ErrorKind::unavailable, "the SSH session has ended");
  co_return co_await execute(connection, std::move(exec), impl_->keepalive);
}

const std::string& Session::host_key_sha256() const {
  return impl_->host_key;
}

}  // namespace gpuwarden::ssh
