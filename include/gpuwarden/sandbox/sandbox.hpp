#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "gpuwarden/base/result.hpp"
#include "gpuwarden/base/time.hpp"
#include "gpuwarden/sandbox/scenario.hpp"

namespace gpuwarden::sandbox {

struct SandboxOptions {
  std::string dir;  ///< everything that is written lies here; made when missing
  Scenario scenario{};
  Duration provision_delay{1000};  ///< PROVISIONING
  Duration pull_delay{700};        ///< STARTING, image pull
  Duration start_delay{300};       ///< STARTING, until the SSH port is mapped
  long quota_per_minute{600};      ///< requests to the Runpod stand-in
  std::uint16_t port_base{0};      ///< first port of the pods' SSH servers; 0 = chosen here
  bool database{true};             ///< false: only the Runpod stand-in and the repository
  bool namespaces{true};           ///< false: pods are only directories, as on a machine that allows no more
};

/// Where things are, once the sandbox is up.
struct SandboxReady {
  std::string env_file;      ///< complete environment for gpuwarden
  std::string control;       ///< URL of the control API
  std::string runpod;        ///< RUNPOD_API_URL
  std::string supabase;      ///< SUPABASE_URL; empty without a database
  std::string database_url;  ///< for psql; empty without a database
  std::string repository;    ///< WORKER_REPO_URL
  std::string isolation;     ///< how far pods are kept from this machine
};

/// One line: {"ready":true,"env_file":...,"control":...,...}
std::string ready_json(const SandboxReady& ready);
/// Where that line lies below the sandbox's directory, for clients that know only the directory.
inline constexpr std::string_view kReadyFile = "ready.json";

/// Everything that gpuwarden talks to, on loopback: database with its REST gateway, Runpod stand-in with real
/// SSH servers as pods, repository of a sample worker, control API.
class Sandbox {
 public:
  Sandbox(boost::asio::any_io_executor executor, SandboxOptions options);
  /// Kills what still runs; stop() does it in order.
  ~Sandbox();
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  /// Errors: conflict when another sandbox runs in the directory, unavailable when a program is missing,
  /// internal.
  boost::asio::awaitable<Result<void>> start();
  /// Ends every process that was started. The files stay, for whoever wants to look.
  boost::asio::awaitable<void> stop();

  const SandboxReady& ready() const;
  /// Environment for gpuwarden, as in the file.
  const std::map<std::string, std::string>& environment() const;

  Result<void> set_scenario(const Scenario& scenario);
  const Scenario& scenario() const;
  /// Queues tasks that take `seconds` each; returns their ids.
  boost::asio::awaitable<Result<std::vector<std::string>>> add_tasks(int count, double seconds);
  /// JSON: scenario, pods, counts of requests, tasks by status.
  boost::asio::awaitable<Result<std::string>> state();
  /// Called when the control API is asked to end the sandbox.
  void on_stop_request(std::function<void()> handler);
  /// Host pid of the first process of a pod; 0 = it has none.
  int pod_pid(const std::string& pod_id) const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace gpuwarden::sandbox
