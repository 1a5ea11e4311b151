#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace gpuwarden::sandbox {

enum class JsonKind { string, integer, boolean, strings, string_map, object, objects };

struct FieldRule;
/// An object whose fields are listed; anything else in it is an error.
struct ObjectRule {
  std::span<const FieldRule> fields;
};

/// What one field of a request may hold. Defaults mean "no such limit".
struct FieldRule {
  std::string_view name;
  JsonKind kind{JsonKind::string};
  bool required{false};
  bool nullable{false};
  long minimum{0};              ///< integers
  std::size_t min_length{0};    ///< strings
  std::size_t max_items{0};     ///< arrays; 0 = any number
  bool version_pattern{false};  ///< each string must look like "12.4"
  std::span<const std::string_view> one_of{};
  const ObjectRule* object{nullptr};  ///< of an object, or of each item of `objects`
};

/// Every violation in words such as "$.disk: got string, want integer"; empty = valid.
std::vector<std::string> check(const nlohmann::json& value, const ObjectRule& rule,
                               const std::string& path = "$");

}  // namespace gpuwarden::sandbox
