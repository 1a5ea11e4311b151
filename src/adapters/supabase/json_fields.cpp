#include "json_fields.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

namespace gpuwarden::supabase {
namespace {

using nlohmann::json;

const json kEmptyArray = json::array();
const json kEmptyObject = json::object();

void strip_nul(json& value) {
  if (value.is_string()) {
    auto& text = value.get_ref<std::string&>();
    std::replace(text.begin(), text.end(), '\0', ' ');
  } else if (value.is_structured()) {
    for (json& child : value) strip_nul(child);
  }
}

}  // namespace

Fields::Fields(const json& value, std::string path, Problem& problem)
    : value_(value), path_(std::move(path)), problem_(problem) {
  if (!value_.is_object() && !problem_) {
    problem_ = fail(ErrorKind::malformed, fmt::format("{} is not an object", path_)).value();
  }
}

const json* Fields::find(const char* key, bool required) {
  if (problem_) return nullptr;
  const auto found = value_.find(key);
  if (found != value_.end()) return &*found;
  if (required) {
    problem_ = fail(ErrorKind::malformed, fmt::format("{} has no field '{}'", path_, key)).value();
  }
  return nullptr;
}

void Fields::wrong(const char* key, std::string_view expected) {
  if (problem_) return;
  problem_ =
      fail(ErrorKind::malformed, fmt::format("field '{}' of {} is not {}", key, path_, expected)).value();
}

void Fields::unknown(const char* key, std::string_view value) {
  if (problem_) return;
  problem_ = fail(ErrorKind::malformed, fmt::format("field '{}' of {} has the unknown value '{}'", key, path_,
                                                    ellipsize(printable(value), 40)))
                 .value();
}

std::string Fields::text(const char* key) {
  const json* value = find(key, true);
  if (value == nullptr) return {};
  if (value->is_string()) return value->get<std::string>();
  wrong(key, "text");
  return {};
}

bool Fields::boolean(const char* key) {
  const json* value = find(key, true);
  if (value == nullptr) return false;
  if (value->is_boolean()) return value->get<bool>();
  wrong(key, "true or false");
  return false;
}

long Fields::integer(const char* key) {
  const json* value = find(key, true);
  if (value == nullptr) return 0;
  if (value->is_number_integer()) return value->get<long>();
  // A numeric column prints whole numbers with their scale: 3.0.
  constexpr double kExact = 9007199254740992.0;
  if (const double number = value->is_number() ? value->get<double>() : 0.5;
      std::trunc(number) == number && std::fabs(number) <= kExact) {
    return static_cast<long>(number);
  }
  wrong(key, "a whole number");
  return 0;
}

double Fields::number(const char* key) {
  const json* value = find(key, true);
  if (value == nullptr) return 0;
  if (value->is_number()) return value->get<double>();
  wrong(key, "a number");
  return 0;
}

Duration Fields::seconds(const char* key) {
  return std::max(Duration{0}, to_duration(number(key)));
}

WallTime Fields::time(const char* key) {
  const std::string written = text(key);
  if (problem_) return {};
  const auto parsed = parse_time(written);
  if (!parsed) wrong(key, "a time");
  return parsed.value_or(WallTime{});
}

std::vector<std::string> Fields::texts(const char* key) {
  std::vector<std::string> out;
  for (const json& entry : array(key)) {
    if (!entry.is_string()) {
      wrong(key, "a list of texts");
      return {};
    }
    out.push_back(entry.get<std::string>());
  }
  return out;
}

const json& Fields::array(const char* key) {
  const json* value = find(key, true);
  if (value == nullptr) return kEmptyArray;
  if (value->is_array()) return *value;
  wrong(key, "a list");
  return kEmptyArray;
}

const json& Fields::object(const char* key) {
  const json* value = find(key, true);
  if (value == nullptr) return kEmptyObject;
  if (value->is_object()) return *value;
  wrong(key, "an object");
  return kEmptyObject;
}

std::optional<std::string> Fields::text_or_null(const char* key) {
  const json* value = find(key, true);
  if (value == nullptr || value->is_null()) return std::nullopt;
  return text(key);
}

std::optional<double> Fields::number_or_null(const char* key) {
  const json* value = find(key, true);
  if (value == nullptr || value->is_null()) return std::nullopt;
  return number(key);
}

std::optional<Duration> Fields::seconds_or_null(const char* key) {
  const auto value = number_or_null(key);
  if (!value) return std::nullopt;
  return std::max(Duration{0}, to_duration(*value));
}

const json* Fields::object_or_null(const char* key) {
  const json* value = find(key, true);
  if (value == nullptr || value->is_null()) return nullptr;
  return &object(key);
}

std::string Fields::text_if(const char* key) {
  const json* value = find(key, false);
  return value == nullptr || value->is_null() ? std::string() : text(key);
}

double Fields::number_if(const char* key) {
  const json* value = find(key, false);
  return value == nullptr || value->is_null() ? 0 : number(key);
}

long Fields::integer_if(const char* key) {
  const json* value = find(key, false);
  return value == nullptr || value->is_null() ? 0 : integer(key);
}

std::optional<WallTime> Fields::time_if(const char* key) {
  const json* value = find(key, false);
  if (value == nullptr || value->is_null()) return std::nullopt;
  return time(key);
}

std::vector<std::string> Fields::texts_if(const char* key) {
  const json* value = find(key, false);
  if (value == nullptr || value->is_null()) return {};
  return texts(key);
}

Duration to_duration(double seconds) {
  constexpr double kMost = 1e10;  // three centuries: keeps every sum of ages within 64 bits
  return Duration{static_cast<Duration::rep>(std::llround(std::clamp(seconds, -kMost, kMost) * 1000.0))};
}

Result<json> parse_json(std::string_view body, std::string_view what) {
  json value = json::parse(body, nullptr, false);
  if (value.is_discarded()) {
    return fail(ErrorKind::malformed, fmt::format("the answer of {} is not JSON", what));
  }
  return value;
}

std::string to_body(json value) {
  strip_nul(value);
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace gpuwarden::supabase
