#include "state_codec.hpp"

#include <fmt/format.h>

namespace gpuwarden::supabase {
namespace {

using nlohmann::json;
using Problem = Fields::Problem;

ScopeBreaker read_scope(const json& value, std::size_t index, Problem& problem) {
  Fields fields(value, fmt::format("breaker.scopes[{}]", index), problem);
  ScopeBreaker scope;
  scope.key = fields.text("key");
  const std::string state = fields.text("state");
  const auto parsed = parse_breaker_state(state);
  if (!parsed) fields.unknown("state", state);
  scope.state = parsed.value_or(BreakerState::closed);
  scope.since = fields.time("since");
  scope.pause = fields.seconds("pause_s");
  scope.canary_successes = static_cast<int>(fields.integer("canary_successes"));
  scope.reason = fields.text_if("reason");
  return scope;
}

}  // namespace

QueueDepth read_queue(const json& value, Problem& problem) {
  // Users replace this function by their own, so only the two counts that decide are demanded.
  Fields fields(value, "queue", problem);
  QueueDepth queue;
  queue.queued = fields.integer("queued");
  queue.running = fields.integer("running");
  queue.blocked = fields.integer_if("blocked");
  const auto by_type = value.find("by_type");
  if (by_type == value.end() || !by_type->is_object()) return queue;
  for (const auto& [type, counts] : by_type->items()) {
    Fields entry(counts, fmt::format("queue.by_type['{}']", type), problem);
    queue.by_type[type] = {.queued = entry.integer_if("queued"), .running = entry.integer_if("running")};
  }
  return queue;
}

BreakerMemory read_breaker(const json& value, Problem& problem) {
  Fields fields(value, "breaker", problem);
  BreakerMemory memory;
  const std::string state = fields.text("state");
  const auto parsed = parse_breaker_state(state);
  if (!parsed) fields.unknown("state", state);
  memory.state = parsed.value_or(BreakerState::closed);
  memory.generation = fields.integer("generation");
  memory.state_age = fields.seconds("state_age_s");
  memory.pause = fields.seconds("pause_s");
  memory.canary_successes = static_cast<int>(fields.integer("canary_successes"));
  memory.canary = WorkerId(fields.text_or_null("canary").value_or(""));
  memory.reason = fields.text_if("reason");
  memory.script_hash = fields.text_if("script_hash");
  memory.good_script = fields.text_if("good_script");
  if (value.contains("scopes"))
    memory.scopes = read_all<ScopeBreaker>(fields.array("scopes"), read_scope, problem);
  return memory;
}

BreakerOverride read_override(const json& value, const char* where, Problem& problem) {
  Fields fields(value, where, problem);
  BreakerOverride out;
  const std::string kind = fields.text("kind");
  if (kind == "release") {
    out.kind = BreakerOverride::Kind::release;
  } else if (kind != "hold") {
    fields.unknown("kind", kind);
  }
  out.actor = fields.text_if("actor");
  out.reason = fields.text_if("reason");
  out.expires_in = fields.seconds_or_null("expires_in_s");
  return out;
}

Switches read_switches(const json& value, Problem& problem) {
  Fields fields(value, "switches", problem);
  Switches switches;
  switches.paused = fields.boolean("paused");
  switches.paused_by = fields.text_if("paused_by");
  switches.pause_reason = fields.text_if("pause_reason");
  return switches;
}

}  // namespace gpuwarden::supabase
