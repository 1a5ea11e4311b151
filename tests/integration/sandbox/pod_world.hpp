#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <unistd.h>

#include "sandbox/child_process.hpp"

namespace gpuwarden::sandbox {

namespace asio = boost::asio;

/// A directory of its own, an event loop, SSH keys and the means to use them.
class PodWorld {
 public:
  PodWorld() {
    auto pattern = (std::filesystem::temp_directory_path() / "gpuwarden-pods.XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    dir = pattern;
    for (const auto* name : {"/key", "/other_key"})
      run_command({"/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", dir + name});
  }
  ~PodWorld() {
    std::error_code ignored;
    std::filesystem::remove_all(dir, ignored);
  }

  std::string public_key() const {
    std::ifstream file(dir + "/key.pub");
    std::string line;
    std::getline(file, line);
    return line;
  }

  /// Runs a coroutine to its end.
  template <class T>
  T run(asio::awaitable<T> work) {
    auto done = asio::co_spawn(io, std::move(work), asio::use_future);
    while (done.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
      io.restart();
      io.run_one();
    }
    return done.get();
  }

  /// Logs in on the port and runs a command.
  CommandResult ssh(int port, const std::string& command, const std::string& key = "/key",
                    const std::string& user = user_name()) {
    SpawnSpec spec;
    spec.argv = {"/usr/bin/ssh",
                 "-i",
                 dir + key,
                 "-p",
                 std::to_string(port),
                 "-o",
                 "StrictHostKeyChecking=no",
                 "-o",
                 "UserKnownHostsFile=" + dir + "/known_hosts",
                 "-o",
                 "IdentitiesOnly=yes",
                 "-o",
                 "BatchMode=yes",
                 "-o",
                 "LogLevel=ERROR",
                 "-o",
                 "ConnectTimeout=10",
                 "-F",
                 "none",
                 user + "@127.0.0.1",
                 command};
    spec.env = {"PATH=/usr/bin:/bin", "HOME=" + dir};
    return run(run_command(io.get_executor(), std::move(spec), ""));
  }
  /// The same until the server answers at all.
  CommandResult ssh_when_up(int port, const std::string& command) {
    CommandResult result;
    for (int tries = 0; tries < 100; ++tries) {
      result = ssh(port, command);
      if (result.exit_code != 255) break;
      wait(std::chrono::milliseconds(100));
    }
    return result;
  }

  void wait(std::chrono::milliseconds length) {
    asio::steady_timer timer(io, length);
    run([](asio::steady_timer& t) -> asio::awaitable<void> {
      co_await t.async_wait(asio::use_awaitable);
    }(timer));
  }
  template <class Condition>
  bool eventually(std::chrono::milliseconds limit, Condition condition) {
    for (std::chrono::milliseconds waited{0}; waited <= limit; waited += std::chrono::milliseconds(50)) {
      if (condition()) return true;
      wait(std::chrono::milliseconds(50));
    }
    return false;
  }

  static std::string user_name() { return "root"; }

  asio::io_context io{1};
  std::string dir;
};

/// Host pids of processes whose command line contains `text`.
inline std::vector<int> processes_with(const std::string& text) {
  std::vector<int> found;
  std::error_code error;
  for (std::filesystem::directory_iterator entry("/proc", error), end; !error && entry != end;
       entry.increment(error)) {
    std::ifstream file(entry->path() / "cmdline", std::ios::binary);
    std::ostringstream line;
    line << file.rdbuf();
    const int pid = std::atoi(entry->path().filename().c_str());
    if (pid > 0 && pid != ::getpid() && line.str().find(text) != std::string::npos) found.push_back(pid);
  }
  return found;
}

}  // namespace gpuwarden::sandbox
