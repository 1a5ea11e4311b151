#include "json_access.hpp"

#include <cmath>

#include "gpuwarden/base/format.hpp"

namespace gpuwarden::cli {

const Json& at(const Json& json, const char* name) {
  static const Json kNone;
  const auto found = json.is_object() ? json.find(name) : json.end();
  return json.is_object() && found != json.end() ? *found : kNone;
}
std::string text(const Json& json, const char* name) {
  const Json& value = at(json, name);
  return value.is_string() ? printable(value.get<std::string>()) : std::string();
}
long number(const Json& json, const char* name) {
  const Json& value = at(json, name);
  return value.is_number() ? value.get<long>() : 0;
}
std::optional<Duration> duration(const Json& json, const char* name) {
  const Json& value = at(json, name);
  if (!value.is_number()) return std::nullopt;
  return Duration{std::llround(value.get<double>() * 1000)};
}
std::string span(const Json& json, const char* name) {
  const auto value = duration(json, name);
  return value ? format_duration(*value) : std::string();
}

}  // namespace gpuwarden::cli
