#include "gpuwarden/ops/plan_json.hpp"

#include "command.hpp"
#include "plan_text.hpp"

namespace gpuwarden::cli {

boost::asio::awaitable<int> plan(Scope scope) {
  const auto summary = co_await scope.services.cycle(true);
  if (!summary) co_return report_error(scope.output, summary.error(), "gpuwarden doctor");
  if (scope.output.json) {
    scope.output.out << ops::report_to_json(summary->report) << "\n";
  } else {
    print_plan(*summary, false, scope.output);
    scope.output.out << "\n" << next_after_plan(*summary, false) << "\n";
  }
  co_return plan_exit_code(*summary);
}

}  // namespace gpuwarden::cli
