#include <utility>

#include "simulation/database.hpp"

namespace gpuwarden::simulation {

using nlohmann::json;

json Database::operate(const json& arguments, WallTime now) {
  const auto owner = sql::text(arguments, "owner_param");
  const auto command = sql::text(arguments, "command_param").value_or("");
  const auto actor = sql::text(arguments, "actor_param").value_or("");
  const auto reason = sql::text(arguments, "reason_param").value_or("");
  const auto ttl = sql::number(arguments, "ttl_sec_param");
  if (!owner) throw SqlError("23502", "null value in column \"owner\"");
  if (command == "pause" || command == "resume") {
    const bool pause = command == "pause";
    put_state(*owner, "switches",
              {{"paused", pause},
               {"paused_by", pause ? json(actor) : json(nullptr)},
               {"pause_reason", pause ? json(reason) : json(nullptr)}},
              now);
  } else if (command == "breaker_hold" || command == "breaker_release") {
    put_state(*owner, "breaker_override",
              {{"kind", command == "breaker_hold" ? "hold" : "release"},
               {"actor", actor},
               {"reason", reason},
               {"expires_at", ttl ? json(sql::utc(now + sql::duration_of(*ttl))) : json(nullptr)}},
              now);
  } else if (command == "breaker_clear") {
    remove_state(*owner, "breaker_override");
  } else if (command == "breaker_reset") {
    const auto* before = state(*owner, "breaker");
    json breaker = before == nullptr ? json::object() : before->value;
    breaker["generation"] = sql::bigint(breaker, "generation").value_or(0) + 1;
    breaker["state"] = "closed";
    breaker["pause_s"] = breaker["canary_successes"] = 0;
    breaker["canary"] = nullptr;
    breaker["scopes"] = json::array();
    breaker["reason"] = reason;
    put_state(*owner, "breaker", std::move(breaker), now);
  } else {
    throw SqlError("PT400", "gpuwarden: unknown command " + command);
  }
  return {{"done", true}, {"reason", command}};
}

}  // namespace gpuwarden::simulation
