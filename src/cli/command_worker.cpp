#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/domain/failure_cause.hpp"

#include "command.hpp"
#include "row_json.hpp"

namespace gpuwarden::cli {
namespace {

void print_worker(const ports::WorkerRow& row, Output& output) {
  const auto line = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) output.out << fmt::format("{:<12}{}\n", name, printable(value));
  };
  line("Worker", row.id);
  line("Status", fmt::format("{} ({})", row.status, row.phase));
  line("Pod", row.pod);
  line("GPU", row.data_center.empty() ? row.gpu : fmt::format("{} in {}", row.gpu, row.data_center));
  line("Registered", format_time(row.created_at));
  line("Heartbeat", row.last_heartbeat ? format_time(*row.last_heartbeat) : "none yet");
  if (row.ended_at) line("Ended", format_time(*row.ended_at));
  line("Cost", format_usd(row.cost_usd));
  line("Cause", row.cause);
  line("Summary", row.summary);
  if (const auto cause = parse_failure_cause(row.cause)) line("Advice", facts(*cause).advice);
  const Json details = parsed_or_null(row.details_json);
  if (!details.is_object()) return;
  for (const auto& [name, value] : details.items()) {
    if (value.is_null() || value.is_structured()) continue;
    line(name, value.is_string() ? value.get<std::string>() : value.dump());
  }
}

}  // namespace

boost::asio::awaitable<int> worker(Scope scope) {
  const std::string id = scope.line.arguments.empty() ? "" : scope.line.arguments.front();
  const auto row = co_await scope.services.store->worker(WorkerId(id));
  if (!row) co_return report_error(scope.output, row.error(), "gpuwarden doctor");
  if (!*row) {
    Error missing;
    missing.kind = ErrorKind::not_found;
    missing.message = fmt::format("there is no worker '{}'", id);
    co_return report_error(scope.output, missing, "gpuwarden workers --all");
  }
  if (scope.output.json) {
    print_json(scope.output, worker_row_json(**row));
    co_return kDone;
  }
  print_worker(**row, scope.output);
  if (!(*row)->cause.empty()) scope.output.out << "\nNext: gpuwarden failures --json   # with the evidence\n";
  co_return kDone;
}

}  // namespace gpuwarden::cli
