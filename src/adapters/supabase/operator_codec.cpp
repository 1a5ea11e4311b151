#include <chrono>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "gpuwarden/supabase/codec.hpp"

#include "json_fields.hpp"
#include "state_codec.hpp"

namespace gpuwarden::supabase {
namespace {

using nlohmann::json;
using Kind = ports::OperatorCommand::Kind;

std::string_view word(Kind kind) {
  switch (kind) {
    case Kind::pause:
      return "pause";
    case Kind::resume:
      return "resume";
    case Kind::hold:
      return "breaker_hold";
    case Kind::release:
      return "breaker_release";
    case Kind::clear:
      return "breaker_clear";
    case Kind::reset:
      return "breaker_reset";
  }
  return "";
}

}  // namespace

std::string operator_request(std::string_view owner, const ports::OperatorCommand& command) {
  json body{{"owner_param", owner},
            {"command_param", word(command.kind)},
            {"actor_param", command.actor},
            {"reason_param", command.reason},
            {"ttl_sec_param", nullptr}};
  if (command.expires_in)
    body["ttl_sec_param"] = std::chrono::ceil<std::chrono::seconds>(*command.expires_in).count();
  return to_body(std::move(body));
}

Result<ports::OperatorAnswer> parse_operator(std::string_view body) {
  const auto doc = parse_json(body, "gpuwarden_operator");
  if (!doc) return fail(doc.error());
  Fields::Problem problem;
  Fields answer(*doc, "the answer of gpuwarden_operator", problem);
  ports::OperatorAnswer result;
  result.done = answer.boolean("done");
  Fields state(answer.object("state"), "state", problem);
  result.switches.paused = state.boolean("paused");
  result.switches.paused_by = state.text_if("paused_by");
  result.switches.pause_reason = state.text_if("pause_reason");
  const std::string breaker = state.text("breaker");
  const auto parsed = parse_breaker_state(breaker);
  if (!parsed) state.unknown("breaker", breaker);
  result.breaker = parsed.value_or(BreakerState::closed);
  result.generation = state.integer("generation");
  if (const json* override_row = state.object_or_null("override"))
    result.breaker_override = read_override(*override_row, "state.override", problem);
  if (problem) return fail(*problem);
  return result;
}

}  // namespace gpuwarden::supabase
