#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "command.hpp"
#include "json_access.hpp"
#include "report_view.hpp"

namespace gpuwarden::cli {
namespace {

/// More failures than these are counted, but not told apart.
constexpr int kFailures = 2000;

/// What a running daemon adds; without one the report is made of the database alone.
boost::asio::awaitable<diagnosis::ReportContext> ask_daemon(Scope scope) {
  diagnosis::ReportContext context;
  const auto answer = co_await scope.services.ask_daemon("/v1/status");
  if (!answer) co_return context;
  const Json status = Json::parse(*answer, nullptr, false);
  const Json& gates = at(status, "gates");
  if (!gates.is_array()) co_return context;
  for (const Json& gate : gates) {
    if (text(gate, "name") == "breaker") context.canary_in = duration(gate, "opens_in_s");
  }
  co_return context;
}

/// Before anything is wrapped or escaped, which would hide a secret from the redaction of what is printed.
void redact(Incident& incident, const Redactor& redactor) {
  const auto clean = [&](std::string& text) { text = redactor.redact(text); };
  for (FailedWorker& failed : incident.failures) {
    for (std::string* text : {&failed.summary, &failed.evidence_line, &failed.advice}) clean(*text);
    for (std::string& line : failed.last_words) clean(line);
    for (std::string& line : failed.missing) clean(line);
  }
  clean(incident.breaker.reason);
  for (ScopeBreaker& scope : incident.breaker.scopes) clean(scope.reason);
  if (incident.breaker_override) clean(incident.breaker_override->reason);
  clean(incident.switches.pause_reason);
}

}  // namespace

boost::asio::awaitable<int> report(Scope scope) {
  Output& output = scope.output;
  const Invocation& line = scope.line;
  auto incident = co_await scope.services.store->incident(scope.config().policy.owner, line.since, kFailures);
  if (!incident) co_return report_error(output, incident.error(), "gpuwarden doctor");
  Redactor redactor;
  teach(redactor, scope.loaded);
  redact(*incident, redactor);
  diagnosis::ReportContext context = co_await ask_daemon(scope);
  context.retention = scope.config().control.failure_retention;
  const diagnosis::IncidentReport report = diagnosis::make_report(*incident, line.since, context);
  if (output.json) {
    print_json(output, report_json(report));
  } else if (line.format == "md") {
    output.out << to_markdown(document_of(report));
  } else {
    print_report(document_of(report), report.failures > 0 && report.recovered == 0, output);
    if (report.failures == 0) output.out << "\nNext: gpuwarden report --since 1d, gpuwarden status\n";
  }
  co_return kDone;
}

}  // namespace gpuwarden::cli
