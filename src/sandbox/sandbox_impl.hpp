#pragma once

#include <optional>

#include "gpuwarden/http/server.hpp"
#include "gpuwarden/sandbox/sandbox.hpp"

#include "container_host.hpp"
#include "database.hpp"
#include "dir_lock.hpp"
#include "environment_file.hpp"
#include "git_repository.hpp"
#include "runpod_stand_in.hpp"

namespace gpuwarden::sandbox {

struct Sandbox::Impl {
  Impl(boost::asio::any_io_executor executor_in, SandboxOptions options_in)
      : executor(std::move(executor_in)), options(std::move(options_in)) {}

  boost::asio::any_io_executor executor;
  SandboxOptions options;
  DirLock lock;  // of options.dir
  Scenario scenario;
  SandboxReady ready;
  SandboxKeys keys;
  std::map<std::string, std::string> environment;
  std::unique_ptr<ContainerHost> host;          // where pods run
  std::unique_ptr<RunpodStandIn> stand_in;      // who rents them out
  std::unique_ptr<GitRepository> repository;    // what they fetch
  std::unique_ptr<Database> database;           // what they report to; null when not wanted
  std::unique_ptr<http::Server> runpod_server;  // /v2 and /git
  std::unique_ptr<http::Server> control_server;
  std::function<void()> on_stop_request;  ///< somebody asked the control API to end

  Result<void> prepare();  ///< the directory to ourselves, keys
  Result<void> listen();
  Result<void> apply(const Scenario& wanted);
  boost::asio::awaitable<Result<std::string>> state();

  // control_api.cpp
  boost::asio::awaitable<http::ServerResponse> control(http::ServerRequest request);
  Result<void> fault(const std::string& body);
  std::string requests(const std::string& since) const;
};

}  // namespace gpuwarden::sandbox
