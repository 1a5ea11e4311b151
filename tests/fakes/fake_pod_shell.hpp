#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gpuwarden/ports/pod_shell.hpp"

namespace gpuwarden::fakes {

/// SSH without a network: each connect and each command is answered by a function of the test.
class FakePodShell final : public ports::PodShell {
 public:
  std::vector<ports::ShellTarget> connects;
  std::vector<std::string> commands;
  std::vector<std::string> payloads;  ///< stdin of the commands
  std::optional<Error> refuse;        ///< connect fails with it
  std::string host_key{"SHA256:0000000000000000000000000000000000000000000"};
  /// Answers a command; may write to command.on_stdout. Default: exit 0, no output.
  std::function<ports::Async<ports::ShellResult>(ports::ShellCommand)> on_run;

  ports::Async<std::unique_ptr<ports::ShellSession>> connect(ports::ShellTarget target) override {
    connects.push_back(std::move(target));
    if (refuse) co_return fail(*refuse);
    co_return std::make_unique<Session>(*this);
  }

 private:
  class Session final : public ports::ShellSession {
   public:
    explicit Session(FakePodShell& shell) : shell_(shell) {}
    ports::Async<ports::ShellResult> run(ports::ShellCommand command) override {
      shell_.commands.push_back(command.command);
      shell_.payloads.push_back(command.stdin_data);
      if (shell_.on_run) return shell_.on_run(std::move(command));
      return done();
    }
    std::string host_key() const override { return shell_.host_key; }

   private:
    static ports::Async<ports::ShellResult> done() { co_return ports::ShellResult{0, ""}; }
    FakePodShell& shell_;
  };
};

}  // namespace gpuwarden::fakes
