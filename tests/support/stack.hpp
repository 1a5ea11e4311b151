#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "support/process.hpp"

namespace gpuwarden::test {

using Json = nlohmann::json;

/// How a stack is started.
struct StackOptions {
  std::string scenario{"healthy"};
  std::vector<std::string> sandbox_arguments;
  std::map<std::string, std::string> overrides;  ///< environment of the daemon, on top of the sandbox's file
};

/// A sandbox and a daemon as separate processes, in a folder of their own; everything ends with the object.
class Stack {
 public:
  using Options = StackOptions;
  explicit Stack(Options options = Options());
  ~Stack();

  void start_daemon();
  /// SIGKILL, and reaped.
  void kill_daemon();
  /// SIGTERM; exit code, or nullopt when it did not end within `limit`.
  std::optional<int> stop_daemon(std::chrono::milliseconds limit = std::chrono::seconds(12));
  Process& daemon() { return *daemon_; }
  Process& sandbox() { return *sandbox_; }

  /// `gpuwarden ARGUMENTS` with the daemon's environment.
  Finished cli(std::vector<std::string> arguments,
               std::chrono::milliseconds limit = std::chrono::seconds(60));
  Json state();  ///< GET /sandbox/state
  void scenario(const std::string& name);
  void add_tasks(int count, double seconds = 1.0);
  Json status();  ///< of the daemon; null when it does not answer
  /// Rows of a query, through the sandbox's psql; one JSON array.
  Json sql(const std::string& query);
  std::string daemon_log() const;
  std::vector<Json> log_events(const std::string& event) const;
  const std::string& control() const { return control_; }
  const std::string& dir() const { return dir_; }
  const std::map<std::string, std::string>& environment() const { return environment_; }

 private:
  Json request(const std::string& method, const std::string& path, const std::string& body = "");

  std::string dir_, control_;
  std::map<std::string, std::string> environment_;
  std::unique_ptr<Process> sandbox_, daemon_;
  Json ready_;
};

/// Polls until `done` or the limit; true = done.
bool eventually(std::chrono::milliseconds limit, const std::function<bool()>& done,
                std::chrono::milliseconds every = std::chrono::milliseconds(100));

}  // namespace gpuwarden::test
