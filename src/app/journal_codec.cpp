#include "journal_codec.hpp"

#include <utility>
#include <variant>

#include <fmt/format.h>

#include "journal_json.hpp"

namespace gpuwarden::app::journal {
namespace {

constexpr const char* kKind = "k";

Json action_json(const PlannedAction& planned) {
  Json json{{"do", action_name(planned.action)}};
  std::visit(
      [&](const auto& a) {
        if constexpr (requires { a.worker; }) json["worker"] = a.worker.str();
        if constexpr (requires { a.pod; }) json["pod"] = a.pod.str();
        if constexpr (requires { a.name; }) json["name"] = a.name;
        if constexpr (requires { a.placement; }) json["placement"] = encode(a.placement);
        if constexpr (requires { a.canary; }) json["canary"] = a.canary;
        if constexpr (requires { a.generation; }) json["generation"] = a.generation;
        if constexpr (requires { a.phase; }) json["phase"] = encode(a.phase);
        if constexpr (requires { a.suspected; }) json["cause"] = encode(a.suspected);
        if constexpr (requires { a.last_good; }) json["last_good"] = a.last_good;
        if constexpr (requires { a.read_log; }) json["read_log"] = a.read_log;
        if constexpr (requires { a.memory; }) json["breaker"] = encode(a.memory);
      },
      planned.action);
  json["why"] = planned.reason;
  return json;
}

tl::unexpected<Error> broken(std::string what) {
  return fail(ErrorKind::malformed, std::move(what));
}

/// Reads a field that must be there.
template <class T>
bool read(const Json& json, const char* name, T& value) {
  const auto found = json.find(name);
  return found != json.end() && decode(*found, value);
}

Result<Line> parse_start(const Json& json) {
  Start start;
  if (!read(json, "format", start.format)) return broken("a start without a format");
  if (start.format > kFormat)
    return broken(fmt::format("a journal of format {}, this program knows {}", start.format, kFormat));
  if (!read(json, "version", start.version) || !read(json, "at", start.at) ||
      !read(json, "settings", start.settings) || !read(json, "memory", start.memory))
    return broken("a start without version, time, settings or memory");
  return Line{std::move(start), {}, {}};
}

Result<Line> parse_tick(const Json& json) {
  Tick tick;
  if (!read(json, "n", tick.number) || !read(json, "at", tick.at) || !read(json, "now", tick.now) ||
      !read(json, "random", tick.random))
    return broken("a tick without number, time or seed");
  if (json.contains("notes") && !read(json, "notes", tick.notes)) return broken("a tick with odd notes");
  if (!read(json, "seen", tick.seen)) return broken("a tick whose observation cannot be read");
  const auto plan = json.find("plan");
  if (plan == json.end() || !plan->is_object()) return broken("a tick without a plan");
  tick.plan = *plan;
  return Line{{}, {}, std::move(tick)};
}

}  // namespace

Json start_json(const Start& start) {
  return {{kKind, "start"},
          {"format", start.format},
          {"version", start.version},
          {"at", encode(start.at)},
          {"settings", encode(start.settings)},
          {"memory", encode(start.memory)}};
}

Json settings_json(const policy::Settings& settings) {
  return {{kKind, "settings"}, {"settings", encode(settings)}};
}

Json plan_json(const Plan& plan) {
  Json actions = Json::array();
  for (const PlannedAction& planned : plan.actions) actions.push_back(action_json(planned));
  return {{"actions", std::move(actions)}, {"gates", encode(plan.gates)}, {"scale", encode(plan.scale)}};
}

Json tick_json(const control::DecisionRecord& record) {
  Json json{{kKind, "tick"},
            {"n", record.number},
            {"at", encode(record.at)},
            {"now", encode(record.now)},
            {"random", record.random}};
  if (!record.notes.empty()) json["notes"] = encode(record.notes);
  json["seen"] = encode(record.seen);
  json["plan"] = plan_json(record.plan);
  return json;
}

Result<Line> parse_line(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return broken("no JSON object");
  const auto kind = json.find(kKind);
  if (kind == json.end() || !kind->is_string()) return broken("no line of a journal");
  if (*kind == "start") return parse_start(json);
  if (*kind == "tick") return parse_tick(json);
  if (*kind != "settings") return broken("no line of a journal");
  Line line;
  if (!read(json, "settings", line.settings.emplace())) return broken("settings that cannot be read");
  return line;
}

}  // namespace gpuwarden::app::journal
