#pragma once

#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <fmt/format.h>

#include "gpuwarden/bootstrap/bring_up.hpp"
#include "gpuwarden/bootstrap/script.hpp"
#include "gpuwarden/diagnosis/diagnose.hpp"

#include "simulation/clock.hpp"
#include "simulation/cloud.hpp"
#include "simulation/container.hpp"
#include "simulation/database.hpp"
#include "simulation/provider.hpp"
#include "simulation/shell.hpp"
#include "simulation/sql_values.hpp"

namespace gpuwarden::simulation {

using namespace std::chrono_literals;

/// Every call is done, but those whose name begins with a key of `kinds`.
class ChosenFates final : public Fates {
 public:
  std::map<std::string, Fate::Kind> kinds;
  std::vector<std::string> effects;
  Fate of(Service, std::string_view call) override {
    for (const auto& [name, kind] : kinds) {
      if (call.starts_with(name)) return {kind, Duration{50}};
    }
    return {};
  }
  void effect(Service, std::string_view call) override { effects.emplace_back(call); }
};

/// A simulated account and database with one daemon process that does what a test says.
struct CloudWorld {
  Scheduler scheduler;
  Trace trace;
  Probes probes;
  Database database;
  ChosenFates fates;
  PodFate pod_fate;    ///< of pods created from now on
  TaskFate task_fate;  ///< of tasks claimed from now on
  bool reachable{true}, reply_lost{false};
  Cloud cloud{{scheduler, trace, probes, hooks()}, Random(7)};
  std::shared_ptr<Process> process = std::make_shared<Process>(scheduler);
  SimClock clock{*process};
  SimProvider provider{cloud, fates, clock, Random(8), "daemon 1"};
  SimShell shell{cloud, fates, clock, Random(9)};
  bootstrap::Settings settings;

  static constexpr const char* kOwner = "default";
  static constexpr const char* kToken = "0123456789abcdef0123456789abcdef";

  CloudWorld() {
    const auto leads = rpc("gpuwarden_snapshot", {{"owner_param", kOwner}, {"holder_param", "test"}});
    epoch_ = leads.at("leader").at("epoch").get<std::int64_t>();
    settings.repo_url = "https://example.invalid/worker.git";
    settings.start_cmd = "./start.sh";
    settings.supabase_url = "https://project.supabase.co";
  }

  nlohmann::json rpc(std::string_view function, const nlohmann::json& arguments) {
    return database.rpc(function, arguments, scheduler.wall());
  }
  static std::string name(int n) { return fmt::format("gpu-default-20261124000000-{:08x}", n); }
  /// A worker's row with the token that `launch` brings to its pod.
  std::string registered(int n) {
    const std::string worker = name(n);
    rpc("gpuwarden_register_worker", {{"worker_id_param", worker},
                                      {"owner_param", kOwner},
                                      {"epoch_param", epoch_},
                                      {"details_param", {{"gpu", "NVIDIA L40S"}}}});
    change(worker, {{"token_sha256", sql::sha256_hex(kToken)}});
    return worker;
  }
  void change(const std::string& worker, const nlohmann::json& fields) {
    const auto answer =
        rpc("gpuwarden_update_worker", {{"worker_id_param", worker},
                                        {"owner_param", kOwner},
                                        {"epoch_param", epoch_},
                                        {"expected_param", {"spawning", "active", "terminating", "error"}},
                                        {"change_param", fields}});
    if (!answer.at("done").get<bool>()) throw std::runtime_error(answer.dump());
  }
  /// The daemon gives the worker up: its task goes back to the queue.
  void fail(const std::string& worker) {
    const auto answer = rpc("gpuwarden_fail_worker", {{"worker_id_param", worker},
                                                      {"owner_param", kOwner},
                                                      {"epoch_param", epoch_},
                                                      {"failure_param", {{"cause", "heartbeat_lost"}}}});
    if (!answer.at("done").get<bool>()) throw std::runtime_error(answer.dump());
  }
  const Database::WorkerRow& row(const std::string& worker) const { return database.workers().at(worker); }
  const Database::Task& task(const std::string& id) const { return database.tasks().at(id); }

  static PodSpec spec(const std::string& worker) {
    PodSpec spec;
    spec.name = worker;
    spec.image = "acme/worker:9";
    spec.placement.gpu = "NVIDIA L40S";
    spec.env = {{"WORKER_ID", worker}};
    return spec;
  }
  void pass(Duration duration) {
    const MonoTime limit = scheduler.now() + duration;
    while (scheduler.run_next(limit)) {
    }
  }
  /// Runs one coroutine of the daemon to its end.
  template <class T>
  T finish(boost::asio::awaitable<T> what, Duration limit = 1h) {
    std::optional<T> result;
    begin(std::move(what), [&](T value) { result = std::move(value); });
    const MonoTime until = scheduler.now() + limit;
    while (!result && scheduler.run_next(until)) {
    }
    if (!result) throw std::runtime_error("the coroutine did not end");
    return std::move(*result);
  }
  template <class T, class Done>
  void begin(boost::asio::awaitable<T> what, Done done) {
    boost::asio::co_spawn(process->io(), std::move(what), [done](const std::exception_ptr& failure, T value) {
      if (failure) std::rethrow_exception(failure);
      done(std::move(value));
    });
    process->ready();
    process->turn();
  }
  /// The account's own view of the pod that was made under that name last; null = there was none.
  SimPodPtr pod_of(const std::string& worker) const {
    for (auto pod = cloud.pods().rbegin(); pod != cloud.pods().rend(); ++pod) {
      if ((*pod)->name == worker) return *pod;
    }
    return nullptr;
  }
  SimPodPtr created(const std::string& worker) {
    const auto outcome = finish(provider.create(spec(worker)));
    if (!std::holds_alternative<PodCreated>(outcome)) throw std::runtime_error("no pod was created");
    return pod_of(worker);
  }
  std::optional<Pod> listed(const std::string& id) {
    const auto pods = finish(provider.list());
    if (!pods) throw std::runtime_error(pods.error().message);
    for (const Pod& pod : *pods) {
      if (pod.id.str() == id) return pod;
    }
    return std::nullopt;
  }
  Result<std::unique_ptr<ports::ShellSession>> connected(const SimPodPtr& pod, ports::HostKeyPin pin = {}) {
    ports::ShellTarget target;
    target.endpoint.host = Cloud::kHost;
    target.endpoint.port = pod->ssh_port;
    target.pin = std::move(pin);
    return finish(shell.connect(std::move(target)));
  }
  std::string launch_payload(const std::string& worker, const std::string& token = kToken) const {
    return bootstrap::launch_payload(WorkerId(worker), settings, {Secret(token), Secret("sb_publishable_x")});
  }
  /// A pod whose worker has reported.
  SimPodPtr working(const std::string& worker) {
    const SimPodPtr pod = created(worker);
    pass(2min);
    pod->container->launch(*read_launch_payload(launch_payload(worker)));
    pass(2min);
    if (!pod->first_heartbeat) throw std::runtime_error("no heartbeat came");
    change(worker, {{"status", "active"}, {"phase", "idle"}});
    return pod;
  }

 private:
  WorldHooks hooks() {
    WorldHooks hooks;
    hooks.rpc = [this](std::string_view function, const nlohmann::json& arguments) {
      return rpc(function, arguments);
    };
    hooks.database_reachable = [this] { return reachable; };
    hooks.reply_lost = [this] { return reply_lost; };
    hooks.pod_fate = [this](const nlohmann::json&) { return pod_fate; };
    hooks.task_fate = [this](const std::string&, const std::string&, int) { return task_fate; };
    return hooks;
  }
  std::int64_t epoch_{0};
};

}  // namespace gpuwarden::simulation
