#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace gpuwarden::simulation {

/// What the provider rents, as its catalogue shows it. Free to change.
struct Catalogue {
  struct Gpu {
    std::string id, name;
    int memory_gb;
    double secure_usd, community_usd;  ///< per hour
  };
  struct DataCenter {
    std::string id, name;
  };
  struct Volume {
    std::string id, name, data_center;
    int size_gb;
  };
  std::vector<Gpu> gpus{{"NVIDIA GeForce RTX 4090", "RTX 4090", 24, 0.44, 0.31},
                        {"NVIDIA GeForce RTX 3090", "RTX 3090", 24, 0.27, 0.19},
                        {"NVIDIA L40S", "L40S", 48, 0.86, 0.79}};
  std::vector<DataCenter> data_centers{
      {"EU-RO-1", "EU Romania 1"}, {"EU-SE-1", "EU Sweden 1"}, {"US-KS-2", "US Kansas 2"}};
  std::vector<Volume> volumes{{"vol-eu", "models-eu", "EU-RO-1", 100},
                              {"vol-us", "models-us", "US-KS-2", 100}};

  const Gpu* gpu(std::string_view id) const;
  const Volume* volume(std::string_view id) const;
  /// Answers of GET /catalog/gpus, /catalog/datacenters and /network-volumes.
  std::string gpus_json(const std::set<std::string>& sold_out) const;
  std::string data_centers_json() const;
  std::string volumes_json() const;
};

/// True when `sold_out` names the place: "*", its GPU, its data centre, or "<gpu>|<data centre>".
bool is_sold_out(const std::set<std::string>& sold_out, std::string_view gpu, std::string_view data_center);

}  // namespace gpuwarden::simulation
