#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/runpod/codec.hpp"

#include "lenient_json.hpp"
#include "pod_json.hpp"

namespace gpuwarden::runpod {
namespace {

using nlohmann::json;

StockLevel stock_at(const json& object, const char* key) {
  constexpr std::array<std::pair<std::string_view, StockLevel>, 4> kLevels{{{"NONE", StockLevel::none},
                                                                            {"LOW", StockLevel::low},
                                                                            {"MEDIUM", StockLevel::medium},
                                                                            {"HIGH", StockLevel::high}}};
  const std::string text = text_at(object, key);
  const auto* found =
      std::find_if(kLevels.begin(), kLevels.end(), [&](const auto& level) { return level.first == text; });
  return found == kLevels.end() ? StockLevel::unknown : found->second;
}

Result<json> parse_object(std::string_view body) {
  json doc = json::parse(body, nullptr, false);
  if (!doc.is_object()) return fail(ErrorKind::malformed, "the answer is not a JSON object");
  return doc;
}

/// Where the next page begins. A list that claims more without saying where must not pass as complete.
Result<std::optional<std::string>> next_cursor(const json& doc) {
  const json* pagination = member(doc, "pagination");
  if (pagination == nullptr) return std::nullopt;
  if (!pagination->is_object()) return fail(ErrorKind::malformed, "field 'pagination' is not an object");
  std::string cursor = text_at(*pagination, "nextCursor");
  const bool more = flag_at(*pagination, "hasNextPage").value_or(!cursor.empty());
  if (!more) return std::nullopt;
  if (cursor.empty()) return fail(ErrorKind::malformed, "the list has a next page but names no cursor");
  return cursor;
}

/// `read` gives a Result<std::optional<T>>: nullopt skips the entry.
template <class T, class Read>
Result<Page<T>> parse_page(std::string_view body, const char* key, Read read) {
  const auto doc = parse_object(body);
  if (!doc) return fail(doc.error());
  const json* entries = member(*doc, key);
  if (entries == nullptr || !entries->is_array()) {
    return fail(ErrorKind::malformed, fmt::format("the answer has no list '{}'", key));
  }
  Page<T> page;
  page.items.reserve(entries->size());
  for (const json& entry : *entries) {
    Result<std::optional<T>> item = read(entry);
    if (!item) return fail(item.error());
    if (*item) page.items.push_back(std::move(**item));
  }
  auto cursor = next_cursor(*doc);
  if (!cursor) return fail(cursor.error());
  page.next_cursor = std::move(*cursor);
  return page;
}

Result<std::optional<Pod>> strict_pod(const json& value) {
  Pod pod = read_pod(value);
  if (pod.id.empty()) return fail(ErrorKind::malformed, "a pod has no field 'id'");
  for (const char* key : {"name", "status"}) {
    const json* field = member(value, key);
    if (field == nullptr || !field->is_string()) {
      return fail(ErrorKind::malformed, fmt::format("pod '{}' has no field '{}'", pod.id.str(), key));
    }
  }
  return pod;
}

}  // namespace

Result<Page<Pod>> parse_pod_page(std::string_view body) {
  return parse_page<Pod>(body, "pods", strict_pod);
}

Result<Pod> parse_pod(std::string_view body) {
  const auto doc = parse_object(body);
  if (!doc) return fail(doc.error());
  auto pod = strict_pod(*doc);
  if (!pod) return fail(pod.error());
  return std::move(**pod);
}

Result<Page<NetworkVolume>> parse_volume_page(std::string_view body) {
  return parse_page<NetworkVolume>(
      body, "networkVolumes", [](const json& value) -> Result<std::optional<NetworkVolume>> {
        NetworkVolume volume;
        volume.id = text_at(value, "id");
        if (volume.id.empty()) return fail(ErrorKind::malformed, "a network volume has no field 'id'");
        volume.name = text_at(value, "name");
        volume.data_center = text_at(value, "dataCenter");
        volume.size_gb = static_cast<int>(integer_at(value, "size", 0, 1'000'000'000).value_or(0));
        return volume;
      });
}

Result<Page<DataCenterInfo>> parse_data_center_page(std::string_view body) {
  return parse_page<DataCenterInfo>(body, "dataCenters",
                                    [](const json& value) -> Result<std::optional<DataCenterInfo>> {
                                      DataCenterInfo info{text_at(value, "id"), text_at(value, "name")};
                                      if (info.id.empty()) return std::nullopt;
                                      return info;
                                    });
}

Result<Page<GpuOffer>> parse_gpu_page(std::string_view body, Cloud cloud) {
  const char* side = cloud == Cloud::secure ? "secure" : "community";
  return parse_page<GpuOffer>(body, "gpus", [side](const json& value) -> Result<std::optional<GpuOffer>> {
    GpuOffer offer;
    offer.id = text_at(value, "id");
    if (offer.id.empty()) return std::nullopt;
    offer.name = text_at(value, "name");
    offer.memory_gb = static_cast<int>(integer_at(value, "memory", 0, 1'000'000).value_or(0));
    if (const json* price = member(value, "price")) offer.price_per_hr = number_at(*price, side).value_or(0);
    offer.stock = stock_at(value, "availability");
    if (!flag_at(value, side).value_or(true)) offer.stock = StockLevel::none;
    if (const json* centers = member(value, "dataCenters"); centers != nullptr && centers->is_array()) {
      for (const json& center : *centers) {
        const std::string id = text_at(center, "id");
        if (!id.empty()) offer.stock_by_data_center[id] = stock_at(center, "availability");
      }
    }
    return offer;
  });
}

}  // namespace gpuwarden::runpod
