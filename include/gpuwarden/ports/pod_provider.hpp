#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "gpuwarden/base/result.hpp"
#include "gpuwarden/domain/pod.hpp"
#include "gpuwarden/ports/task_store.hpp"

namespace gpuwarden::ports {

using CreateOutcome = std::variant<PodCreated, CreateNoCapacity, CreateNoBalance, CreateInvalid,
                                   CreateUnauthorized, CreateRateLimited, CreateNotSent, CreateAmbiguous>;

struct LogQuery {
  PodId pod;
  std::string source;                        ///< "container" or "system"
  int tail{100};                             ///< 0..5000 lines; not used with `since`
  std::optional<WallTime> since{};           ///< only lines after this, by the provider's clock
  Duration listen{std::chrono::seconds(2)};  ///< how long to read the stream before taking what came
};

/// Rents pods. Spends a request budget that follows the provider's own figures: deletes first, creates next,
/// reads last.
class PodProvider {
 public:
  virtual ~PodProvider() = default;
  /// One POST, never repeated. Only CreateNotSent, CreateNoCapacity, CreateNoBalance, CreateInvalid,
  /// CreateUnauthorized and CreateRateLimited mean that there is no pod.
  virtual boost::asio::awaitable<CreateOutcome> create(PodSpec spec) = 0;
  /// All pages, or an error: never a part.
  virtual Async<std::vector<Pod>> list() = 0;
  /// nullopt = 404.
  virtual Async<std::optional<Pod>> get(PodId pod) = 0;
  virtual boost::asio::awaitable<DeleteOutcome> remove(PodId pod) = 0;
  /// An error when the log cannot be read; empty only when the provider has opened it and nothing came.
  virtual Async<std::vector<PodLogLine>> logs(LogQuery query) = 0;
  virtual Async<std::vector<GpuOffer>> gpu_offers(Cloud cloud) = 0;
  virtual Async<std::vector<DataCenterInfo>> data_centers() = 0;
  virtual Async<std::vector<NetworkVolume>> volumes() = 0;
  /// As of the last answer; empty before the first.
  virtual std::vector<BudgetWindow> budget() const = 0;
};

}  // namespace gpuwarden::ports
