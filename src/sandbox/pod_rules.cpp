#include "pod_rules.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "json_rules.hpp"
#include "problem.hpp"

namespace gpuwarden::sandbox {
namespace {

using nlohmann::json;

constexpr std::string_view kClouds[]{"SECURE", "COMMUNITY"};

constexpr FieldRule kGpuFields[]{
    {.name = "id", .kind = JsonKind::string, .required = true},
    {.name = "count", .kind = JsonKind::integer, .minimum = 1},
    {.name = "allowedCudaVersions", .kind = JsonKind::strings, .version_pattern = true},
    {.name = "minCudaVersion", .kind = JsonKind::string, .version_pattern = true},
    {.name = "minRamPerGpu", .kind = JsonKind::integer, .minimum = 1},
    {.name = "minVcpuCountPerGpu", .kind = JsonKind::integer, .minimum = 1},
};
constexpr FieldRule kCpuFields[]{
    {.name = "id", .kind = JsonKind::string, .required = true, .min_length = 1},
    {.name = "vcpuCount", .kind = JsonKind::integer, .required = true, .minimum = 2},
};
constexpr FieldRule kPersistentFields[]{
    {.name = "size", .kind = JsonKind::integer, .required = true, .minimum = 10},
    {.name = "path", .kind = JsonKind::string, .required = true},
};
constexpr FieldRule kNetworkFields[]{
    {.name = "volumeId", .kind = JsonKind::string, .required = true},
    {.name = "path", .kind = JsonKind::string, .required = true},
};
constexpr ObjectRule kGpu{kGpuFields}, kCpu{kCpuFields}, kPersistent{kPersistentFields},
    kNetwork{kNetworkFields};
constexpr FieldRule kMountFields[]{
    {.name = "persistent", .kind = JsonKind::object, .object = &kPersistent},
    {.name = "network", .kind = JsonKind::objects, .max_items = 1, .object = &kNetwork},
};
constexpr ObjectRule kMounts{kMountFields};
constexpr FieldRule kCreateFields[]{
    {.name = "name", .kind = JsonKind::string, .required = true, .min_length = 1},
    {.name = "image", .kind = JsonKind::string},
    {.name = "templateId", .kind = JsonKind::string, .min_length = 1},
    {.name = "registry", .kind = JsonKind::string, .nullable = true},
    {.name = "gpu", .kind = JsonKind::object, .object = &kGpu},
    {.name = "cpu", .kind = JsonKind::object, .object = &kCpu},
    {.name = "cloud", .kind = JsonKind::string, .one_of = kClouds},
    {.name = "dataCenterIds", .kind = JsonKind::strings},
    {.name = "disk", .kind = JsonKind::integer, .minimum = 1},
    {.name = "mounts", .kind = JsonKind::object, .object = &kMounts},
    {.name = "env", .kind = JsonKind::string_map},
    {.name = "ports", .kind = JsonKind::strings},
    {.name = "args", .kind = JsonKind::string},
    {.name = "cmd", .kind = JsonKind::strings},
    {.name = "entrypoint", .kind = JsonKind::strings},
    {.name = "startSsh", .kind = JsonKind::boolean},
    {.name = "startJupyter", .kind = JsonKind::boolean},
    {.name = "globalNetworking", .kind = JsonKind::boolean},
};
constexpr ObjectRule kCreate{kCreateFields};

constexpr std::size_t kMaxEnvironment = 50;
constexpr int kMaxHttpPorts = 10;

Refusal rule(std::string detail) {
  return {400, std::move(detail)};
}

/// "22/tcp", "8888/http"
bool is_port(std::string_view text, std::string_view& protocol) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return false;
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + slash, port);
  protocol = text.substr(slash + 1);
  return error == std::errc() && end == text.data() + slash && port >= 1 && port <= 65535 &&
         (protocol == "tcp" || protocol == "http" || protocol == "udp");
}

Refusal check_ports(const json& body) {
  int http = 0;
  for (const auto& port : body.value("ports", json::array())) {
    std::string_view protocol;
    const auto& text = port.get_ref<const std::string&>();
    if (!is_port(text, protocol))
      return rule(fmt::format("port '{}' is not of the form port/protocol", text));
    if (protocol == "http" && ++http > kMaxHttpPorts) return rule("at most 10 http ports are allowed");
  }
  return {};
}

/// The one network mount of a request, or null.
const json* network_mount(const json& body) {
  const auto mounts = body.find("mounts");
  if (mounts == body.end()) return nullptr;
  const auto network = mounts->find("network");
  return network == mounts->end() || network->empty() ? nullptr : &network->front();
}

Refusal check_mounts(const json& body) {
  const auto mounts = body.value("mounts", json::object());
  const bool persistent = mounts.contains("persistent");
  if (persistent && mounts.contains("network"))
    return rule("mounts.persistent and mounts.network are mutually exclusive");
  if (persistent && body.contains("cpu")) return rule("mounts.persistent is not supported on CPU pods");
  for (const auto& path : {mounts.value(json::json_pointer("/persistent/path"), std::string("/")),
                           mounts.value(json::json_pointer("/network/0/path"), std::string("/"))})
    if (!path.starts_with('/')) return rule("mount path must be absolute");
  const auto* network = network_mount(body);
  if (network == nullptr) return {};
  const auto id = network->at("volumeId").get<std::string>();
  const auto* volume = find_volume(id);
  if (volume == nullptr) return rule(fmt::format("network volume '{}' not found", id));
  const auto wanted = body.value("dataCenterIds", std::vector<std::string>());
  if (wanted.empty() || std::any_of(wanted.begin(), wanted.end(),
                                    [&](const std::string& each) { return each != volume->data_center; }))
    return rule(fmt::format("network volume '{}' is in data center {}: the pod must be placed there", id,
                            volume->data_center));
  return {};
}

/// A floor that no machine with this GPU reaches is a shortage like any other.
bool machine_suffices(const json& gpu) {
  const auto* model = find_gpu(gpu.at("id").get<std::string>());
  return model != nullptr && gpu.value("minRamPerGpu", 0L) <= model->ram_gb &&
         gpu.value("minVcpuCountPerGpu", 0L) <= model->vcpus;
}

Refusal check_compute(const json& body) {
  if (body.contains("gpu") == body.contains("cpu")) return rule("exactly one of gpu or cpu must be set");
  if (body.contains("cpu")) return rule("CPU pods are not offered here");
  const auto& gpu = body.at("gpu");
  if (find_gpu(gpu.at("id").get<std::string>()) == nullptr)
    return rule(fmt::format("gpu.id '{}' is not a known GPU type", gpu.at("id").get<std::string>()));
  if (gpu.contains("minCudaVersion") && !gpu.value("allowedCudaVersions", json::array()).empty())
    return rule("gpu.allowedCudaVersions and gpu.minCudaVersion are mutually exclusive");
  return {};
}

}  // namespace

Refusal check_create(const json& body, const SoldOut& sold_out) {
  auto errors = check(body, kCreate);
  if (body.is_object() && !body.contains("templateId") && !body.contains("image"))
    errors.emplace_back("$: missing property 'image'");
  if (!errors.empty()) return {422, std::string(kValidationFailed), std::move(errors)};
  if (auto refusal = check_compute(body)) return refusal;
  if (body.contains("templateId") && body.at("templateId") != kTemplateId) return {404, "template not found"};
  if (!body.contains("templateId") && !body.contains("disk")) return rule(std::string(kNoDisk));
  if (body.value("env", json::object()).size() > kMaxEnvironment)
    return rule("at most 50 environment variables are allowed");
  if (auto refusal = check_ports(body)) return refusal;
  if (auto refusal = check_mounts(body)) return refusal;
  if (place(body, sold_out).empty()) return rule(std::string(kNoCapacity));
  return {};
}

std::string place(const json& body, const SoldOut& sold_out) {
  const auto gpu = body.at("gpu").at("id").get<std::string>();
  if (!machine_suffices(body.at("gpu"))) return {};
  const auto wanted = body.value("dataCenterIds", std::vector<std::string>());
  for (const auto& center : data_centers()) {
    const bool allowed = wanted.empty() || std::find(wanted.begin(), wanted.end(), center.id) != wanted.end();
    if (allowed && !sold_out.covers(gpu, center.id)) return std::string(center.id);
  }
  return {};
}

}  // namespace gpuwarden::sandbox
