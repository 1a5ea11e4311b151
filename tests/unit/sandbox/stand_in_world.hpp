#pragma once

#include <set>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <nlohmann/json.hpp>

#include "sandbox/runpod_stand_in.hpp"
#include "unit/sandbox/create_bodies.hpp"

namespace gpuwarden::sandbox {

/// A host whose containers are names in a set.
class FakePodHost : public PodHost {
 public:
  Result<HostedPod> start(PodBoot boot, std::function<void(std::string)> on_line,
                          std::function<void()> on_exit) override {
    running.insert(boot.id);
    last_boot = boot;
    print = std::move(on_line);
    exit = std::move(on_exit);
    return HostedPod{2022, "root"};
  }
  void end_ssh(const std::string& id) override { without_ssh.insert(id); }
  boost::asio::awaitable<void> remove(std::string id) override {
    running.erase(id);
    co_return;
  }
  std::set<std::string> running, without_ssh;
  PodBoot last_boot;
  std::function<void(std::string)> print;
  std::function<void()> exit;
};

inline StandInOptions quick_options() {
  StandInOptions options;
  options.api_key = "rpa_test";
  options.quota_per_minute = 1000;
  options.provision_delay = options.pull_delay = options.start_delay = Duration(0);
  return options;
}

/// The stand-in without a network: requests are calls, time moves when the test says so.
class StandInWorld {
 public:
  explicit StandInWorld(StandInOptions options = quick_options())
      : stand_in(io.get_executor(), std::move(options), host, [this] { return time; }) {}

  http::ServerResponse call(const std::string& method, const std::string& path, const std::string& body = "",
                            std::multimap<std::string, std::string> query = {}) {
    http::ServerRequest request;
    request.method = method;
    request.path = request.target = path;
    request.query = std::move(query);
    request.body = body;
    request.headers = headers;
    return call(std::move(request));
  }
  http::ServerResponse call(http::ServerRequest request) {
    auto answer = boost::asio::co_spawn(io, stand_in.handle(std::move(request)), boost::asio::use_future);
    while (answer.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
      io.restart();
      io.run_one();
    }
    return answer.get();
  }
  /// Lets the lives of the pods go on for a moment of real time.
  void settle(Duration length = Duration(30)) {
    io.restart();
    io.run_for(length);
  }
  nlohmann::json create(const nlohmann::json& body = good_create()) {
    return nlohmann::json::parse(call("POST", "/v2/pods", body.dump()).body);
  }
  nlohmann::json get(const std::string& path) { return nlohmann::json::parse(call("GET", path).body); }

  boost::asio::io_context io;
  FakePodHost host;
  Now time{};
  http::Headers headers{
      {"user-agent", "test"}, {"authorization", "Bearer rpa_test"}, {"content-type", "application/json"}};
  RunpodStandIn stand_in;
};

inline std::string header_of(const http::ServerResponse& response, std::string_view name) {
  for (const auto& [key, value] : response.headers)
    if (key == name) return value;
  return {};
}

inline std::string detail_of(const http::ServerResponse& response) {
  return nlohmann::json::parse(response.body).at("detail");
}

}  // namespace gpuwarden::sandbox
