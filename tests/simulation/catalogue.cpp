#include "simulation/catalogue.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace gpuwarden::simulation {
namespace {

using nlohmann::json;

template <class Range>
auto by_id(const Range& range, std::string_view id) {
  const auto found =
      std::find_if(range.begin(), range.end(), [&](const auto& each) { return each.id == id; });
  return found == range.end() ? nullptr : &*found;
}

}  // namespace

bool is_sold_out(const std::set<std::string>& sold_out, std::string_view gpu, std::string_view data_center) {
  if (sold_out.empty()) return false;
  return sold_out.contains("*") || sold_out.contains(std::string(gpu)) ||
         sold_out.contains(std::string(data_center)) ||
         sold_out.contains(fmt::format("{}|{}", gpu, data_center));
}

const Catalogue::Gpu* Catalogue::gpu(std::string_view id) const {
  return by_id(gpus, id);
}

const Catalogue::Volume* Catalogue::volume(std::string_view id) const {
  return by_id(volumes, id);
}

std::string Catalogue::gpus_json(const std::set<std::string>& sold_out) const {
  json list = json::array();
  for (const Gpu& gpu : gpus) {
    bool any = false;
    json centers = json::array();
    for (const DataCenter& center : data_centers) {
      const bool none = is_sold_out(sold_out, gpu.id, center.id);
      any = any || !none;
      centers.push_back({{"id", center.id}, {"name", center.name}, {"availability", none ? "NONE" : "HIGH"}});
    }
    list.push_back({{"id", gpu.id},
                    {"name", gpu.name},
                    {"manufacturer", "NVIDIA"},
                    {"memory", gpu.memory_gb},
                    {"secure", true},
                    {"community", true},
                    {"price", {{"secure", gpu.secure_usd}, {"community", gpu.community_usd}}},
                    {"availability", any ? "HIGH" : "NONE"},
                    {"dataCenters", std::move(centers)}});
  }
  return json{{"gpus", std::move(list)}}.dump();
}

std::string Catalogue::data_centers_json() const {
  json list = json::array();
  for (const DataCenter& center : data_centers) list.push_back({{"id", center.id}, {"name", center.name}});
  return json{{"dataCenters", std::move(list)}}.dump();
}

std::string Catalogue::volumes_json() const {
  json list = json::array();
  for (const Volume& volume : volumes) {
    list.push_back({{"id", volume.id},
                    {"name", volume.name},
                    {"size", volume.size_gb},
                    {"dataCenter", volume.data_center},
                    {"type", "STANDARD"}});
  }
  return json{{"networkVolumes", std::move(list)}}.dump();
}

}  // namespace gpuwarden::simulation
