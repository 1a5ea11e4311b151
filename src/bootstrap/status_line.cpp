#include "gpuwarden/bootstrap/status_line.hpp"

#include <limits>

#include <nlohmann/json.hpp>

namespace gpuwarden::bootstrap {
namespace {

using nlohmann::json;

constexpr std::string_view kMark = "@gpuwarden ";
constexpr int kVersion = 1;

std::optional<StatusLine::Event> parse_event(std::string_view text) {
  using enum StatusLine::Event;
  if (text == "begin") return begin;
  if (text == "end") return end;
  if (text == "fail") return fail;
  return std::nullopt;
}

std::string_view text_of(StatusLine::Event event) {
  switch (event) {
    case StatusLine::Event::begin:
      return "begin";
    case StatusLine::Event::end:
      return "end";
    case StatusLine::Event::fail:
      return "fail";
  }
  return "fail";
}

std::string string_at(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return {};
  return found->get<std::string>();
}

std::optional<int> integer_at(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer()) return std::nullopt;
  const auto value = found->get<std::int64_t>();
  if (value < std::numeric_limits<int>::min() || value > std::numeric_limits<int>::max()) return std::nullopt;
  return static_cast<int>(value);
}

/// A short array of strings nested at most two deep: anything deeper is none of ours and not worth the stack.
bool nests_deeply(std::string_view text) {
  constexpr int kDeepest = 8;
  int depth = 0;
  bool quoted = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (quoted) {
      if (c == '\\') ++at;
      if (c == '"') quoted = false;
      continue;
    }
    if (c == '"') quoted = true;
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    if (depth > kDeepest) return true;
  }
  return false;
}

}  // namespace

std::optional<StatusLine> parse_status_line(std::string_view line) {
  if (line.size() > kLongestStatusLine || !line.starts_with(kMark)) return std::nullopt;
  line.remove_prefix(kMark.size());
  if (nests_deeply(line)) return std::nullopt;
  const json object = json::parse(line, nullptr, false);
  if (!object.is_object() || integer_at(object, "v") != kVersion) return std::nullopt;
  const auto step = parse_boot_step(string_at(object, "step"));
  const auto event = parse_event(string_at(object, "event"));
  if (!step || !event) return std::nullopt;
  StatusLine status;
  status.worker = string_at(object, "worker");
  status.step = *step;
  status.event = *event;
  status.time = string_at(object, "t");
  status.exit_code = integer_at(object, "exit");
  status.signal = string_at(object, "signal");
  status.check = string_at(object, "check");
  status.commit = string_at(object, "commit");
  if (const auto tail = object.find("tail"); tail != object.end() && tail->is_array()) {
    for (const json& entry : *tail) {
      if (entry.is_string()) status.tail.push_back(entry.get<std::string>());
    }
  }
  return status;
}

std::string format_status_line(const StatusLine& status) {
  nlohmann::ordered_json object{{"v", kVersion},
                                {"worker", status.worker},
                                {"step", to_string(status.step)},
                                {"event", text_of(status.event)},
                                {"t", status.time}};
  if (status.exit_code) object["exit"] = *status.exit_code;
  if (!status.signal.empty()) object["signal"] = status.signal;
  if (!status.check.empty()) object["check"] = status.check;
  if (!status.commit.empty()) object["commit"] = status.commit;
  object["tail"] = status.tail;
  return std::string(kMark) + object.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace gpuwarden::bootstrap
