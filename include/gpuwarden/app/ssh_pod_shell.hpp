#pragma once

#include <memory>

#include <boost/asio/any_io_executor.hpp>

#include "gpuwarden/base/secret.hpp"
#include "gpuwarden/ports/pod_shell.hpp"
#include "gpuwarden/ssh/session.hpp"

namespace gpuwarden::app {

/// ports::PodShell over libssh2, with one private key for all pods.
class SshPodShell : public ports::PodShell {
 public:
  SshPodShell(const boost::asio::any_io_executor& executor, Secret private_key);
  ports::Async<std::unique_ptr<ports::ShellSession>> connect(ports::ShellTarget target) override;

 private:
  boost::asio::any_io_executor executor_;
  Secret private_key_;
  ssh::HandshakeLimit limit_;
};

}  // namespace gpuwarden::app
