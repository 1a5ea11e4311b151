#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "gpuwarden/base/result.hpp"
#include "gpuwarden/base/time.hpp"

namespace gpuwarden::supabase {

/// Strict reading of one JSON object. The first missing or wrong-typed field is remembered with its path and
/// every read after it gives an empty value, so that a parser reads all fields straight on and asks `problem`
/// once. Unknown fields are ignored.
class Fields {
 public:
  using Problem = std::optional<Error>;
  Fields(const nlohmann::json& value, std::string path, Problem& problem);

  // Required, never null.
  std::string text(const char* key);
  bool boolean(const char* key);
  long integer(const char* key);
  double number(const char* key);
  Duration seconds(const char* key);  ///< never negative
  WallTime time(const char* key);
  std::vector<std::string> texts(const char* key);
  /// An array; empty after a problem.
  const nlohmann::json& array(const char* key);
  const nlohmann::json& object(const char* key);

  // The key must be there, its value may be null.
  std::optional<std::string> text_or_null(const char* key);
  std::optional<double> number_or_null(const char* key);
  std::optional<Duration> seconds_or_null(const char* key);
  /// nullptr for null.
  const nlohmann::json* object_or_null(const char* key);

  // May be absent or null.
  std::string text_if(const char* key);
  double number_if(const char* key);
  long integer_if(const char* key);
  std::optional<WallTime> time_if(const char* key);
  std::vector<std::string> texts_if(const char* key);

  /// Reports that `key` holds a value that we do not know.
  void unknown(const char* key, std::string_view value);
  const std::string& path() const { return path_; }
  /// Changes how this object is called in errors, once its id is known.
  void rename(std::string path) { path_ = std::move(path); }

 private:
  const nlohmann::json* find(const char* key, bool required);
  void wrong(const char* key, std::string_view expected);

  const nlohmann::json& value_;
  std::string path_;
  Problem& problem_;
};

Duration to_duration(double seconds);
/// Parses `body`; error (malformed) when it is no JSON.
Result<nlohmann::json> parse_json(std::string_view body, std::string_view what);
/// For sending: invalid UTF-8 replaced, NUL (which jsonb refuses) made a blank.
std::string to_body(nlohmann::json value);

}  // namespace gpuwarden::supabase
