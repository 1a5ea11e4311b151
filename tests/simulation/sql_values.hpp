#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "gpuwarden/base/time.hpp"

namespace gpuwarden::simulation {

/// An SQL function has raised an error with that SQLSTATE, "PT403" for a wrong token: nothing was changed.
struct SqlError : std::runtime_error {
  SqlError(std::string state_code, const std::string& message)
      : std::runtime_error(message), code(std::move(state_code)) {}
  std::string code;
};

/// PostgreSQL's reading of jsonb, as far as the functions of the product use it.
namespace sql {

using Json = nlohmann::json;

/// `value -> key`: null when there is none; a JSON null is a value.
const Json* member(const Json& value, const char* key);
/// `value ->> key`; none for SQL null, which a JSON null becomes.
std::optional<std::string> text(const Json& value, const char* key);
// `(value ->> key)::type`; SqlError 22P02 when it cannot be read as one, 22003 when it is out of range.
std::optional<double> number(const Json& value, const char* key);
std::optional<std::int64_t> bigint(const Json& value, const char* key);
std::optional<int> integer(const Json& value, const char* key);
std::optional<bool> boolean(const Json& value, const char* key);
/// `(value ->> key)::timestamptz`; 22007
std::optional<WallTime> timestamp(const Json& value, const char* key);
/// A uuid argument; 22P02
std::optional<std::string> uuid(const Json& value, const char* key);
/// An argument of type jsonb: JSON null for SQL null.
const Json& document(const Json& arguments, const char* key);

/// `value::text`
std::string as_text(const Json& value);
/// left(value, count), in characters.
std::string left(std::string_view value, std::size_t count);
/// gpuwarden_matches: one of the shell patterns (* and ?) fits; 22023 when `patterns` is no list.
bool matches(std::string_view value, const Json* patterns);
/// `left || right` of two jsonb values.
Json concatenated(Json left, const Json& right);
std::string sha256_hex(std::string_view value);
/// decode(value, 'hex'), written as lower-case hex; 22023
std::string decoded_hex(std::string_view value);

inline double seconds(Duration duration) {
  return static_cast<double>(duration.count()) / 1000.0;
}
/// An age as the answers carry it: seconds, never below zero.
inline double age(WallTime now, WallTime then) {
  return now < then ? 0 : seconds(now - then);
}
/// A duration of so many seconds, to the millisecond.
Duration duration_of(double seconds);
/// "2026-11-24T01:48:40.12Z", as to_jsonb prints a time.
std::string utc(WallTime time);
/// The same for a time with its zone, "+00:00".
std::string timestamptz(WallTime time);

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}
inline Json or_null(const std::string& value) {
  return value.empty() ? Json(nullptr) : Json(value);
}

}  // namespace sql
}  // namespace gpuwarden::simulation
