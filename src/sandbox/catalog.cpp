#include "catalog.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace gpuwarden::sandbox {
namespace {

using nlohmann::json;

constexpr std::array kGpus{
    GpuModel{"NVIDIA GeForce RTX 4090", "RTX 4090", "ADA_24", 24, 0.44, 0.31, 62, 16},
    GpuModel{"NVIDIA GeForce RTX 3090", "RTX 3090", "AMPERE_24", 24, 0.27, 0.19, 46, 8},
    GpuModel{"NVIDIA L40S", "L40S", "ADA_48_PRO", 48, 0.86, 0.79, 94, 16},
    GpuModel{"NVIDIA H100 80GB HBM3", "H100 SXM", "HOPPER_80", 80, 2.69, 2.39, 188, 24},
};
constexpr std::array kDataCenters{
    DataCenter{"EU-RO-1", "EU Romania 1", "EUROPE"},
    DataCenter{"EU-SE-1", "EU Sweden 1", "EUROPE"},
    DataCenter{"US-KS-2", "US Kansas 2", "NORTH_AMERICA"},
};
constexpr std::array kVolumes{
    Volume{"vol4sandbox1", "sandbox-models", "EU-RO-1", 100},
    Volume{"vol4sandbox2", "sandbox-models-us", "US-KS-2", 100},
};
constexpr std::string_view kStock[]{"HIGH", "MEDIUM", "LOW"};

template <class Range>
auto find_id(const Range& range, std::string_view id) {
  const auto found =
      std::find_if(range.begin(), range.end(), [&](const auto& each) { return each.id == id; });
  return found == range.end() ? nullptr : &*found;
}

std::vector<std::string> values(const Query& query, const std::string& name) {
  std::vector<std::string> found;
  const auto [begin, end] = query.equal_range(name);
  for (auto each = begin; each != end; ++each) {
    std::string_view rest = each->second;
    while (!rest.empty()) {
      const auto comma = rest.find(',');
      found.emplace_back(rest.substr(0, comma));
      rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    }
  }
  return found;
}

void require_one_of(const Query& query, const std::string& name,
                    std::initializer_list<std::string_view> allowed, std::vector<std::string>& errors) {
  for (const auto& value : values(query, name))
    if (std::find(allowed.begin(), allowed.end(), value) == allowed.end())
      errors.push_back(fmt::format("{}: value must be one of '{}'", name, fmt::join(allowed, "', '")));
}

std::string_view stock(std::string_view gpu, std::string_view data_center, const SoldOut& sold_out) {
  if (sold_out.covers(gpu, data_center)) return "NONE";
  const auto index = static_cast<std::size_t>(find_data_center(data_center) - kDataCenters.data());
  return kStock[index % std::size(kStock)];
}

/// The best level of all data centres.
std::string_view best_stock(std::string_view gpu, const SoldOut& sold_out) {
  for (const auto level : kStock)
    for (const auto& center : kDataCenters)
      if (stock(gpu, center.id, sold_out) == level) return level;
  return "NONE";
}

CatalogAnswer invalid(std::vector<std::string> errors) {
  return {422, "", "Request validation failed.", std::move(errors)};
}

}  // namespace

std::span<const GpuModel> gpu_models() {
  return kGpus;
}
std::span<const DataCenter> data_centers() {
  return kDataCenters;
}
std::span<const Volume> volumes() {
  return kVolumes;
}
const GpuModel* find_gpu(std::string_view id) {
  return find_id(kGpus, id);
}
const DataCenter* find_data_center(std::string_view id) {
  return find_id(kDataCenters, id);
}
const Volume* find_volume(std::string_view id) {
  return find_id(kVolumes, id);
}

bool SoldOut::covers(std::string_view gpu, std::string_view data_center) const {
  return !what.empty() && (what == "*" || what == gpu || what == data_center);
}

CatalogAnswer list_gpus(const Query& query, const SoldOut& sold_out) {
  std::vector<std::string> errors;
  require_one_of(query, "include", {"AVAILABILITY"}, errors);
  require_one_of(query, "product", {"POD", "SERVERLESS", "CLUSTER"}, errors);
  require_one_of(query, "cloud", {"SECURE", "COMMUNITY", "ALL"}, errors);
  for (const auto& value : values(query, "count")) {
    int count = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), count);
    if (error != std::errc() || end != value.data() + value.size() || count < 1)
      errors.push_back("count: minimum: want 1");
  }
  if (!errors.empty()) return invalid(std::move(errors));
  const bool availability = query.contains("include");
  if (availability && !query.contains("product"))
    return {400, "", "include=AVAILABILITY requires product", {}};
  json gpus = json::array();
  for (const auto& gpu : kGpus) {
    json entry{{"id", gpu.id},
               {"name", gpu.name},
               {"pool", gpu.pool},
               {"manufacturer", "NVIDIA"},
               {"memory", gpu.memory_gb},
               {"secure", true},
               {"community", true},
               {"price", {{"secure", gpu.secure_usd}, {"community", gpu.community_usd}}},
               {"maxCount", {{"secure", 8}, {"community", 4}}}};
    if (availability) {
      entry["availability"] = best_stock(gpu.id, sold_out);
      entry["dataCenters"] = json::array();
      for (const auto& center : kDataCenters)
        entry["dataCenters"].push_back(
            {{"id", center.id}, {"name", center.name}, {"availability", stock(gpu.id, center.id, sold_out)}});
      entry["cudaVersions"] = {{{"version", "12.8"}, {"available", true}}};
    }
    gpus.push_back(std::move(entry));
  }
  return {200, json{{"gpus", std::move(gpus)}}.dump(), "", {}};
}

CatalogAnswer list_data_centers(const Query& query, const SoldOut& sold_out) {
  std::vector<std::string> errors;
  require_one_of(query, "include", {"GPU_AVAILABILITY", "CPU_AVAILABILITY"}, errors);
  require_one_of(query, "regions",
                 {"NORTH_AMERICA", "SOUTH_AMERICA", "EUROPE", "ASIA", "MIDDLE_EAST", "AFRICA", "OCEANIA",
                  "ANTARCTICA", "UNKNOWN"},
                 errors);
  if (!errors.empty()) return invalid(std::move(errors));
  const auto include = values(query, "include");
  const auto regions = values(query, "regions");
  json centers = json::array();
  for (const auto& center : kDataCenters) {
    if (!regions.empty() && std::find(regions.begin(), regions.end(), center.region) == regions.end())
      continue;
    json entry{{"id", center.id},
               {"name", center.name},
               {"region", center.region},
               {"globalNetwork", true},
               {"networkVolumeTypes", {"STANDARD"}},
               {"compliance", {"GDPR"}}};
    if (std::find(include.begin(), include.end(), "GPU_AVAILABILITY") != include.end()) {
      entry["gpuAvailability"] = json::array();
      for (const auto& gpu : kGpus)
        entry["gpuAvailability"].push_back(
            {{"id", gpu.id}, {"name", gpu.name}, {"availability", stock(gpu.id, center.id, sold_out)}});
    }
    centers.push_back(std::move(entry));
  }
  return {200, json{{"dataCenters", std::move(centers)}}.dump(), "", {}};
}

std::string list_volumes() {
  json list = json::array();
  for (const auto& volume : kVolumes)
    list.push_back({{"id", volume.id},
                    {"name", volume.name},
                    {"size", volume.size_gb},
                    {"dataCenter", volume.data_center},
                    {"type", "STANDARD"}});
  return json{{"networkVolumes", std::move(list)}}.dump();
}

}  // namespace gpuwarden::sandbox
