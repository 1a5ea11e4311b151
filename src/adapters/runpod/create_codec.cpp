#include <algorithm>
#include <cctype>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/runpod/codec.hpp"

namespace gpuwarden::runpod {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestName = 191;
constexpr std::size_t kMostVariables = 50;
constexpr int kSmallestPersistentGb = 10;

/// "12.4"
bool is_cuda_version(std::string_view text) {
  const auto digits = [](std::string_view part) {
    return !part.empty() &&
           std::all_of(part.begin(), part.end(), [](unsigned char c) { return std::isdigit(c); });
  };
  const std::size_t dot = text.find('.');
  return dot != std::string_view::npos && digits(text.substr(0, dot)) && digits(text.substr(dot + 1));
}

/// Empty = nothing to object to.
std::string objection(const PodSpec& spec) {
  if (spec.name.empty() || spec.name.size() > kLongestName)
    return "a pod needs a name of 1 to 191 characters";
  if (spec.image.empty() && spec.template_id.empty()) {
    return "neither RUNPOD_WORKER_IMAGE nor RUNPOD_TEMPLATE_ID is set";
  }
  if (spec.placement.gpu.empty()) return "no GPU type is named";
  if (spec.container_disk_gb < 1) return "RUNPOD_CONTAINER_DISK_GB must be at least 1";
  if (!spec.min_cuda.empty() && !is_cuda_version(spec.min_cuda)) {
    return fmt::format("RUNPOD_MIN_CUDA '{}' is not of the form 12.4", spec.min_cuda);
  }
  const bool network = !spec.placement.volume_id.empty();
  if (network && spec.persistent_disk_gb > 0) {
    return "a pod has a network volume or a persistent disk (RUNPOD_DISK_SIZE_GB), not both";
  }
  if (spec.persistent_disk_gb != 0 && spec.persistent_disk_gb < kSmallestPersistentGb) {
    return "RUNPOD_DISK_SIZE_GB must be 0 or at least 10";
  }
  if ((network || spec.persistent_disk_gb > 0) && !spec.mount_path.starts_with('/')) {
    return "RUNPOD_VOLUME_MOUNT_PATH must be an absolute path";
  }
  const std::size_t key = spec.ssh_public_key.empty() || spec.env.contains("PUBLIC_KEY") ? 0 : 1;
  if (spec.env.size() + key > kMostVariables) {
    return fmt::format("{} environment variables; Runpod takes {}", spec.env.size() + key, kMostVariables);
  }
  return {};
}

}  // namespace

Result<std::string> create_body(const PodSpec& spec) {
  if (std::string problem = objection(spec); !problem.empty()) {
    return fail(ErrorKind::invalid_input, std::move(problem));
  }
  const Placement& place = spec.placement;
  json body{{"name", spec.name},
            {"cloud", to_string(place.cloud)},
            {"disk", spec.container_disk_gb},
            {"ports", json::array({"22/tcp"})},
            {"startSsh", true}};
  if (!spec.image.empty()) body["image"] = spec.image;
  if (!spec.template_id.empty()) body["templateId"] = spec.template_id;
  if (!spec.registry_id.empty()) body["registry"] = spec.registry_id;
  json& gpu = body["gpu"] = {{"id", place.gpu}, {"count", 1}};
  if (!spec.min_cuda.empty()) gpu["minCudaVersion"] = spec.min_cuda;
  if (spec.min_memory_gb) gpu["minRamPerGpu"] = *spec.min_memory_gb;
  if (spec.min_vcpu) gpu["minVcpuCountPerGpu"] = *spec.min_vcpu;
  if (!place.data_center.empty()) body["dataCenterIds"] = json::array({place.data_center});
  if (!place.volume_id.empty()) {
    json mount{{"volumeId", place.volume_id}, {"path", spec.mount_path}};
    body["mounts"]["network"] = json::array({std::move(mount)});
  } else if (spec.persistent_disk_gb > 0) {
    body["mounts"]["persistent"] = {{"size", spec.persistent_disk_gb}, {"path", spec.mount_path}};
  }
  json& env = body["env"] = json(spec.env);
  // Ours, not the account's keys that startSsh would inject.
  if (!spec.ssh_public_key.empty()) env["PUBLIC_KEY"] = spec.ssh_public_key;
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace gpuwarden::runpod
