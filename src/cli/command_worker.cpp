#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/domain/failure_cause.hpp"

#include "command.hpp"
#include "find_row.hpp"
#include "json_access.hpp"
#include "row_json.hpp"
#include "timeline.hpp"
#include "wrap.hpp"

namespace gpuwarden::cli {
namespace {

constexpr int kMostEvents = 5000;
constexpr std::size_t kMostLines = 200;
constexpr std::size_t kLabel = 12;

void print_facts(const ports::WorkerRow& row, const Json& details, Output& output) {
  const auto line = [&](std::string_view name, std::string_view value) {
    if (!value.empty())
      print_wrapped(output.out, fmt::format("{:<{}}", name, kLabel), kLabel, value, kLabel, output.width);
  };
  const std::string step = text(details, "step");
  line("Worker", row.id);
  line("Status", fmt::format("{} ({}{})", row.status, row.phase, step.empty() ? "" : ":" + step));
  line("Pod", row.pod);
  line("GPU", row.data_center.empty() ? row.gpu : fmt::format("{} in {}", row.gpu, row.data_center));
  line("Registered", format_time(row.created_at));
  line("Heartbeat", row.last_heartbeat ? format_time(*row.last_heartbeat) : "none yet");
  if (row.ended_at)
    line("Ended", fmt::format("{}, after {}", format_time(*row.ended_at),
                              format_duration(*row.ended_at - row.created_at)));
  line("Cost", format_usd(row.cost_usd));
  line("Image", text(details, "image"));
  line("Script", text(details, "script_hash"));
  line("Commit", text(details, "git_commit"));
  if (at(details, "canary") == true) line("Canary", "it is the breaker's probe");
  line("Draining", row.cause.empty() ? text(details, "drain_reason") : "");
  line("End", text(details, "end_reason"));
  line("Cause", row.cause);
  line("Summary", row.summary);
  line("Evidence", text(details, "evidence_line"));
  std::string advice = text(details, "advice");
  if (const auto cause = parse_failure_cause(row.cause); advice.empty() && cause)
    advice = facts(*cause).advice;
  line("Advice", advice);
}

std::string next_command(const ports::WorkerRow& row) {
  if (!row.cause.empty()) return fmt::format("gpuwarden logs {}   # what it said", row.id);
  if (row.ended_at) return "gpuwarden workers";
  if (row.status == "active") return fmt::format("gpuwarden logs {} -f", row.id);
  return fmt::format("gpuwarden explain {}   # what it waits for", row.id);
}

}  // namespace

boost::asio::awaitable<int> worker(Scope scope) {
  const std::string id = scope.line.arguments.empty() ? "" : scope.line.arguments.front();
  const auto row = co_await find_worker(scope, id);
  if (!row) {
    const bool asked =
        row.error().kind == ErrorKind::not_found || row.error().kind == ErrorKind::invalid_input;
    co_return report_error(scope.output, row.error(), asked ? "gpuwarden workers --all" : "gpuwarden doctor");
  }
  ports::EventQuery query;
  query.owner = scope.config().policy.owner;
  query.worker = WorkerId(row->id);
  query.limit = kMostEvents;
  const auto events = co_await scope.services.store->events(query);
  if (scope.output.json) {
    Json json = worker_row_json(*row);
    json["timeline"] = events ? timeline_json(timeline(*events)) : Json(nullptr);
    if (!events) json["timeline_error"] = events.error().message;
    print_json(scope.output, json);
    co_return kDone;
  }
  Output& output = scope.output;
  print_facts(*row, parsed_or_null(row->details_json), output);
  if (!events) {
    output.err << "Its timeline cannot be read: " << printable(events.error().message) << "\n";
  } else if (!events->empty()) {
    output.out << "\n";
    print_timeline(timeline(*events), kMostLines, output);
  }
  output.out << "\nNext: " << next_command(*row) << "\n";
  co_return kDone;
}

}  // namespace gpuwarden::cli
