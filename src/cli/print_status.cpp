#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "json_access.hpp"
#include "row_json.hpp"
#include "status_view.hpp"

namespace gpuwarden::cli {
namespace {

void print_daemon(const Json& status, Output& output) {
  const Json& daemon = at(status, "daemon");
  if (!daemon.is_object()) {
    const Json& error = at(status, "daemon_error");
    const bool absent = text(error, "kind") == to_string(ErrorKind::not_found);
    output.out << paint("Daemon", Colour::yellow, output.colour)
               << (absent ? "   not running: " : "   cannot be asked: ") << text(error, "message")
               << "\n         This is what the database says.\n";
    return;
  }
  const Json& leading = at(daemon, "leading");
  output.out << fmt::format("Daemon   {} (pid {}), up {}", text(daemon, "version"), number(daemon, "pid"),
                            span(daemon, "uptime_s"));
  if (leading.is_boolean())
    output.out << (leading.get<bool>() ? fmt::format(", leads (epoch {})", number(daemon, "epoch"))
                                       : ", waits: another daemon leads");
  output.out << "\n";
}

/// The same one-line cause as in the log, the breaker's word and the alert.
void print_failing(const Json& status, Output& output) {
  const Json& failing = at(status, "failing");
  if (!failing.is_array()) return;
  std::string_view label = "Failing";
  for (const Json& way : failing) {
    const Json& count = at(way, "count");
    const bool several = count.is_number() && count.get<double>() != 1;
    output.out << fmt::format("{:<9}{} {}, newest {} ago: ", label, number(way, "count"),
                              several ? "workers" : "worker", span(way, "newest_age_s"))
               << paint(text(way, "cause"), Colour::red, output.colour) << ": " << text(way, "summary")
               << "\n";
    label = "";
  }
}

void print_figures(const Json& status, Output& output) {
  const Json& queue = at(status, "queue");
  const Json& scale = at(status, "scale");
  if (queue.is_object())
    output.out << fmt::format("Queue    {} waiting, {} running, {} blocked by other tasks\n",
                              number(queue, "queued"), number(queue, "running"), number(queue, "blocked"));
  if (scale.is_object()) {
    output.out << "Fleet    ";
    if (at(scale, "wanted").is_number()) output.out << number(scale, "wanted") << " wanted; ";
    output.out << fmt::format("{} active ({} idle), {} spawning, {} draining\n", number(scale, "active"),
                              number(scale, "idle"), number(scale, "spawning"), number(scale, "draining"));
  }
  const Json& breaker = at(status, "breaker");
  if (breaker.is_object()) {
    const std::string state = text(breaker, "state");
    const std::string reason = text(breaker, "reason");
    output.out << "Breaker  " << paint(state, state == "closed" ? Colour::green : Colour::red, output.colour);
    if (state != "closed") output.out << " for " << span(breaker, "state_age_s");
    if (state != "closed" && !reason.empty()) output.out << ": " << reason;
    output.out << "\n";
  }
  print_failing(status, output);
  if (at(status, "paused") == true)
    output.out << "Paused   " << paint("yes", Colour::yellow, output.colour)
               << ": nothing is started or removed\n";
  if (const Json& spent = at(status, "spent_last_day_usd"); spent.is_number()) {
    output.out << fmt::format("Spent    {} in the last 24 hours", format_usd(spent.get<double>()));
    const Json& fruitless = at(status, "fruitless_last_day_usd");
    if (fruitless.is_number() && fruitless.get<double>() > 0)
      output.out << fmt::format(", {} of it on pods that never finished a task",
                                format_usd(fruitless.get<double>()));
    output.out << "\n";
  }
}

void print_gates(const Json& status, Output& output) {
  const Json& gates = at(status, "gates");
  if (!gates.is_array() || gates.empty()) return;
  output.out << "\nHeld back by\n";
  Table table({{"GATE"}, {"REASON", false, true}, {"OPENS IN"}});
  for (const Json& gate : gates)
    table.add({{text(gate, "name"), Colour::yellow}, {text(gate, "reason")}, {span(gate, "opens_in_s")}});
  table.print(output.out, output.width, output.colour, "  ");
}

void print_workers(const Json& status, Output& output) {
  const Json& workers = at(status, "workers");
  if (!workers.is_array() || workers.empty()) {
    output.out << "\nNo workers.\n";
    return;
  }
  output.out << "\n";
  Table table({{"WORKER"},
               {"STATUS"},
               {"PHASE"},
               {"FOR", true},
               {"GPU", false, true},
               {"DATA CENTRE"},
               {"HEARTBEAT", true},
               {"USD/H", true},
               {"TASK", false, true}});
  for (const Json& worker : workers) {
    const Json& tasks = at(worker, "tasks");
    const bool busy = tasks.is_array() && !tasks.empty() && tasks.front().is_string();
    const std::string state = text(worker, "status");
    const Json& cost = at(worker, "cost_per_hr");
    const std::string heartbeat = span(worker, "heartbeat_age_s");
    table.add({{text(worker, "id"), Colour::bold},
               {state, status_colour(state)},
               {text(worker, "phase")},
               {span(worker, "phase_age_s")},
               {text(worker, "gpu")},
               {text(worker, "data_center")},
               {heartbeat.empty() ? "" : heartbeat + " ago"},
               {cost.is_number() ? format_usd(cost.get<double>()) : ""},
               {busy ? tasks.front().get<std::string>() : ""}});
  }
  table.print(output.out, output.width, output.colour);
}

void print_errors(const Json& status, Output& output) {
  for (const char* name : {"errors", "last_errors"}) {
    const Json& errors = at(status, name);
    if (!errors.is_array() || errors.empty()) continue;
    output.out << (std::string_view(name) == "errors" ? "\nNot readable now\n" : "\nLatest errors\n");
    for (const Json& error : errors) {
      if (error.is_string())
        output.out << "  "
                   << paint(fit(printable(error.get<std::string>()),
                                static_cast<std::size_t>(output.width) - 2),
                            Colour::red, output.colour)
                   << "\n";
    }
  }
}

}  // namespace

void print_status(const Json& status, Output& output) {
  print_daemon(status, output);
  if (const std::string when = text(status, "at"); !when.empty()) output.out << "As of    " << when << "\n";
  print_figures(status, output);
  print_gates(status, output);
  print_workers(status, output);
  print_errors(status, output);
}

}  // namespace gpuwarden::cli
