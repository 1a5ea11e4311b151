#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gpuwarden/base/ids.hpp"
#include "gpuwarden/base/secret.hpp"
#include "gpuwarden/base/time.hpp"
#include "gpuwarden/domain/worker.hpp"

namespace gpuwarden {

enum class PodStatus { provisioning, starting, running, exited, error, terminated, unrecognized };
std::string_view to_string(PodStatus status);  ///< upper case, as Runpod writes it

struct SshEndpoint {
  std::string host;
  std::uint16_t port{22};
  std::string user{"root"};
  bool operator==(const SshEndpoint&) const = default;
};

/// One pod as the provider knows it.
struct Pod {
  PodId id;
  std::string name;
  PodStatus status{PodStatus::unrecognized};
  std::string status_text;         ///< as answered
  std::optional<SshEndpoint> ssh;  ///< null until running and the port is mapped
  std::optional<Duration> uptime;  ///< of the container; going back = restarted in place
  std::string gpu, data_center, image;
  double cost_per_hr{0};               ///< USD
  std::optional<WallTime> created_at;  ///< by the provider's clock, for display only
};

/// What a create asks for.
struct PodSpec {
  std::string name;  ///< unique: the worker id
  Placement placement;
  std::string image, template_id, registry_id;
  int container_disk_gb{50};
  int persistent_disk_gb{0};  ///< 0 = none; never together with a network volume
  std::string mount_path{"/workspace"};
  std::optional<int> min_vcpu, min_memory_gb;
  std::string min_cuda;                    ///< "12.4"; empty = any
  std::string ssh_public_key;              ///< authorised key of the daemon, one line
  std::map<std::string, std::string> env;  ///< plain values only: the provider stores and returns them
};

// How a create ended. A timeout, 5xx or unreadable answer is CreateAmbiguous: the pod may exist and bill.
struct PodCreated {
  Pod pod;
};
struct CreateNoCapacity {
  std::string detail;
};
struct CreateNoBalance {
  std::string detail;
};
struct CreateInvalid {
  int http_status{0};
  std::string detail;
};
struct CreateUnauthorized {
  int http_status{0};
  std::string detail;
};
struct CreateRateLimited {
  std::optional<Duration> retry_after;
  std::string detail;
};
struct CreateNotSent {
  std::string detail;
};  ///< it is certain that nothing was asked: no budget, no connection
struct CreateAmbiguous {
  int http_status{0};
  std::string detail;
};

enum class DeleteOutcome {
  accepted,   ///< 204
  not_found,  ///< 404: absent or not visible; no proof that it is gone
  refused,    ///< rule of the service, such as a wrong state
  not_sent,   ///< nothing was asked: no budget, no connection
  ambiguous   ///< may have taken effect
};
std::string_view to_string(DeleteOutcome outcome);

struct PodLogLine {
  std::string source;  ///< "container" or "system"
  std::string line;
  std::optional<WallTime> time;
};

enum class StockLevel { unknown, none, low, medium, high };

/// A GPU type of the catalogue with its stock in one cloud.
struct GpuOffer {
  std::string id, name;
  double price_per_hr{0};
  StockLevel stock{StockLevel::unknown};
  std::map<std::string, StockLevel> stock_by_data_center;
  int memory_gb{0};
};
struct DataCenterInfo {
  std::string id, name;
};
struct NetworkVolume {
  std::string id, name, data_center;
  int size_gb{0};
};

/// What is left of the provider's request quota, by its RateLimit headers.
struct BudgetWindow {
  std::string name;  ///< "minute", "hour", "day"
  long limit{0}, remaining{0};
  Duration resets_in{0};
};

}  // namespace gpuwarden
