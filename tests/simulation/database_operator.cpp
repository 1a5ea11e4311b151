#include <set>
#include <utility>

#include <fmt/format.h>

#include "simulation/database.hpp"

namespace gpuwarden::simulation {

using nlohmann::json;

namespace {

[[noreturn]] void refuse(const std::string& why) {
  throw SqlError("PT400", "gpuwarden: " + why);
}

/// left(btrim(value), count): blanks only.
std::string trimmed(const std::optional<std::string>& value, std::size_t count) {
  const auto first = value ? value->find_first_not_of(' ') : std::string::npos;
  if (first == std::string::npos) return {};
  return sql::left(value->substr(first, value->find_last_not_of(' ') - first + 1), count);
}

}  // namespace

json Database::operator_state(const std::string& owner, WallTime now) const {
  static const json kNone;
  const auto value = [&](const char* key) -> const json& {
    const auto* kept = state(owner, key);
    return kept == nullptr ? kNone : kept->value;
  };
  const json& breaker = value("breaker");
  json out = switches_json(owner);
  out["breaker"] = sql::text(breaker, "state").value_or("closed");
  out["generation"] = sql::bigint(breaker, "generation").value_or(1);
  json& override_shown = out["override"] = override_json(owner, now);
  for (const char* key : {"actor", "reason"})
    if (!override_shown.is_null())
      override_shown[key] = sql::or_null(sql::text(value("breaker_override"), key));
  return out;
}

json Database::operate(const json& arguments, WallTime now) {
  const auto owner = sql::text(arguments, "owner_param").value_or("");
  const auto command = sql::text(arguments, "command_param").value_or("null");
  const auto actor = trimmed(sql::text(arguments, "actor_param"), 100);
  const auto why = trimmed(sql::text(arguments, "reason_param"), 500);
  const auto ttl = sql::integer(arguments, "ttl_sec_param");
  const bool overrides = command == "breaker_hold" || command == "breaker_release";
  if (owner.empty()) refuse("no owner named");
  if (actor.empty()) refuse("an operator's word needs a name");
  if (why.empty() && (overrides || command == "pause" || command == "breaker_reset"))
    refuse(command + " needs a reason");
  if (ttl && (!overrides || *ttl <= 0)) refuse("only breaker_hold and breaker_release end by themselves");

  static const std::set<std::string> kCommands{"pause",           "resume",        "breaker_hold",
                                               "breaker_release", "breaker_clear", "breaker_reset"};
  if (!kCommands.contains(command)) refuse("unknown command " + command);
  if (read_only_) throw SqlError("25006", "cannot write in a read-only transaction");

  const auto at = sql::timestamptz(now);
  json word{{"actor", actor}, {"reason", why}, {"at", at}};
  bool done = true;
  std::string outcome;
  if (command == "pause") {
    const auto* switches = state(owner, "switches");
    done = switches == nullptr || !sql::boolean(switches->value, "paused").value_or(false);
    outcome = done ? "paused" : "already_paused";
    put_state(owner, "switches",
              {{"paused", true}, {"paused_by", actor}, {"pause_reason", why}, {"paused_at", at}}, now);
  } else if (command == "resume") {
    const auto* switches = state(owner, "switches");
    done = switches != nullptr && sql::boolean(switches->value, "paused").value_or(false);
    outcome = done ? "resumed" : "not_paused";
    put_state(owner, "switches", {{"paused", false}, {"resumed", std::move(word)}}, now);
  } else if (overrides) {
    const bool hold = command == "breaker_hold";
    outcome = hold ? "held" : "released";
    word["kind"] = hold ? "hold" : "release";
    word["expires_at"] = ttl ? json(sql::timestamptz(now + std::chrono::seconds(*ttl))) : json(nullptr);
    put_state(owner, "breaker_override", std::move(word), now);
  } else if (command == "breaker_clear") {
    done = !override_json(owner, now).is_null();
    outcome = done ? "cleared" : "no_override";
    if (done) remove_state(owner, "breaker_override");
  } else {
    outcome = "reset";
    const auto* before = state(owner, "breaker");
    json breaker = before == nullptr ? json{{"script_hash", ""}} : before->value;
    // Two generations up: above whatever a daemon has decided already and not saved yet.
    breaker["generation"] = sql::bigint(breaker, "generation").value_or(1) + 2;
    breaker["state"] = "closed";
    breaker["pause_s"] = breaker["canary_successes"] = 0;
    breaker["canary"] = nullptr;
    breaker["reason"] = fmt::format("reset by {}: {}", actor, why);
    breaker["scopes"] = json::array();
    breaker["reset"] = std::move(word);
    put_state(owner, "breaker", std::move(breaker), now);
    remove_state(owner, "breaker_override");
  }
  return {{"done", done}, {"reason", outcome}, {"state", operator_state(owner, now)}};
}

}  // namespace gpuwarden::simulation
