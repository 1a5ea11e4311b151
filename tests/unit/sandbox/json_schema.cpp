#include "unit/sandbox/json_schema.hpp"

#include <algorithm>
#include <regex>

namespace gpuwarden::sandbox {
namespace {

using nlohmann::json;

bool has_type(const json& value, const std::string& type) {
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  return value.type_name() == type;
}

bool type_matches(const json& value, const json& type) {
  if (type.is_string()) return has_type(value, type);
  return std::any_of(type.begin(), type.end(), [&](const json& each) { return has_type(value, each); });
}

}  // namespace

std::vector<std::string> JsonSchema::check(const json& value, const std::string& pointer) const {
  std::vector<std::string> errors;
  Names seen;
  check(value, document_.at(json::json_pointer(pointer)), "$", errors, seen);
  return errors;
}

bool JsonSchema::valid(const json& value, const json& schema) const {
  std::vector<std::string> errors;
  Names seen;
  check(value, schema, "$", errors, seen);
  return errors.empty();
}

void JsonSchema::check(const json& value, const json& schema, const std::string& path,
                       std::vector<std::string>& errors, Names& seen) const {
  if (schema.contains("$ref"))
    check(value, document_.at(json::json_pointer(schema.at("$ref").get<std::string>().substr(1))), path,
          errors, seen);
  for (const auto& part : schema.value("allOf", json::array())) check(value, part, path, errors, seen);
  if (schema.contains("anyOf") && std::none_of(schema.at("anyOf").begin(), schema.at("anyOf").end(),
                                               [&](const json& each) { return valid(value, each); }))
    errors.push_back(path + ": none of anyOf");
  if (schema.contains("not") && valid(value, schema.at("not"))) errors.push_back(path + ": not");
  if (schema.contains("if")) {
    const auto* branch = valid(value, schema.at("if")) ? "then" : "else";
    if (schema.contains(branch)) check(value, schema.at(branch), path, errors, seen);
  }
  if (schema.contains("type") && !type_matches(value, schema.at("type"))) {
    errors.push_back(path + ": type " + value.type_name());
    return;
  }
  if (schema.contains("enum") &&
      std::find(schema.at("enum").begin(), schema.at("enum").end(), value) == schema.at("enum").end())
    errors.push_back(path + ": enum " + value.dump());
  if (value.is_number() && schema.contains("minimum") && value < schema.at("minimum"))
    errors.push_back(path + ": minimum");
  if (value.is_number() && schema.contains("maximum") && value > schema.at("maximum"))
    errors.push_back(path + ": maximum");
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    if (text.size() < schema.value("minLength", std::size_t{0})) errors.push_back(path + ": minLength");
    if (schema.contains("pattern") &&
        !std::regex_search(text, std::regex(schema.at("pattern").get<std::string>())))
      errors.push_back(path + ": pattern");
  }
  if (value.is_array()) {
    if (schema.contains("maxItems") && value.size() > schema.at("maxItems").get<std::size_t>())
      errors.push_back(path + ": maxItems");
    if (schema.contains("items"))
      for (const auto& item : value) {
        Names inner;
        check(item, schema.at("items"), path + "[]", errors, inner);
      }
  }
  if (value.is_object()) check_object(value, schema, path, errors, seen);
}

void JsonSchema::check_object(const json& value, const json& schema, const std::string& path,
                              std::vector<std::string>& errors, Names& seen) const {
  for (const auto& name : schema.value("required", json::array()))
    if (!value.contains(name.get_ref<const std::string&>()))
      errors.push_back(path + ": required " + name.dump());
  const auto properties = schema.value("properties", json::object());
  for (const auto& [name, item] : value.items()) {
    Names inner;
    if (properties.contains(name)) {
      seen.insert(name);
      check(item, properties.at(name), path + "." + name, errors, inner);
    } else if (schema.contains("additionalProperties")) {
      const auto& additional = schema.at("additionalProperties");
      if (additional.is_object()) check(item, additional, path + "." + name, errors, inner);
      if (additional == false) errors.push_back(path + ": additional " + name);
      seen.insert(name);
    }
  }
  if (schema.value("unevaluatedProperties", true)) return;
  for (const auto& [name, item] : value.items())
    if (!seen.contains(name)) errors.push_back(path + ": unevaluated " + name);
}

}  // namespace gpuwarden::sandbox
