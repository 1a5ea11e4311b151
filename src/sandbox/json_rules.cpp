#include "json_rules.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace gpuwarden::sandbox {
namespace {

using nlohmann::json;
using Errors = std::vector<std::string>;

std::string_view type_of(const json& value) {
  if (value.is_number_integer()) return "integer";
  return value.type_name();
}

std::string_view wanted(JsonKind kind) {
  switch (kind) {
    case JsonKind::string:
      return "string";
    case JsonKind::integer:
      return "integer";
    case JsonKind::boolean:
      return "boolean";
    case JsonKind::strings:
    case JsonKind::objects:
      return "array";
    case JsonKind::string_map:
    case JsonKind::object:
      return "object";
  }
  return "value";
}

bool has_kind(const json& value, JsonKind kind) {
  switch (kind) {
    case JsonKind::string:
      return value.is_string();
    case JsonKind::integer:
      // JSON schema counts 50.0 as an integer.
      return value.is_number_integer() ||
             (value.is_number_float() && std::floor(value.get<double>()) == value.get<double>());
    case JsonKind::boolean:
      return value.is_boolean();
    case JsonKind::strings:
    case JsonKind::objects:
      return value.is_array();
    case JsonKind::string_map:
    case JsonKind::object:
      return value.is_object();
  }
  return false;
}

/// ^\d+\.\d+$
bool is_version(std::string_view text) {
  const auto dot = text.find('.');
  const auto digits = [](std::string_view part) {
    return !part.empty() &&
           std::all_of(part.begin(), part.end(), [](unsigned char c) { return std::isdigit(c); });
  };
  return dot != std::string_view::npos && digits(text.substr(0, dot)) && digits(text.substr(dot + 1));
}

void check_text(const std::string& text, const FieldRule& rule, const std::string& path, Errors& errors) {
  if (text.size() < rule.min_length)
    errors.push_back(fmt::format("{}: minLength: got {}, want {}", path, text.size(), rule.min_length));
  if (rule.version_pattern && !is_version(text))
    errors.push_back(fmt::format(R"({}: '{}' does not match pattern '^\d+\.\d+$')", path, text));
  if (!rule.one_of.empty() && std::find(rule.one_of.begin(), rule.one_of.end(), text) == rule.one_of.end())
    errors.push_back(fmt::format("{}: value must be one of '{}'", path, fmt::join(rule.one_of, "', '")));
}

void check_items(const json& value, const FieldRule& rule, const std::string& path, Errors& errors) {
  if (rule.max_items != 0 && value.size() > rule.max_items)
    errors.push_back(fmt::format("{}: maxItems: got {}, want {}", path, value.size(), rule.max_items));
  std::size_t index = 0;
  for (const auto& item : value) {
    const auto at = fmt::format("{}[{}]", path, index++);
    if (rule.kind == JsonKind::objects) {
      for (auto& error : check(item, *rule.object, at)) errors.push_back(std::move(error));
    } else if (!item.is_string()) {
      errors.push_back(fmt::format("{}: got {}, want string", at, type_of(item)));
    } else {
      check_text(item.get_ref<const std::string&>(), rule, at, errors);
    }
  }
}

void check_field(const json& value, const FieldRule& rule, const std::string& path, Errors& errors) {
  if (value.is_null() && rule.nullable) return;
  if (!has_kind(value, rule.kind)) {
    errors.push_back(fmt::format("{}: got {}, want {}", path, type_of(value), wanted(rule.kind)));
    return;
  }
  switch (rule.kind) {
    case JsonKind::string:
      check_text(value.get_ref<const std::string&>(), rule, path, errors);
      break;
    case JsonKind::integer:
      if (value.get<double>() < static_cast<double>(rule.minimum))
        errors.push_back(fmt::format("{}: minimum: got {}, want {}", path, value.dump(), rule.minimum));
      break;
    case JsonKind::boolean:
      break;
    case JsonKind::strings:
    case JsonKind::objects:
      check_items(value, rule, path, errors);
      break;
    case JsonKind::string_map:
      for (const auto& [key, item] : value.items())
        if (!item.is_string())
          errors.push_back(fmt::format("{}.{}: got {}, want string", path, key, type_of(item)));
      break;
    case JsonKind::object:
      for (auto& error : check(value, *rule.object, path)) errors.push_back(std::move(error));
      break;
  }
}

}  // namespace

std::vector<std::string> check(const json& value, const ObjectRule& rule, const std::string& path) {
  if (!value.is_object()) return {fmt::format("{}: got {}, want object", path, type_of(value))};
  Errors errors;
  for (const auto& [name, item] : value.items()) {
    const auto field = std::find_if(rule.fields.begin(), rule.fields.end(),
                                    [&name = name](const FieldRule& each) { return each.name == name; });
    if (field == rule.fields.end())
      errors.push_back(fmt::format("{}: additional properties '{}' not allowed", path, name));
    else
      check_field(item, *field, fmt::format("{}.{}", path, name), errors);
  }
  for (const auto& field : rule.fields)
    if (field.required && !value.contains(field.name))
      errors.push_back(fmt::format("{}: missing property '{}'", path, field.name));
  return errors;
}

}  // namespace gpuwarden::sandbox
