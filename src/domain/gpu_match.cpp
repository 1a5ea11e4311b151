#include "gpuwarden/domain/gpu_match.hpp"

#include <algorithm>
#include <string>

namespace gpuwarden {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_word(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

const GpuOffer* first(const std::vector<GpuOffer>& catalogue, std::string_view wanted,
                      std::string GpuOffer::*field) {
  const auto at = std::find_if(catalogue.begin(), catalogue.end(),
                               [&](const GpuOffer& offer) { return same_word(offer.*field, wanted); });
  return at == catalogue.end() ? nullptr : &*at;
}

}  // namespace

const GpuOffer* find_gpu(const std::vector<GpuOffer>& catalogue, std::string_view wanted) {
  const GpuOffer* by_id = first(catalogue, wanted, &GpuOffer::id);
  return by_id != nullptr ? by_id : first(catalogue, wanted, &GpuOffer::name);
}

}  // namespace gpuwarden
