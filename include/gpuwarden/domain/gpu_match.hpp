#pragma once

#include <string_view>
#include <vector>

#include "gpuwarden/domain/pod.hpp"

namespace gpuwarden {

/// The GPU type that an operator means by `wanted`: catalogue id or display name, without regard to case; an
/// id goes before a name. Null when the catalogue has none.
const GpuOffer* find_gpu(const std::vector<GpuOffer>& catalogue, std::string_view wanted);

}  // namespace gpuwarden
