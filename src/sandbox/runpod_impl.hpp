#pragma once

#include <boost/asio/steady_timer.hpp>

#include "catalog.hpp"
#include "quota.hpp"
#include "runpod_stand_in.hpp"

namespace gpuwarden::sandbox {

/// State that the routes and the lives of the pods share.
struct RunpodStandIn::Impl : std::enable_shared_from_this<Impl> {
  Impl(boost::asio::any_io_executor executor_in, StandInOptions options_in, PodHost& host_in,
       std::function<Now()> now_in);

  boost::asio::any_io_executor executor;
  StandInOptions options;
  PodHost& host;
  std::function<Now()> now;
  Scenario scenario;
  Quota quota;
  PodBook book;
  SoldOut sold_out;
  std::deque<ForcedAnswer> forced;
  std::deque<SeenRequest> requests;
  std::size_t page_cap{0};
  long create_requests{0};
  bool balance{true};
  bool stopping{false};

  // runpod_api.cpp
  boost::asio::awaitable<http::ServerResponse> answer(http::ServerRequest request);
  /// Null when the request may go on.
  std::optional<http::ServerResponse> check_access(const http::ServerRequest& request);
  http::ServerResponse route(const http::ServerRequest& request);
  http::ServerResponse create(const http::ServerRequest& request);
  http::ServerResponse list(const http::ServerRequest& request);
  http::ServerResponse one_pod(const http::ServerRequest& request, const std::string& id);
  http::ServerResponse logs(const http::ServerRequest& request, const std::string& id);
  void note(const http::ServerRequest& request, int status);

  // pod_life.cpp
  /// From PROVISIONING to RUNNING, by the delays and faults of the scenario.
  boost::asio::awaitable<void> live(PodPtr pod);
  boost::asio::awaitable<void> wait(Duration delay);
  /// Takes the pod from the book and its processes from the machine.
  bool remove(const std::string& id);
  /// Ends the pod's processes without waiting for it.
  void kill(const std::string& id);
  void log_system(PodRecord& pod, std::string text);
  void set_state(PodRecord& pod, PodState state);
};

}  // namespace gpuwarden::sandbox
