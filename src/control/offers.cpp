#include "gpuwarden/control/offers.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "gpuwarden/domain/gpu_match.hpp"

namespace gpuwarden::control {
namespace {

struct Place {
  std::string data_center, volume_id, volume_name;
};

std::vector<Place> places(const policy::Settings& settings, const std::vector<NetworkVolume>& volumes,
                          std::vector<std::string>& problems) {
  std::vector<Place> result;
  for (const std::string& name : settings.volume_names) {
    const auto found = std::find_if(volumes.begin(), volumes.end(), [&](const NetworkVolume& volume) {
      return volume.name == name || volume.id == name;
    });
    if (found == volumes.end()) {
      problems.push_back(fmt::format("network volume '{}' is not in the account", name));
      continue;
    }
    const auto& allowed = settings.data_centers;
    if (!allowed.empty() && std::find(allowed.begin(), allowed.end(), found->data_center) == allowed.end()) {
      problems.push_back(fmt::format("network volume '{}' is in {}, which RUNPOD_DATA_CENTERS does not list",
                                     name, found->data_center));
      continue;
    }
    result.push_back({found->data_center, found->id, found->name});
  }
  if (!settings.volume_names.empty()) return result;
  for (const std::string& data_center : settings.data_centers) result.push_back({data_center, "", ""});
  if (result.empty()) result.push_back({});
  return result;
}

StockLevel stock_at(const GpuOffer& gpu, const std::string& data_center) {
  if (data_center.empty()) return gpu.stock;
  const auto found = gpu.stock_by_data_center.find(data_center);
  if (found != gpu.stock_by_data_center.end()) return found->second;
  // A catalogue that lists data centres lists all that have the GPU.
  return gpu.stock_by_data_center.empty() ? StockLevel::unknown : StockLevel::none;
}

policy::Offer offer_of(const std::string& wanted, const GpuOffer* gpu, const Place& place, Cloud cloud) {
  policy::Offer offer;
  offer.placement = {
      gpu == nullptr ? wanted : gpu->id,       place.data_center, place.volume_id, place.volume_name, cloud,
      gpu == nullptr ? 0.0 : gpu->price_per_hr};
  offer.stock = gpu == nullptr ? StockLevel::unknown : stock_at(*gpu, place.data_center);
  return offer;
}

}  // namespace

ResolvedOffers resolve_offers(const policy::Settings& settings, const std::vector<GpuOffer>& catalogue,
                              const std::vector<NetworkVolume>& volumes,
                              const std::vector<GpuOffer>& other_cloud) {
  ResolvedOffers result;
  const std::vector<Place> where = places(settings, volumes, result.problems);
  const Cloud other = settings.cloud == Cloud::secure ? Cloud::community : Cloud::secure;
  int preference = 0;
  for (const std::string& wanted : settings.gpu_types) {
    const GpuOffer* gpu = find_gpu(catalogue, wanted);
    const GpuOffer* gpu_elsewhere = settings.any_cloud ? find_gpu(other_cloud, wanted) : nullptr;
    if (gpu == nullptr && gpu_elsewhere == nullptr && !catalogue.empty())
      result.problems.push_back(fmt::format("GPU type '{}' is not in the catalogue", wanted));
    for (const Place& place : where) {
      const auto add = [&](const GpuOffer* found, Cloud cloud) {
        if (!place.volume_id.empty() && cloud == Cloud::community && settings.any_cloud) return;
        result.offers.push_back(offer_of(wanted, found, place, cloud));
        result.offers.back().preference = preference;
      };
      if (gpu != nullptr || gpu_elsewhere == nullptr) add(gpu, settings.cloud);
      if (settings.any_cloud && (gpu_elsewhere != nullptr || gpu == nullptr)) add(gpu_elsewhere, other);
      ++preference;
    }
  }
  return result;
}

}  // namespace gpuwarden::control
