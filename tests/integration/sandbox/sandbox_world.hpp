#pragma once

#include <nlohmann/json.hpp>

#include "gpuwarden/http/client.hpp"
#include "gpuwarden/sandbox/sandbox.hpp"

#include "integration/sandbox/pod_world.hpp"

namespace gpuwarden::sandbox {

/// A sandbox in this process and a client of its APIs.
class SandboxWorld : public PodWorld {
 public:
  explicit SandboxWorld(const std::string& scenario = "healthy", bool with_database = false)
      : sandbox(io.get_executor(), options(dir, scenario, with_database)), client(io.get_executor()) {
    const auto started = run(sandbox.start());
    if (!started) throw std::runtime_error(started.error().message);
  }
  ~SandboxWorld() { run(sandbox.stop()); }

  struct Answer {
    int status{0};  ///< 0 = the connection broke
    nlohmann::json body;
  };
  Answer call(const std::string& method, const std::string& url, const nlohmann::json& body = nullptr) {
    http::Request request;
    request.method = method;
    request.url = url;
    request.headers = {{"authorization", "Bearer " + sandbox.environment().at("RUNPOD_API_KEY")},
                       {"content-type", "application/json"}};
    if (!body.is_null()) request.body = body.dump();
    const auto response = run(client.fetch(std::move(request)));
    if (!response) return {};
    return {response->status, nlohmann::json::parse(response->body, nullptr, false)};
  }
  Answer runpod(const std::string& method, const std::string& path, const nlohmann::json& body = nullptr) {
    return call(method, sandbox.ready().runpod + path, body);
  }
  Answer control(const std::string& method, const std::string& path, const nlohmann::json& body = nullptr) {
    return call(method, sandbox.ready().control + path, body);
  }

  nlohmann::json spec(const std::string& name) const {
    return {{"name", name},        {"image", "runpod/pytorch:1"},
            {"disk", 20},          {"gpu", {{"id", "NVIDIA GeForce RTX 4090"}}},
            {"ports", {"22/tcp"}}, {"env", {{"PUBLIC_KEY", public_key()}, {"WORKER_ID", name}}}};
  }
  /// Creates a pod, waits until it runs; returns its id.
  std::string create(const std::string& name) {
    const auto created = runpod("POST", "/pods", spec(name));
    if (created.status != 201) throw std::runtime_error(created.body.dump());
    const auto id = created.body.at("id").get<std::string>();
    eventually(std::chrono::seconds(60), [&] { return pod(id).value("status", "") == "RUNNING"; });
    return id;
  }
  nlohmann::json pod(const std::string& id) { return runpod("GET", "/pods/" + id).body; }
  int ssh_port(const std::string& id) { return pod(id).at("ssh").at("direct").at("port"); }

  static SandboxOptions options(const std::string& dir, const std::string& scenario, bool with_database) {
    SandboxOptions options;
    options.dir = dir + "/sandbox";
    options.scenario = *parse_scenario(scenario);
    options.provision_delay = options.pull_delay = options.start_delay = Duration(50);
    options.database = with_database;
    return options;
  }

  Sandbox sandbox;
  http::Client client;
};

}  // namespace gpuwarden::sandbox
