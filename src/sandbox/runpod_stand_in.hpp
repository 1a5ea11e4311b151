#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "gpuwarden/http/server.hpp"
#include "gpuwarden/sandbox/scenario.hpp"

#include "pod_book.hpp"
#include "pod_host.hpp"

namespace gpuwarden::sandbox {

struct StandInOptions {
  std::string api_key;
  long quota_per_minute{60};
  Duration provision_delay{300}, pull_delay{300}, start_delay{100};
  /// Added to every pod's environment, as Runpod adds its own variables.
  std::map<std::string, std::string> pod_env;
  std::vector<std::string> account_ssh_keys;
};

/// An answer that replaces the real one, for tests of a client.
struct ForcedAnswer {
  std::string method, path_prefix;  ///< empty = any
  int status{500};
  std::string detail;
  int times{1};
  bool drop{false};          ///< close the connection instead
  bool after_effect{false};  ///< do what was asked, then give this answer
};

/// One request as the stand-in saw it.
struct SeenRequest {
  WallTime time{};
  std::string method, target;
  int status{0};
  std::string pod_name;  ///< of a create
};

/// Runpod's REST v2 for pods, logs, catalogue, volumes and SSH keys, with state and a life for each pod.
class RunpodStandIn {
 public:
  RunpodStandIn(boost::asio::any_io_executor executor, StandInOptions options, PodHost& host,
                std::function<Now()> now);
  ~RunpodStandIn();
  RunpodStandIn(const RunpodStandIn&) = delete;
  RunpodStandIn& operator=(const RunpodStandIn&) = delete;

  /// Answers requests below /v2.
  boost::asio::awaitable<http::ServerResponse> handle(http::ServerRequest request);

  void set_scenario(const Scenario& scenario);
  void force(ForcedAnswer answer);
  void set_page_cap(std::size_t cap);  ///< entries of a list page at most; 0 = as asked for
  void set_balance(bool enough);
  /// The container ends: the pod becomes EXITED and all its processes die. False = no such pod.
  bool exit_pod(const std::string& id);
  /// The pod disappears as if somebody had deleted it in the console.
  bool vanish_pod(const std::string& id);
  /// Deletes every pod and waits until their processes are gone.
  boost::asio::awaitable<void> stop();

  const PodBook& book() const;
  /// Creates that were asked for with a valid key and within the quota, whatever the answer was.
  long create_requests() const;
  const std::deque<SeenRequest>& requests() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace gpuwarden::sandbox
