#pragma once

#include <string>

#include "gpuwarden/control/report.hpp"

namespace gpuwarden::ops {

/// One tick as JSON text: at, took_ms, scale, actions [{action, worker, reason, ...}], gates, errors.
std::string report_to_json(const control::TickReport& report);

/// The same with the results of the actions: what `once --json` prints.
std::string summary_to_json(const control::CycleSummary& summary);

}  // namespace gpuwarden::ops
