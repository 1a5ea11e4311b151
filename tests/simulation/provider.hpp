#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gpuwarden/http/request_budget.hpp"
#include "gpuwarden/ports/clock.hpp"
#include "gpuwarden/ports/pod_provider.hpp"
#include "gpuwarden/runpod/provider.hpp"

#include "simulation/call.hpp"
#include "simulation/cloud.hpp"

namespace gpuwarden::simulation {

/// ports::PodProvider of one life of the daemon over the simulated account: request budget, deadlines,
/// repetitions and codecs are those of runpod::RunpodProvider, only the wire is the world's. What is under
/// way takes effect also when the caller's coroutine or this object is destroyed meanwhile; then nobody is
/// told.
class SimProvider final : public ports::PodProvider {
 public:
  /// `caller` is who the account sees: "daemon 1". All references must outlive the calls under way.
  SimProvider(Cloud& cloud, Fates& fates, ports::Clock& clock, Random random, std::string caller,
              runpod::Settings settings = {});

  boost::asio::awaitable<ports::CreateOutcome> create(PodSpec spec) override;
  ports::Async<std::vector<Pod>> list() override;
  ports::Async<std::optional<Pod>> get(PodId pod) override;
  boost::asio::awaitable<DeleteOutcome> remove(PodId pod) override;
  ports::Async<std::vector<PodLogLine>> logs(ports::LogQuery query) override;
  ports::Async<std::vector<GpuOffer>> gpu_offers(gpuwarden::Cloud cloud) override;
  ports::Async<std::vector<DataCenterInfo>> data_centers() override;
  ports::Async<std::vector<NetworkVolume>> volumes() override;
  std::vector<BudgetWindow> budget() const override;

  /// Requests sent so far, each attempt counted.
  std::uint64_t requests() const;

 private:
  struct Wire;
  std::shared_ptr<Wire> wire_;
};

}  // namespace gpuwarden::simulation
