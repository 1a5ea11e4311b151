#pragma once

#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>

#include "child_process.hpp"
#include "pod_host.hpp"

namespace gpuwarden::sandbox {

struct ContainerHostOptions {
  std::string dir;             ///< pods/, volumes/ and logs/ are made in it
  std::uint16_t port_base{0};  ///< first SSH port to try; 0 = a random one below the ephemeral range
  Isolation isolation{Isolation::namespaces};
};

/// Runs each pod as a real OpenSSH server with a file system of its own, as far as this machine allows.
class ContainerHost : public PodHost {
 public:
  ContainerHost(boost::asio::any_io_executor executor, ContainerHostOptions options);
  ~ContainerHost() override;
  ContainerHost(const ContainerHost&) = delete;
  ContainerHost& operator=(const ContainerHost&) = delete;

  Result<HostedPod> start(PodBoot boot, std::function<void(std::string)> on_line,
                          std::function<void()> on_exit) override;
  void end_ssh(const std::string& id) override { kill_processes(id, "sshd"); }
  boost::asio::awaitable<void> remove(std::string id) override;
  /// Removes every pod.
  boost::asio::awaitable<void> stop();
  /// Host pid of a pod's pid 1; 0 = none.
  pid_t pid_of(const std::string& id) const;
  /// Kills the processes of a pod whose command line contains `text`; returns how many there were.
  int kill_processes(const std::string& id, std::string_view text);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

/// Whether SSH could log into pods of this isolation: without namespaces it logs in as our own user, who
/// needs a shell. Errors: unavailable.
Result<void> login_works(Isolation isolation);
/// Whether pods can be kept apart in this way here, found by trying. `dir` must be writable.
bool isolation_works(Isolation isolation, const std::string& dir);
/// The strongest of those that work.
Isolation strongest_isolation(const std::string& dir);

}  // namespace gpuwarden::sandbox
