#pragma once

#include <string>
#include <vector>

#include "gpuwarden/control/loop.hpp"
#include "gpuwarden/domain/pod.hpp"

namespace gpuwarden::ops {

/// Prometheus text format 0.0.4.
std::string metrics_text(const control::View& view, const std::vector<BudgetWindow>& budget);

}  // namespace gpuwarden::ops
