#pragma once

#include <nlohmann/json.hpp>

#include "gpuwarden/control/report.hpp"
#include "gpuwarden/domain/snapshot.hpp"

namespace gpuwarden::ops {

using Json = nlohmann::ordered_json;

double seconds(Duration duration);
Json gates_json(const Plan& plan);
Json actions_json(const Plan& plan);
Json scale_json(const ScaleFigures& scale);
Json queue_json(const QueueDepth& queue);
Json worker_json(const Worker& worker);
Json failing_json(const Snapshot& snapshot);
Json breaker_json(const Snapshot& snapshot);
Json report_json(const control::TickReport& report);
Json results_json(const std::vector<control::ActionResult>& results);
/// Never throws on broken UTF-8.
std::string dump(const Json& json);

}  // namespace gpuwarden::ops
