#pragma once

#include <vector>

#include <nlohmann/json.hpp>

#include "gpuwarden/domain/snapshot.hpp"

#include "json_fields.hpp"

/// What several answers carry: the queue, the breaker and what operators said.
namespace gpuwarden::supabase {

QueueDepth read_queue(const nlohmann::json& value, Fields::Problem& problem);
BreakerMemory read_breaker(const nlohmann::json& value, Fields::Problem& problem);
/// `where` names it in a problem.
BreakerOverride read_override(const nlohmann::json& value, const char* where, Fields::Problem& problem);
Switches read_switches(const nlohmann::json& value, Fields::Problem& problem);

/// Each element by `read(element, index, problem)`, until the first problem.
template <class T, class Read>
std::vector<T> read_all(const nlohmann::json& array, Read read, Fields::Problem& problem) {
  std::vector<T> out;
  out.reserve(array.size());
  for (std::size_t i = 0; i < array.size() && !problem; ++i) out.push_back(read(array[i], i, problem));
  return out;
}

}  // namespace gpuwarden::supabase
