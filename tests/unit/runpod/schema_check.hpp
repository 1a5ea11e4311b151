#pragma once

#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace gpuwarden::runpod {

/// Validates against the part of JSON Schema 2020-12 that the API description uses. Throws
/// std::invalid_argument on a keyword that it does not know, so that nothing passes for want of a check.
class SchemaCheck {
 public:
  explicit SchemaCheck(nlohmann::json document) : document_(std::move(document)) {}
  /// Violations as "path: what"; empty = valid. `schema_name` is below components/schemas.
  std::vector<std::string> validate(const std::string& schema_name, const nlohmann::json& value) const;

 private:
  struct Run {
    std::vector<std::string> violations;
    std::set<std::string> evaluated;  // properties of the object at hand that some schema described
  };
  void check(const nlohmann::json& schema, const nlohmann::json& value, const std::string& path,
             Run& run) const;
  void check_object(const nlohmann::json& schema, const nlohmann::json& value, const std::string& path,
                    Run& run) const;
  bool holds(const nlohmann::json& schema, const nlohmann::json& value) const;
  const nlohmann::json& resolve(const std::string& reference) const;

  nlohmann::json document_;
};

}  // namespace gpuwarden::runpod
