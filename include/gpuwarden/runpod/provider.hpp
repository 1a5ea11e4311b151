#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gpuwarden/base/secret.hpp"
#include "gpuwarden/http/client.hpp"
#include "gpuwarden/ports/clock.hpp"
#include "gpuwarden/ports/pod_provider.hpp"

namespace gpuwarden::runpod {

struct Settings {
  std::string url{"https://api.runpod.io/v2"};  ///< with the version; a trailing slash does no harm
  Secret api_key;
  std::string
      min_cuda;  ///< "12.4": the catalogue's stock and price are those of such machines; empty = of any
  Duration read_timeout{std::chrono::seconds(15)};    ///< one exchange of a read or delete
  Duration create_timeout{std::chrono::seconds(60)};  ///< the one POST
  Duration deadline{std::chrono::seconds(30)};  ///< a read or delete with all repetitions; a list: per page
  Duration budget_wait{
      std::chrono::seconds(10)};  ///< how long a create or delete waits for the request budget
  int max_attempts{3};
  Duration retry_base{std::chrono::milliseconds(500)};  ///< first pause is random up to this, then doubling
  int page_size{1000};
  int max_pages{100};  ///< a longer list is an error
};

/// ports::PodProvider over Runpod's REST v2. Reads and deletes are repeated with jitter, a create never is.
/// When the request budget has no room, deletes and creates wait for it (Settings::budget_wait), reads fail
/// at once with ErrorKind::rate_limited. `logs` gives what came within LogQuery::listen, counted from the
/// moment at which the service opened the stream, which may be nothing; a log that does not open within 5 s
/// is an error.
class RunpodProvider : public ports::PodProvider {
 public:
  /// `client` and `clock` must outlive the provider, the provider all its calls.
  RunpodProvider(http::Client& client, const ports::Clock& clock, Settings settings);
  ~RunpodProvider() override;
  RunpodProvider(const RunpodProvider&) = delete;
  RunpodProvider& operator=(const RunpodProvider&) = delete;

  boost::asio::awaitable<ports::CreateOutcome> create(PodSpec spec) override;
  ports::Async<std::vector<Pod>> list() override;
  ports::Async<std::optional<Pod>> get(PodId pod) override;
  boost::asio::awaitable<DeleteOutcome> remove(PodId pod) override;
  ports::Async<std::vector<PodLogLine>> logs(ports::LogQuery query) override;
  ports::Async<std::vector<GpuOffer>> gpu_offers(Cloud cloud) override;
  ports::Async<std::vector<DataCenterInfo>> data_centers() override;
  ports::Async<std::vector<NetworkVolume>> volumes() override;
  std::vector<BudgetWindow> budget() const override;

 private:
  class Wire;
  std::unique_ptr<Wire> wire_;
};

}  // namespace gpuwarden::runpod
