#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace gpuwarden::test {

/// A child process of a test; killed (and everything in its process group) by the destructor, and by the
/// kernel when the thread that started it ends without one.
class Process {
 public:
  /// Starts argv[0] with exactly `environment`; standard output and error go to `log`, or output to `out`
  /// when given.
  Process(std::vector<std::string> argv, const std::map<std::string, std::string>& environment,
          const std::string& log, const std::string& out = "");
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  bool running();
  void signal(int number);
  /// Exit code (128 + signal when killed), or nullopt when it still runs after `limit`.
  std::optional<int> wait(std::chrono::milliseconds limit);

 private:
  pid_t pid_{-1};
  std::optional<int> exit_code_;
};

/// Runs a command to its end; output and error together.
struct Finished {
  int exit_code{-1};
  std::string output;
};
Finished run(std::vector<std::string> argv, const std::map<std::string, std::string>& environment,
             std::chrono::milliseconds limit = std::chrono::seconds(60));

std::string read_file(const std::string& path);
/// The environment of this test process.
std::map<std::string, std::string> own_environment();

}  // namespace gpuwarden::test
