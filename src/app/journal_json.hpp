#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "journal_fields.hpp"

/// Any type whose fields journal_fields.hpp names, as JSON and back. Fields that are as in a fresh object are
/// left out; times and durations are whole milliseconds.
namespace gpuwarden::app::journal {

using Json = nlohmann::ordered_json;

template <class T>
Json encode(const T& value);
/// False: the JSON is not of that type. What it does not name stays as it was.
template <class T>
bool decode(const Json& json, T& value);

namespace detail {

// Enums that have words are written as such, so that a new value does not change the meaning of old journals.
inline std::optional<WorkerStatus> parse_word(std::string_view word, WorkerStatus /*of*/) {
  return parse_worker_status(word);
}
inline std::optional<Phase> parse_word(std::string_view word, Phase /*of*/) {
  return parse_phase(word);
}
inline std::optional<BootStep> parse_word(std::string_view word, BootStep /*of*/) {
  return parse_boot_step(word);
}
inline std::optional<Cloud> parse_word(std::string_view word, Cloud /*of*/) {
  return parse_cloud(word);
}
inline std::optional<BreakerState> parse_word(std::string_view word, BreakerState /*of*/) {
  return parse_breaker_state(word);
}
inline std::optional<FailureCause> parse_word(std::string_view word, FailureCause /*of*/) {
  return parse_failure_cause(word);
}
inline std::optional<PodStatus> parse_word(std::string_view word, PodStatus /*of*/) {
  for (const PodStatus status :
       {PodStatus::provisioning, PodStatus::starting, PodStatus::running, PodStatus::exited, PodStatus::error,
        PodStatus::terminated, PodStatus::unrecognized}) {
    if (to_string(status) == word) return status;
  }
  return std::nullopt;
}

template <class T>
concept Named = std::is_enum_v<T> && requires(T value) { parse_word("", value); };

template <class T>
struct is_string_id : std::false_type {};
template <class Tag>
struct is_string_id<StrongId<Tag>> : std::true_type {};

template <class T>
std::string key_text(const T& key) {
  if constexpr (is_string_id<T>::value)
    return key.str();
  else
    return key;
}

struct Writer {
  std::vector<std::pair<const char*, Json>> fields;
  template <class T>
  void operator()(const char* name, const T& value) {
    fields.emplace_back(name, encode(value));
  }
};

struct Reader {
  const Json& json;
  bool good{true};
  template <class T>
  void operator()(const char* name, T& value) {
    const auto found = json.find(name);
    if (good && found != json.end()) good = decode(*found, value);
  }
};

template <class T>
const std::vector<std::pair<const char*, Json>>& defaults() {
  static const auto kDefaults = [] {
    Writer writer;
    const T fresh{};
    visit_fields(writer, fresh);
    return writer.fields;
  }();
  return kDefaults;
}

// One pair of functions for each kind of type.

template <class T>
Json encode_struct(const T& value) {
  Writer writer;
  visit_fields(writer, value);
  const auto& fresh = defaults<T>();
  Json json = Json::object();
  for (std::size_t i = 0; i < writer.fields.size(); ++i) {
    auto& [name, field] = writer.fields[i];
    if (field != fresh[i].second) json[name] = std::move(field);
  }
  return json;
}

template <class T>
struct Codec {
  static Json encode(const T& value) {
    if constexpr (Named<T>)
      return Json(std::string(to_string(value)));
    else if constexpr (std::is_enum_v<T>)
      return Json(static_cast<int>(value));
    else if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>)
      return Json(value);
    else
      return encode_struct(value);
  }
  static bool decode(const Json& json, T& value) {
    if constexpr (Named<T>) {
      if (!json.is_string()) return false;
      const auto parsed = parse_word(json.get<std::string>(), T{});
      if (parsed) value = *parsed;
      return parsed.has_value();
    } else if constexpr (std::is_enum_v<T>) {
      if (!json.is_number_integer()) return false;
      value = static_cast<T>(json.get<int>());
      return true;
    } else if constexpr (std::is_same_v<T, bool>) {
      if (!json.is_boolean()) return false;
      value = json.get<bool>();
      return true;
    } else if constexpr (std::is_arithmetic_v<T>) {
      if (!json.is_number()) return false;
      value = json.get<T>();
      return true;
    } else if constexpr (std::is_same_v<T, std::string>) {
      if (!json.is_string()) return false;
      value = json.get<std::string>();
      return true;
    } else {
      if (!json.is_object()) return false;
      Reader reader{json};
      visit_fields(reader, value);
      return reader.good;
    }
  }
};

template <class Tag>
struct Codec<StrongId<Tag>> {
  static Json encode(const StrongId<Tag>& id) { return Json(id.str()); }
  static bool decode(const Json& json, StrongId<Tag>& id) {
    if (!json.is_string()) return false;
    id = StrongId<Tag>(json.get<std::string>());
    return true;
  }
};

template <>
struct Codec<Duration> {
  static Json encode(const Duration& duration) { return Json(duration.count()); }
  static bool decode(const Json& json, Duration& duration) {
    if (!json.is_number_integer()) return false;
    duration = Duration{json.get<Duration::rep>()};
    return true;
  }
};

template <class Clock>
struct Codec<std::chrono::time_point<Clock, Duration>> {
  using Time = std::chrono::time_point<Clock, Duration>;
  static Json encode(const Time& time) { return Json(time.time_since_epoch().count()); }
  static bool decode(const Json& json, Time& time) {
    if (!json.is_number_integer()) return false;
    time = Time{Duration{json.get<Duration::rep>()}};
    return true;
  }
};

template <class T>
struct Codec<std::optional<T>> {
  static Json encode(const std::optional<T>& value) {
    return value ? journal::encode(*value) : Json(nullptr);
  }
  static bool decode(const Json& json, std::optional<T>& value) {
    value.reset();
    if (json.is_null()) return true;
    value = T{};
    return journal::decode(json, *value);
  }
};

template <class List, class T>
struct ListCodec {
  static Json encode(const List& list) {
    Json json = Json::array();
    for (const T& one : list) json.push_back(journal::encode(one));
    return json;
  }
  static bool decode(const Json& json, List& list) {
    if (!json.is_array()) return false;
    list.clear();
    for (const Json& one : json) {
      T value{};
      if (!journal::decode(one, value)) return false;
      list.insert(list.end(), std::move(value));
    }
    return true;
  }
};
template <class T>
struct Codec<std::vector<T>> : ListCodec<std::vector<T>, T> {};
template <class T>
struct Codec<std::set<T>> : ListCodec<std::set<T>, T> {};

template <class Map, class Key, class T>
struct MapCodec {
  static Json encode(const Map& map) {
    Json json = Json::object();
    for (const auto& [key, value] : map) json[key_text(key)] = journal::encode(value);
    return json;
  }
  static bool decode(const Json& json, Map& map) {
    if (!json.is_object()) return false;
    map.clear();
    for (const auto& [key, field] : json.items()) {
      T value{};
      if (!journal::decode(field, value)) return false;
      map.emplace(Key(key), std::move(value));
    }
    return true;
  }
};
template <class Key, class T>
struct Codec<std::map<Key, T>> : MapCodec<std::map<Key, T>, Key, T> {};
template <class Key, class T>
struct Codec<std::unordered_map<Key, T>> : MapCodec<std::unordered_map<Key, T>, Key, T> {};

}  // namespace detail

template <class T>
Json encode(const T& value) {
  return detail::Codec<T>::encode(value);
}
template <class T>
bool decode(const Json& json, T& value) {
  return detail::Codec<T>::decode(json, value);
}

}  // namespace gpuwarden::app::journal
