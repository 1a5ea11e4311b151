#include "action_result.hpp"

#include <variant>

namespace gpuwarden::control {

ActionResult action_result(const PlannedAction& planned) {
  ActionResult result;
  result.action = action_name(planned.action);
  result.worker = worker_of(planned.action).str();
  result.reason = planned.reason;
  std::visit(
      [&](const auto& action) {
        if constexpr (requires { action.pod; }) result.pod = action.pod.str();
      },
      planned.action);
  return result;
}

void complete(ActionResult& result, const Result<std::string>& outcome, Duration took, Context& context) {
  result.ok = outcome.has_value();
  result.detail = outcome ? *outcome : outcome.error().message;
  result.took = took;
  const WorkerId worker(result.worker);
  if (const auto row = context.workers.find(worker); result.pod.empty() && row != context.workers.end())
    result.pod = row->second.pod.str();
  const auto verdict = context.verdicts.find(worker);
  if (verdict == context.verdicts.end()) return;
  result.cause = to_string(verdict->second);
  context.verdicts.erase(verdict);
}

}  // namespace gpuwarden::control
