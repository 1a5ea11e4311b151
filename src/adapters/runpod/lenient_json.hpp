#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

namespace gpuwarden::runpod {

// Reading what may be absent, null or of another type than today's documentation says: all of these count as
// absent.

inline const nlohmann::json* member(const nlohmann::json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

inline std::string text_at(const nlohmann::json& object, const char* key) {
  const auto* value = member(object, key);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

inline std::optional<double> number_at(const nlohmann::json& object, const char* key) {
  const auto* value = member(object, key);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  return value->get<double>();
}

inline std::optional<bool> flag_at(const nlohmann::json& object, const char* key) {
  const auto* value = member(object, key);
  if (value == nullptr || !value->is_boolean()) return std::nullopt;
  return value->get<bool>();
}

/// nullopt outside [low, high].
inline std::optional<long> integer_at(const nlohmann::json& object, const char* key, long low, long high) {
  const auto number = number_at(object, key);
  if (!number || !(*number >= static_cast<double>(low) && *number <= static_cast<double>(high))) {
    return std::nullopt;
  }
  return static_cast<long>(*number);
}

}  // namespace gpuwarden::runpod
