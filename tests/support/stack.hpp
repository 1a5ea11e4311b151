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
  unsigned user{0};  ///< user id that sandbox and daemon run as; 0 = that of the test
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
  /// Queues tasks past the gateway, which an outage closes.
  void insert_tasks(int count, double seconds);
  /// POST /sandbox/fault, such as {"kill_worker": pod id}.
  void fault(const Json& what);
  Json status();  ///< of the daemon; null when it does not answer
  /// What GET `path` on the daemon's control socket answers; empty when nothing does.
  std::string ask_daemon(const std::string& path);
  /// Rows of a query, through the sandbox's psql; one JSON array.
  Json sql(const std::string& query);
  /// Statements without rows, through the sandbox's psql.
  void execute(const std::string& statements);
  const std::string& database_url() const { return database_url_; }
  std::string daemon_log() const;
  std::vector<Json> log_events(const std::string& event) const;
  const std::string& control() const { return control_; }
  const std::string& dir() const { return dir_; }
  const std::map<std::string, std::string>& environment() const { return environment_; }
  /// A variable of daemons and commands that start from now on.
  void set(const std::string& name, const std::string& value) { environment_[name] = value; }

 private:
  Json request(const std::string& method, const std::string& path, const std::string& body = "");

  Finished psql(const std::string& text);
  std::vector<std::string> as_user(std::vector<std::string> argv) const;

  unsigned user_;
  std::string dir_, control_, database_url_;
  std::map<std::string, std::string> environment_;
  std::unique_ptr<Process> sandbox_, daemon_;
  Json ready_;
};

/// True when every one of `tasks` tasks is Complete and no pod is left.
bool all_complete_and_no_pod(Stack& stack, int tasks);
/// Fails the test unless there are exactly `tasks` tasks, each Complete, and each became so once.
void expect_each_task_completed_once(Stack& stack, int tasks);

/// Polls until `done` or the limit; true = done.
bool eventually(std::chrono::milliseconds limit, const std::function<bool()>& done,
                std::chrono::milliseconds every = std::chrono::milliseconds(100));

}  // namespace gpuwarden::test
