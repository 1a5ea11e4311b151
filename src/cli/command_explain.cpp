#include <algorithm>
#include <cctype>
#include <utility>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/domain/failure_cause.hpp"

#include "command.hpp"
#include "explain_view.hpp"
#include "json_access.hpp"

namespace gpuwarden::cli {
namespace {

boost::asio::awaitable<Result<Json>> parsed(ports::Async<std::string> asked) {
  const auto answer = co_await std::move(asked);
  if (!answer) co_return fail(answer.error());
  Json json = Json::parse(*answer, nullptr, false);
  if (!json.is_object()) co_return fail(ErrorKind::malformed, "the explanation is not JSON");
  co_return json;
}

/// The names that workers can have, so that nothing else gets into a path.
bool is_worker_name(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
  });
}

/// 0 when a daemon tells what it knows; else how well this process could look.
int code_of(const Json& json) {
  if (at(json, "fresh") != true) return kDone;
  const Json& kinds = at(json, "error_kinds");
  if (!kinds.is_array() || kinds.empty()) return kDone;
  const bool unreachable = std::any_of(kinds.begin(), kinds.end(), [](const Json& kind) {
    for (const ErrorKind one :
         {ErrorKind::unavailable, ErrorKind::timeout, ErrorKind::ambiguous, ErrorKind::rate_limited}) {
      if (kind == to_string(one)) return true;
    }
    return false;
  });
  return unreachable ? kUnreachable : kFailed;
}

/// A worker that the newest snapshot does not show: it has ended, or never was.
boost::asio::awaitable<int> explain_end(Scope scope, const std::string& id) {
  const auto row = co_await scope.services.store->worker(WorkerId(id));
  if (!row) co_return report_error(scope.output, row.error(), "gpuwarden doctor");
  if (!*row) {
    Error missing;
    missing.kind = ErrorKind::not_found;
    missing.message = fmt::format("there is no worker '{}'", id);
    co_return report_error(scope.output, missing, "gpuwarden workers --all");
  }
  const ports::WorkerRow& worker = **row;
  if (scope.output.json) {
    print_json(scope.output, {{"worker",
                               {{"id", worker.id},
                                {"status", worker.status},
                                {"ended_at", time_or_null(worker.ended_at)},
                                {"cause", text_or_null(worker.cause)},
                                {"summary", text_or_null(worker.summary)}}}});
    co_return kDone;
  }
  auto& out = scope.output.out;
  const std::string name = printable(worker.id);
  out << fmt::format("Worker     {}\nState      {}{}\n", name, printable(worker.status),
                     worker.ended_at ? ", ended " + format_time(*worker.ended_at) : "");
  if (!worker.ended_at) {
    out << "\nIt is newer than the newest look at the fleet. Next: gpuwarden explain " << name
        << ", again in a moment\n";
    co_return kDone;
  }
  if (!worker.cause.empty())
    out << fmt::format("Cause      {}: {}\n", printable(worker.cause), printable(worker.summary));
  if (const auto cause = parse_failure_cause(worker.cause))
    out << "Advice     " << facts(*cause).advice << "\n";
  out << "\nNothing waits for it any more. Next: gpuwarden worker " << name << "\n";
  co_return kDone;
}

std::string next_of(const Json& json, const std::string& worker) {
  if (!worker.empty()) return "Next: gpuwarden worker " + worker + ", gpuwarden explain";
  if (code_of(json) != kDone) return "Next: gpuwarden doctor";
  return at(json, "fresh") == true ? "Nothing was done. Next: gpuwarden once, or systemctl start gpuwarden"
                                   : "Next: gpuwarden explain WORKER, gpuwarden breaker, gpuwarden status";
}

}  // namespace

boost::asio::awaitable<int> explain(Scope scope) {
  const std::string id = scope.line.arguments.empty() ? "" : scope.line.arguments.front();
  if (!is_worker_name(id)) {
    Error wrong;
    wrong.kind = ErrorKind::invalid_input;
    wrong.message = fmt::format("'{}' is no worker's name", id);
    report_error(scope.output, wrong, "gpuwarden workers");
    co_return kUsage;
  }
  auto json = co_await parsed(scope.services.ask_daemon(id.empty() ? "/v1/explain" : "/v1/explain/" + id));
  std::string note;
  if (!json) {
    note = json.error().kind == ErrorKind::not_found ? "No daemon runs: " : "The daemon cannot be asked: ";
    note += json.error().message + ". This is a fresh look, which has watched nothing before.\n\n";
    json = co_await parsed(scope.services.explain(id));
  }
  if (!json) co_return report_error(scope.output, json.error(), "gpuwarden doctor");
  const bool unread = at(*json, "scale").is_object() && !at(*json, "queue").is_object();
  if (!id.empty() && !at(*json, "worker").is_object() && !unread) co_return co_await explain_end(scope, id);
  if (scope.output.json) {
    print_json(scope.output, *json);
    co_return code_of(*json);
  }
  scope.output.out << note;
  const bool story = at(*json, "worker").is_object();
  if (story) {
    print_story(*json, scope.output);
  } else {
    print_explanation(*json, scope.output);
  }
  scope.output.out << "\n" << next_of(*json, story ? id : "") << "\n";
  co_return code_of(*json);
}

}  // namespace gpuwarden::cli
