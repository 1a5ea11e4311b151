#include "simulation/expected_probes.hpp"

namespace gpuwarden::simulation {

const std::vector<std::string_view>& expected_probes() {
  static const std::vector<std::string_view> names{};
  return names;
}

}  // namespace gpuwarden::simulation
