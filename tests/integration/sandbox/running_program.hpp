#pragma once

#include <csignal>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/child_process.hpp"

namespace gpuwarden::sandbox {

/// The program gpuwarden-sandbox as a process of its own, and its client.
class RunningProgram {
 public:
  RunningProgram(std::string directory, const std::vector<std::string>& arguments,
                 const std::vector<std::string>& before = {})
      : dir(std::move(directory)) {
    int output[2];
    if (::pipe(output) != 0) throw std::runtime_error("pipe");
    SpawnSpec spec;
    spec.argv = before;
    spec.argv.insert(spec.argv.end(), {GPUWARDEN_SANDBOX_PROGRAM, "--dir", dir, "--fast"});
    spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
    spec.env = {"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"};
    spec.output = output[1];
    pid = spawn(spec).value();
    ::close(output[1]);
    for (char letter = 0; ::read(output[0], &letter, 1) == 1 && letter != '\n';) line += letter;
    ::close(output[0]);
    ready = nlohmann::json::parse(line, nullptr, false);
  }
  ~RunningProgram() {
    if (pid != 0) end(SIGKILL);
  }
  RunningProgram(const RunningProgram&) = delete;
  RunningProgram& operator=(const RunningProgram&) = delete;

  bool is_up() const { return ready.is_object(); }
  std::string url(const char* name) const { return ready.at(name).get<std::string>(); }
  /// Wait status of the program.
  int end(int number) {
    ::kill(pid, number);
    return wait();
  }
  int wait() {
    int status = 0;
    ::waitpid(std::exchange(pid, 0), &status, 0);
    return status;
  }
  CommandResult client(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), GPUWARDEN_SANDBOX_PROGRAM);
    arguments.insert(arguments.end(), {"--dir", dir});
    return run_command(arguments, {"PATH=/usr/bin:/bin"});
  }
  nlohmann::json state() const { return nlohmann::json::parse(client({"state"}).output, nullptr, false); }

  std::string dir;
  pid_t pid{0};
  std::string line;      ///< the first that it printed
  nlohmann::json ready;  ///< the same, where it is JSON
};

}  // namespace gpuwarden::sandbox
