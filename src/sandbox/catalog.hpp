#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace gpuwarden::sandbox {

struct GpuModel {
  std::string_view id, name, pool;
  int memory_gb{0};
  double secure_usd{0}, community_usd{0};  ///< per hour
  int ram_gb{0}, vcpus{0};                 ///< that a machine has for each GPU
};
struct DataCenter {
  std::string_view id, name, region;
};
struct Volume {
  std::string_view id, name, data_center;
  int size_gb{0};
};

/// What the stand-in offers for rent. Fixed: tests and examples name these entries.
std::span<const GpuModel> gpu_models();
std::span<const DataCenter> data_centers();
std::span<const Volume> volumes();
const GpuModel* find_gpu(std::string_view id);
const DataCenter* find_data_center(std::string_view id);
const Volume* find_volume(std::string_view id);

/// Where there is nothing to rent at the moment: a GPU id, a data centre id, or "*" for everywhere.
struct SoldOut {
  std::string what;  ///< empty = nothing is sold out
  bool covers(std::string_view gpu, std::string_view data_center) const;
};

/// A query of the catalogue, or of the list of data centres: name → value.
using Query = std::multimap<std::string, std::string>;

struct CatalogAnswer {
  int status{200};
  std::string body;                 ///< JSON of a 200
  std::string detail;               ///< of a refusal
  std::vector<std::string> errors;  ///< of a 422
};
CatalogAnswer list_gpus(const Query& query, const SoldOut& sold_out);
CatalogAnswer list_data_centers(const Query& query, const SoldOut& sold_out);
std::string list_volumes();

}  // namespace gpuwarden::sandbox
