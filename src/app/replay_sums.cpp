#include "replay_sums.hpp"

#include <algorithm>
#include <iterator>

namespace gpuwarden::app::journal {
namespace {

const Json& at(const Json& json, const char* name) {
  static const Json kNone;
  const auto found = json.is_object() ? json.find(name) : json.end();
  return json.is_object() && found != json.end() ? *found : kNone;
}
std::string text(const Json& json, const char* name) {
  const Json& value = at(json, name);
  return value.is_string() ? value.get<std::string>() : std::string();
}
long number(const Json& json, const char* name) {
  const Json& value = at(json, name);
  return value.is_number() ? value.get<long>() : 0;
}

/// "spawn gpu-… on RTX 4090 in EU-RO-1", without the reason.
std::string words(const Json& action) {
  std::string line = text(action, "do");
  for (const char* about : {"worker", "name"}) {
    if (const std::string who = text(action, about); !who.empty()) line += " " + who;
  }
  const Json& place = at(action, "placement");
  if (place.is_object()) {
    line += " on " + text(place, "gpu");
    if (const std::string where = text(place, "data_center"); !where.empty()) line += " in " + where;
  }
  if (const std::string cause = text(action, "cause"); !cause.empty()) line += " as " + cause;
  const Json& breaker = at(action, "breaker");
  if (breaker.is_object()) line += " " + (breaker.contains("state") ? text(breaker, "state") : "closed");
  return line;
}

std::multiset<std::string> actions_of(const Json& plan) {
  std::multiset<std::string> all;
  for (const Json& action : at(plan, "actions")) all.insert(words(action));
  return all;
}
std::multiset<std::string> gates_of(const Json& plan) {
  std::multiset<std::string> all;
  for (const Json& gate : at(plan, "gates")) all.insert(text(gate, "name"));
  return all;
}

Json only_in(const std::multiset<std::string>& a, const std::multiset<std::string>& b) {
  std::vector<std::string> only;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(only));
  return only;
}

}  // namespace

void Sums::add(const Json& plan, Duration held) {
  for (const Json& action : at(plan, "actions")) {
    const std::string name = text(action, "do");
    ++actions_[name];
    if (name == "drain") drained_.insert(text(action, "worker"));
    if (name == "fail") failed_.insert(text(action, "worker"));
  }
  const double seconds = static_cast<double>(held.count()) / 1000.0;
  const long wanted = number(at(plan, "scale"), "wanted");
  wanted_pod_s_ += static_cast<double>(wanted) * seconds;
  most_missing_ = std::max(most_missing_, wanted - number(at(plan, "scale"), "capacity"));
  const auto gates = gates_of(plan);
  for (const std::string& gate : std::set<std::string>(gates.begin(), gates.end())) held_back_[gate] += held;
}

Json Sums::json() const {
  Json actions = Json::object(), held = Json::object();
  for (const auto& [name, count] : actions_) actions[name] = count;
  for (const auto& [gate, time] : held_back_) held[gate] = static_cast<double>(time.count()) / 1000.0;
  return {{"actions", std::move(actions)},    {"workers_drained", drained_.size()},
          {"workers_failed", failed_.size()}, {"most_missing", most_missing_},
          {"wanted_pod_s", wanted_pod_s_},    {"held_back_s", std::move(held)}};
}

std::optional<Json> difference(const Json& recorded, const Json& changed) {
  const auto was = actions_of(recorded), is = actions_of(changed);
  const auto held = gates_of(recorded), holds = gates_of(changed);
  const long wanted_before = number(at(recorded, "scale"), "wanted");
  const long wanted_now = number(at(changed, "scale"), "wanted");
  if (was == is && held == holds && wanted_before == wanted_now) return std::nullopt;
  return Json{{"wanted", {wanted_before, wanted_now}},
              {"only_recorded", only_in(was, is)},
              {"only_changed", only_in(is, was)},
              {"gates_gone", only_in(held, holds)},
              {"gates_new", only_in(holds, held)}};
}

}  // namespace gpuwarden::app::journal
