#include <map>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/domain/failure_cause.hpp"

#include "command.hpp"
#include "row_json.hpp"
#include "table.hpp"

namespace gpuwarden::cli {
namespace {

constexpr int kMostGroups = 1000;

/// What to do about each cause that occurs.
void print_advice(const std::map<std::string, long>& causes, Output& output) {
  output.out << "\nWhat to do\n";
  for (const auto& [name, count] : causes) {
    const auto cause = parse_failure_cause(name);
    output.out << fmt::format("  {} ({}): {}\n", printable(name), count,
                              cause ? facts(*cause).advice : "see the evidence: gpuwarden failures --json");
  }
}

const std::string& told(const std::string& evidence_line, const std::string& summary) {
  return evidence_line.empty() ? summary : evidence_line;
}

Json group_json(const ports::FailureGroup& group) {
  return {{"fingerprint", group.fingerprint},
          {"cause", group.cause},
          {"pods", group.pods},
          {"cost_usd", group.cost_usd},
          {"first_at", format_time(group.first_at)},
          {"last_at", format_time(group.last_at)},
          {"worker", group.worker},
          {"summary", text_or_null(group.summary)},
          {"evidence_line", text_or_null(group.evidence_line)}};
}

void print_each(const std::vector<ports::FailureRow>& rows, Output& output) {
  Table table({{"WHEN"}, {"WORKER"}, {"CAUSE"}, {"PHASE"}, {"COST", true}, {"EVIDENCE", false, true}});
  std::map<std::string, long> causes;
  for (const ports::FailureRow& row : rows) {
    ++causes[row.cause];
    table.add({{format_time(row.created_at)},
               {row.worker, Colour::bold},
               {row.cause, Colour::red},
               {row.phase},
               {format_usd(row.cost_usd)},
               {told(row.evidence_line, row.summary)}});
  }
  table.print(output.out, output.width, output.colour);
  print_advice(causes, output);
  output.out << "\nNext: gpuwarden report, gpuwarden worker " << printable(rows.front().worker) << "\n";
}

void print_groups(const std::vector<ports::FailureGroup>& groups, Output& output) {
  Table table({{"PODS", true}, {"COST", true}, {"CAUSE"}, {"LAST"}, {"EVIDENCE", false, true}});
  std::map<std::string, long> causes;
  for (const ports::FailureGroup& group : groups) {
    causes[group.cause] += group.pods;
    table.add({{std::to_string(group.pods)},
               {format_usd(group.cost_usd)},
               {group.cause, Colour::red},
               {format_time(group.last_at)},
               {told(group.evidence_line, group.summary)}});
  }
  table.print(output.out, output.width, output.colour);
  print_advice(causes, output);
  output.out << "\nNext: gpuwarden report, gpuwarden worker " << printable(groups.front().worker)
             << ", gpuwarden failures --each\n";
}

int print_none(const Scope& scope) {
  scope.output.out << fmt::format("No failures in the last {}. Next: gpuwarden status\n",
                                  format_duration(scope.line.since));
  return kDone;
}

}  // namespace

boost::asio::awaitable<int> failures(Scope scope) {
  ports::TaskStore& store = *scope.services.store;
  const std::string& owner = scope.config().policy.owner;
  Output& output = scope.output;
  std::vector<ports::FailureGroup> groups;
  if (output.json || !scope.line.each) {
    auto answer = co_await store.failure_groups(owner, scope.line.since,
                                                scope.line.limit_given ? scope.line.limit : kMostGroups);
    if (!answer) co_return report_error(output, answer.error(), "gpuwarden doctor");
    groups = std::move(*answer);
  }
  if (!output.json && !scope.line.each) {
    if (groups.empty()) co_return print_none(scope);
    print_groups(groups, output);
    co_return kDone;
  }
  const auto rows = co_await store.failures(owner, scope.line.since, scope.line.limit);
  if (!rows) co_return report_error(output, rows.error(), "gpuwarden doctor");
  if (output.json) {
    Json list = Json::array(), grouped = Json::array();
    for (const ports::FailureRow& row : *rows) list.push_back(failure_row_json(row));
    for (const ports::FailureGroup& group : groups) grouped.push_back(group_json(group));
    print_json(output, {{"since_s", seconds(scope.line.since)},
                        {"failures", std::move(list)},
                        {"groups", std::move(grouped)}});
    co_return kDone;
  }
  if (rows->empty()) co_return print_none(scope);
  print_each(*rows, output);
  co_return kDone;
}

}  // namespace gpuwarden::cli
