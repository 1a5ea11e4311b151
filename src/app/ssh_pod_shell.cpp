#include "gpuwarden/app/ssh_pod_shell.hpp"

#include <utility>

namespace gpuwarden::app {
namespace {

class SshShellSession : public ports::ShellSession {
 public:
  explicit SshShellSession(std::unique_ptr<ssh::Session> session) : session_(std::move(session)) {}

  ports::Async<ports::ShellResult> run(ports::ShellCommand command) override {
    ssh::Exec exec;
    exec.command = std::move(command.command);
    exec.stdin_data = std::move(command.stdin_data);
    exec.on_stdout = std::move(command.on_stdout);
    exec.on_stderr = std::move(command.on_stderr);
    exec.timeout = command.timeout;
    auto ended = co_await session_->exec(std::move(exec));
    if (!ended) co_return fail(ended.error());
    co_return ports::ShellResult{ended->exit_status, std::move(ended->exit_signal)};
  }
  std::string host_key() const override { return session_->host_key_sha256(); }

 private:
  std::unique_ptr<ssh::Session> session_;
};

}  // namespace

SshPodShell::SshPodShell(const boost::asio::any_io_executor& executor, Secret private_key)
    : executor_(executor), private_key_(std::move(private_key)), limit_(executor) {}

ports::Async<std::unique_ptr<ports::ShellSession>> SshPodShell::connect(ports::ShellTarget target) {
  ssh::Target to;
  to.host = std::move(target.endpoint.host);
  to.port = target.endpoint.port;
  to.user = std::move(target.endpoint.user);
  to.private_key = private_key_;
  to.host_key_sha256 = std::move(target.pin.sha256);
  to.timeout = target.timeout;
  auto session = co_await ssh::Session::connect(executor_, limit_, std::move(to));
  if (!session) co_return fail(session.error());
  co_return std::make_unique<SshShellSession>(std::move(*session));
}

}  // namespace gpuwarden::app
