#include "unit/runpod/schema_check.hpp"

#include <algorithm>
#include <regex>
#include <stdexcept>

namespace gpuwarden::runpod {
namespace {

using nlohmann::json;

const std::set<std::string> kAnnotations{"description", "example",  "examples",   "default",
                                         "title",       "format",   "deprecated", "x-enum-varnames",
                                         "readOnly",    "writeOnly"};
const std::set<std::string> kHandledElsewhere{"properties", "required", "additionalProperties",
                                              "unevaluatedProperties", "then"};

bool has_type(const json& value, const std::string& type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  if (type == "null") return value.is_null();
  throw std::invalid_argument("unknown type " + type);
}

bool matches_type(const json& value, const json& type) {
  if (type.is_string()) return has_type(value, type);
  return std::any_of(type.begin(), type.end(), [&](const json& one) { return has_type(value, one); });
}

}  // namespace

const json& SchemaCheck::resolve(const std::string& reference) const {
  return document_.at(json::json_pointer(reference.substr(1)));
}

bool SchemaCheck::holds(const json& schema, const json& value) const {
  Run run;
  check(schema, value, "", run);
  return run.violations.empty();
}

void SchemaCheck::check(const json& schema, const json& value, const std::string& path, Run& run) const {
  const auto violated = [&](const std::string& what) { run.violations.push_back(path + ": " + what); };
  for (const auto& [keyword, rule] : schema.items()) {
    if (kAnnotations.contains(keyword) || kHandledElsewhere.contains(keyword)) continue;
    if (keyword == "$ref") {
      check(resolve(rule), value, path, run);
    } else if (keyword == "allOf") {
      for (const json& part : rule) check(part, value, path, run);
    } else if (keyword == "anyOf" || keyword == "oneOf") {
      const auto fits =
          std::count_if(rule.begin(), rule.end(), [&](const json& one) { return holds(one, value); });
      if (fits == 0 || (keyword == "oneOf" && fits != 1)) violated("fits none of " + keyword);
    } else if (keyword == "not") {
      if (holds(rule, value)) violated("is what it must not be");
    } else if (keyword == "if") {
      if (holds(rule, value) && schema.contains("then")) check(schema["then"], value, path, run);
    } else if (keyword == "type") {
      if (!matches_type(value, rule)) violated("is not of type " + rule.dump());
    } else if (keyword == "enum") {
      if (std::find(rule.begin(), rule.end(), value) == rule.end()) violated("is not one of " + rule.dump());
    } else if (keyword == "minimum") {
      if (value.is_number() && value < rule) violated("is below " + rule.dump());
    } else if (keyword == "maximum") {
      if (value.is_number() && value > rule) violated("is above " + rule.dump());
    } else if (keyword == "minLength") {
      if (value.is_string() && value.get_ref<const std::string&>().size() < rule) violated("is too short");
    } else if (keyword == "pattern") {
      if (value.is_string() &&
          !std::regex_search(value.get<std::string>(), std::regex(rule.get<std::string>()))) {
        violated("does not match " + rule.dump());
      }
    } else if (keyword == "maxItems") {
      if (value.is_array() && value.size() > rule) violated("has too many items");
    } else if (keyword == "items") {
      for (std::size_t i = 0; value.is_array() && i < value.size(); ++i) {
        Run item;
        check(rule, value[i], path + "[" + std::to_string(i) + "]", item);
        run.violations.insert(run.violations.end(), item.violations.begin(), item.violations.end());
      }
    } else {
      throw std::invalid_argument("unknown schema keyword " + keyword);
    }
  }
  if (value.is_object()) check_object(schema, value, path, run);
}

void SchemaCheck::check_object(const json& schema, const json& value, const std::string& path,
                               Run& run) const {
  for (const json& key : schema.value("required", json::array())) {
    if (!value.contains(key.get<std::string>())) run.violations.push_back(path + ": has no " + key.dump());
  }
  const json properties = schema.value("properties", json::object());
  const json additional = schema.value("additionalProperties", json());
  for (const auto& [key, member] : value.items()) {
    const bool known = properties.contains(key);
    if (!known && additional.is_null()) continue;
    run.evaluated.insert(key);
    if (!known && additional == json(false)) run.violations.push_back(path + ": unknown field " + key);
    if (!known && !additional.is_object()) continue;
    Run inner;
    check(known ? properties[key] : additional, member, path + "." + key, inner);
    run.violations.insert(run.violations.end(), inner.violations.begin(), inner.violations.end());
  }
  if (schema.value("unevaluatedProperties", json()) != json(false)) return;
  for (const auto& [key, member] : value.items()) {
    if (!run.evaluated.contains(key)) run.violations.push_back(path + ": unknown field " + key);
  }
}

std::vector<std::string> SchemaCheck::validate(const std::string& schema_name, const json& value) const {
  Run run;
  check(resolve("#/components/schemas/" + schema_name), value, "$", run);
  return run.violations;
}

}  // namespace gpuwarden::runpod
