#include <map>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/domain/failure_cause.hpp"

#include "command.hpp"
#include "row_json.hpp"
#include "table.hpp"

namespace gpuwarden::cli {
namespace {

/// What to do about each cause that occurs.
void print_advice(const std::vector<ports::FailureRow>& rows, Output& output) {
  std::map<std::string, int> causes;
  for (const ports::FailureRow& row : rows) ++causes[row.cause];
  output.out << "\nWhat to do\n";
  for (const auto& [name, count] : causes) {
    const auto cause = parse_failure_cause(name);
    output.out << fmt::format("  {} ({}): {}\n", printable(name), count,
                              cause ? facts(*cause).advice : "see the evidence: gpuwarden failures --json");
  }
}

}  // namespace

boost::asio::awaitable<int> failures(Scope scope) {
  const auto rows = co_await scope.services.store->failures(scope.config().policy.owner, scope.line.since,
                                                            scope.line.limit);
  if (!rows) co_return report_error(scope.output, rows.error(), "gpuwarden doctor");
  Output& output = scope.output;
  if (output.json) {
    Json list = Json::array();
    for (const ports::FailureRow& row : *rows) list.push_back(failure_row_json(row));
    print_json(output, {{"since_s", seconds(scope.line.since)}, {"failures", std::move(list)}});
    co_return kDone;
  }
  if (rows->empty()) {
    output.out << fmt::format("No failures in the last {}. Next: gpuwarden status\n",
                              format_duration(scope.line.since));
    co_return kDone;
  }
  Table table({{"WHEN"}, {"WORKER"}, {"CAUSE"}, {"PHASE"}, {"COST", true}, {"EVIDENCE", false, true}});
  for (const ports::FailureRow& row : *rows) {
    table.add({{format_time(row.created_at)},
               {row.worker, Colour::bold},
               {row.cause, Colour::red},
               {row.phase},
               {format_usd(row.cost_usd)},
               {row.evidence_line.empty() ? row.summary : row.evidence_line}});
  }
  table.print(output.out, output.width, output.colour);
  print_advice(*rows, output);
  output.out << "\nNext: gpuwarden worker " << printable(rows->front().worker) << "\n";
  co_return kDone;
}

}  // namespace gpuwarden::cli
