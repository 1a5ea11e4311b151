#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gpuwarden/ports/pod_provider.hpp"

namespace gpuwarden::fakes {

/// An account at a pod provider, in memory: pods in `pods`, every call recorded, any answer replaceable.
///
/// By default a created pod is RUNNING with an SSH endpoint at once and a removed one is gone at once. Set
/// `on_<method>` to answer instead, `outage` to fail every call, or `before` to delay a call.
class FakePodProvider final : public ports::PodProvider {
 public:
  template <class T>
  using Async = ports::Async<T>;

  // The account, free for tests to change.
  std::vector<Pod> pods;
  std::vector<GpuOffer> offers{{"NVIDIA GeForce RTX 4090", "RTX 4090", 0.44, StockLevel::high, {}, 24}};
  std::vector<DataCenterInfo> centers{{"EU-RO-1", "EU Romania 1"}};
  std::vector<NetworkVolume> network_volumes;
  std::vector<BudgetWindow> budget_windows{{"minute", 60, 58, std::chrono::seconds(40)}};
  std::map<PodId, std::vector<PodLogLine>> log_lines;
  PodStatus new_pod_status{PodStatus::running};  ///< of pods that create() makes
  std::string ssh_host{"127.0.0.1"};

  // What was asked, in order.
  std::vector<std::string> calls;  ///< "create gpu-default-…", "remove pod-1", "list"
  std::vector<PodSpec> created;
  std::vector<PodId> removed;
  std::vector<ports::LogQuery> log_queries;

  // Answers instead of the default.
  std::optional<Error> outage;  ///< create answers CreateNotSent, remove answers not_sent
  std::function<boost::asio::awaitable<void>(std::string_view method)> before;
  std::function<ports::CreateOutcome(const PodSpec&)> on_create;
  std::function<Result<std::vector<Pod>>()> on_list;
  std::function<Result<std::optional<Pod>>(const PodId&)> on_get;
  std::function<DeleteOutcome(const PodId&)> on_remove;
  std::function<Result<std::vector<PodLogLine>>(const ports::LogQuery&)> on_logs;
  std::function<Result<std::vector<GpuOffer>>(Cloud)> on_gpu_offers;
  std::function<Result<std::vector<DataCenterInfo>>()> on_data_centers;
  std::function<Result<std::vector<NetworkVolume>>()> on_volumes;

  /// A pod of the account; null when there is none.
  Pod* find(const PodId& id) {
    const auto at = std::find_if(pods.begin(), pods.end(), [&](const Pod& pod) { return pod.id == id; });
    return at == pods.end() ? nullptr : &*at;
  }
  Pod* find_by_name(std::string_view name) {
    const auto at = std::find_if(pods.begin(), pods.end(), [&](const Pod& pod) { return pod.name == name; });
    return at == pods.end() ? nullptr : &*at;
  }
  /// Makes a pod as the default create() does; for an `on_create` that fails after creating.
  Pod add_pod(const PodSpec& spec) {
    Pod pod;
    pod.id = PodId("pod-" + std::to_string(++last_pod_));
    pod.name = spec.name;
    pod.status = new_pod_status;
    pod.status_text = to_string(pod.status);
    pod.gpu = spec.placement.gpu;
    pod.data_center = spec.placement.data_center;
    pod.image = spec.image;
    pod.cost_per_hr = spec.placement.price_per_hr;
    if (pod.status == PodStatus::running) set_running(pod);
    pods.push_back(pod);
    return pod;
  }
  void set_running(Pod& pod) const {
    pod.status = PodStatus::running;
    pod.status_text = to_string(pod.status);
    pod.uptime = Duration{0};
    SshEndpoint endpoint;
    endpoint.host = ssh_host;
    pod.ssh = endpoint;
  }
  long count(std::string_view method) const {
    return std::count_if(calls.begin(), calls.end(), [&](const std::string& call) {
      return call == method || call.starts_with(std::string(method) + " ");
    });
  }

  boost::asio::awaitable<ports::CreateOutcome> create(PodSpec spec) override {
    calls.push_back("create " + spec.name);
    created.push_back(spec);
    return do_create(std::move(spec));
  }
  Async<std::vector<Pod>> list() override {
    return answer<std::vector<Pod>>(
        "list", "", [this]() -> Result<std::vector<Pod>> { return on_list ? on_list() : pods; });
  }
  Async<std::optional<Pod>> get(PodId id) override {
    return answer<std::optional<Pod>>("get", id.str(), [=, this]() -> Result<std::optional<Pod>> {
      if (on_get) return on_get(id);
      const Pod* pod = find(id);
      return pod == nullptr ? std::optional<Pod>() : std::optional<Pod>(*pod);
    });
  }
  boost::asio::awaitable<DeleteOutcome> remove(PodId id) override {
    calls.push_back("remove " + id.str());
    removed.push_back(id);
    return do_remove(std::move(id));
  }
  Async<std::vector<PodLogLine>> logs(ports::LogQuery query) override {
    log_queries.push_back(query);
    return answer<std::vector<PodLogLine>>(
        "logs", query.pod.str(), [=, this]() -> Result<std::vector<PodLogLine>> {
          if (on_logs) return on_logs(query);
          std::vector<PodLogLine> lines;
          if (const auto at = log_lines.find(query.pod); at != log_lines.end()) lines = at->second;
          std::erase_if(lines, [&](const PodLogLine& line) {
            return !query.source.empty() && line.source != query.source;
          });
          return lines;
        });
  }
  Async<std::vector<GpuOffer>> gpu_offers(Cloud cloud) override {
    return answer<std::vector<GpuOffer>>("gpu_offers", "", [=, this]() -> Result<std::vector<GpuOffer>> {
      return on_gpu_offers ? on_gpu_offers(cloud) : offers;
    });
  }
  Async<std::vector<DataCenterInfo>> data_centers() override {
    return answer<std::vector<DataCenterInfo>>("data_centers", "",
                                               [this]() -> Result<std::vector<DataCenterInfo>> {
                                                 return on_data_centers ? on_data_centers() : centers;
                                               });
  }
  Async<std::vector<NetworkVolume>> volumes() override {
    return answer<std::vector<NetworkVolume>>("volumes", "", [this]() -> Result<std::vector<NetworkVolume>> {
      return on_volumes ? on_volumes() : network_volumes;
    });
  }
  std::vector<BudgetWindow> budget() const override { return budget_windows; }

 private:
  template <class T>
  Async<T> answer(std::string method, std::string about, std::function<Result<T>()> make) {
    calls.push_back(about.empty() ? method : method + " " + about);
    return later<T>(std::move(method), std::move(make));
  }
  template <class T>
  Async<T> later(std::string method, std::function<Result<T>()> make) {
    if (before) co_await before(method);
    if (outage) co_return fail(*outage);
    co_return make();
  }
  boost::asio::awaitable<ports::CreateOutcome> do_create(PodSpec spec) {
    if (before) co_await before("create");
    if (outage) co_return CreateNotSent{outage->message};
    if (on_create) co_return on_create(spec);
    co_return PodCreated{add_pod(spec)};
  }
  boost::asio::awaitable<DeleteOutcome> do_remove(PodId id) {
    if (before) co_await before("remove");
    if (outage) co_return DeleteOutcome::not_sent;
    if (on_remove) co_return on_remove(id);
    const bool known = find(id) != nullptr;
    std::erase_if(pods, [&](const Pod& pod) { return pod.id == id; });
    co_return known ? DeleteOutcome::accepted : DeleteOutcome::not_found;
  }

  int last_pod_{0};
};

}  // namespace gpuwarden::fakes
