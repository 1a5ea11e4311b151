#include "gpuwarden/ops/plan_json.hpp"

#include "command.hpp"
#include "plan_text.hpp"

namespace gpuwarden::cli {

boost::asio::awaitable<int> once(Scope scope) {
  const bool dry = scope.line.dry_run;
  const auto summary = co_await scope.services.cycle(dry);
  if (!summary) co_return report_error(scope.output, summary.error(), "gpuwarden doctor");
  const int code = plan_exit_code(*summary);
  if (scope.output.json) {
    scope.output.out << ops::summary_to_json(*summary) << "\n";
    co_return code;
  }
  print_plan(*summary, !dry, scope.output);
  scope.output.out << "\n" << next_after_plan(*summary, !dry) << "\n";
  co_return code;
}

}  // namespace gpuwarden::cli
