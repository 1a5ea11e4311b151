#include "pod_json.hpp"

#include <array>
#include <utility>

#include "gpuwarden/base/format.hpp"

#include "lenient_json.hpp"

namespace gpuwarden::runpod {
namespace {

using nlohmann::json;

constexpr long kSshPort = 22;
constexpr long kHighestPort = 65535;

PodStatus status_of(std::string_view text) {
  for (const PodStatus status : {PodStatus::provisioning, PodStatus::starting, PodStatus::running,
                                 PodStatus::exited, PodStatus::error, PodStatus::terminated}) {
    if (to_string(status) == text) return status;
  }
  return PodStatus::unrecognized;
}

std::optional<SshEndpoint> direct_endpoint(const json& pod) {
  const json* ssh = member(pod, "ssh");
  const json* direct = ssh == nullptr ? nullptr : member(*ssh, "direct");
  if (direct == nullptr) return std::nullopt;
  SshEndpoint endpoint;
  endpoint.host = text_at(*direct, "host");
  const auto port = integer_at(*direct, "port", 1, kHighestPort);
  if (endpoint.host.empty() || !port) return std::nullopt;
  endpoint.port = static_cast<std::uint16_t>(*port);
  if (std::string user = text_at(*direct, "username"); !user.empty()) endpoint.user = std::move(user);
  return endpoint;
}

std::optional<long> port_at(const json& mapping, const char* key, const char* longer_key) {
  const auto port = integer_at(mapping, key, 1, kHighestPort);
  return port ? port : integer_at(mapping, longer_key, 1, kHighestPort);
}

std::optional<SshEndpoint> mapped_endpoint(const json& pod) {
  const json* runtime = member(pod, "runtime");
  const json* ports = runtime == nullptr ? nullptr : member(*runtime, "ports");
  if (ports == nullptr || !ports->is_array()) return std::nullopt;
  for (const json& mapping : *ports) {
    const auto outside = port_at(mapping, "public", "publicPort");
    SshEndpoint endpoint;
    endpoint.host = text_at(mapping, "ip");
    // Entries of type http carry the address of a proxy that speaks no SSH.
    if (text_at(mapping, "type") != "tcp" || port_at(mapping, "private", "privatePort") != kSshPort ||
        !outside || endpoint.host.empty()) {
      continue;
    }
    endpoint.port = static_cast<std::uint16_t>(*outside);
    return endpoint;
  }
  return std::nullopt;
}

}  // namespace

Pod read_pod(const json& value) {
  Pod pod;
  pod.id = PodId(text_at(value, "id"));
  pod.name = text_at(value, "name");
  pod.status_text = text_at(value, "status");
  pod.status = status_of(pod.status_text);
  // A stopped pod still shows the ports that it had.
  if (pod.status == PodStatus::running) {
    pod.ssh = direct_endpoint(value);
    if (!pod.ssh) pod.ssh = mapped_endpoint(value);
  }
  if (const json* runtime = member(value, "runtime")) {
    if (const auto uptime = integer_at(*runtime, "uptime", 0, 10'000'000'000)) {
      pod.uptime = std::chrono::seconds(*uptime);
    }
  }
  if (const json* gpu = member(value, "gpu")) pod.gpu = text_at(*gpu, "id");
  pod.data_center = text_at(value, "dataCenterId");
  pod.image = text_at(value, "image");
  pod.cost_per_hr = number_at(value, "cost").value_or(0);
  if (const std::string created = text_at(value, "createdAt"); !created.empty()) {
    pod.created_at = parse_time(created);
  }
  return pod;
}

}  // namespace gpuwarden::runpod
