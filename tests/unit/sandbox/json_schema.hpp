#pragma once

#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace gpuwarden::sandbox {

/// Checks JSON against the part of JSON Schema 2020-12 that an OpenAPI 3.1 document of this kind uses.
class JsonSchema {
 public:
  explicit JsonSchema(nlohmann::json document) : document_(std::move(document)) {}
  const nlohmann::json& document() const { return document_; }
  /// `pointer` names a schema in the document: "/components/schemas/Pod". Empty result = valid.
  std::vector<std::string> check(const nlohmann::json& value, const std::string& pointer) const;

 private:
  using Names = std::set<std::string>;
  /// Adds the names of the properties that the schema speaks of to `seen`.
  void check(const nlohmann::json& value, const nlohmann::json& schema, const std::string& path,
             std::vector<std::string>& errors, Names& seen) const;
  void check_object(const nlohmann::json& value, const nlohmann::json& schema, const std::string& path,
                    std::vector<std::string>& errors, Names& seen) const;
  bool valid(const nlohmann::json& value, const nlohmann::json& schema) const;

  nlohmann::json document_;
};

}  // namespace gpuwarden::sandbox
