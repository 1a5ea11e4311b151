#include "plan_text.hpp"

#include <algorithm>
#include <map>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "table.hpp"

namespace gpuwarden::cli {
namespace {

/// Worker, pod or placement that an action is about.
std::string subject(const Action& action) {
  std::string text = worker_of(action).str();
  std::visit(
      [&](const auto& a) {
        if constexpr (requires { a.placement; })
          text += fmt::format("{}{}{}", text.empty() ? "" : " on ", a.placement.gpu,
                              a.placement.data_center.empty() ? "" : " in " + a.placement.data_center);
        if constexpr (requires { a.name; }) text = fmt::format("{} ({})", a.name, a.pod.str());
        if constexpr (requires { a.memory; }) text = to_string(a.memory.state);
      },
      action);
  return text;
}

void print_actions(const control::CycleSummary& summary, bool done, Output& output) {
  const auto& actions = summary.report.plan.actions;
  if (actions.empty()) {
    const bool blind = !summary.report.snapshot || !summary.report.pods;
    output.out << "Actions  none" << (blind ? ": not everything could be read" : "") << "\n";
    return;
  }
  output.out << "Actions  " << actions.size() << "\n";
  std::map<std::pair<std::string, std::string>, const control::ActionResult*> results;
  for (const control::ActionResult& result : summary.results)
    results[{result.action, result.worker}] = &result;
  std::vector<Column> columns{{"ACTION"}, {"ABOUT", false, true}, {"REASON", false, true}};
  if (done) columns.push_back({"RESULT", false, true});
  Table table(std::move(columns));
  for (const PlannedAction& planned : actions) {
    std::vector<Cell> row{{std::string(action_name(planned.action)), Colour::bold},
                          {subject(planned.action)},
                          {planned.reason}};
    const auto at = results.find({std::string(action_name(planned.action)), worker_of(planned.action).str()});
    if (at != results.end()) {
      const control::ActionResult& result = *at->second;
      row.push_back({fmt::format("{}{}{}", result.ok ? "done" : "failed", result.detail.empty() ? "" : ": ",
                                 result.detail),
                     result.ok ? Colour::green : Colour::red});
    }
    table.add(std::move(row));
  }
  table.print(output.out, output.width, output.colour, "  ");
}

/// The reason without the error that is printed above as unread.
std::string_view short_reason(const Gate& gate, const control::TickReport& report) {
  std::string_view reason = gate.reason;
  for (const std::string* error : {&report.snapshot_error, &report.pods_error}) {
    const std::string tail = ": " + *error;
    if (!error->empty() && reason.ends_with(tail)) reason.remove_suffix(tail.size());
  }
  return reason;
}

/// "1h 20m of work in 40 tasks, to be done in 10m 0s; 3 tasks of unknown duration are counted"
std::string drain_words(const DrainFigures& drain) {
  std::string text = fmt::format("{} of work in {} tasks, to be done in {}", format_duration(drain.work),
                                 drain.timed, format_duration(drain.target));
  if (drain.timed == 0) text = fmt::format("to be done in {}", format_duration(drain.target));
  if (drain.counted > 0) text += fmt::format("; {} tasks of unknown duration are counted", drain.counted);
  return text;
}

}  // namespace

void print_plan(const control::CycleSummary& summary, bool done, Output& output) {
  const control::TickReport& report = summary.report;
  const ScaleFigures& scale = report.plan.scale;
  output.out << fmt::format("As of    {}\n", format_time(report.at));
  if (!report.snapshot)
    output.out << paint("Unread   ", Colour::red, output.colour)
               << "Supabase: " << printable(report.snapshot_error) << "\n";
  if (!report.pods)
    output.out << paint("Unread   ", Colour::red, output.colour) << "Runpod: " << printable(report.pods_error)
               << "\n";
  if (report.snapshot) {
    output.out << fmt::format("Queue    {} waiting, {} running\n", scale.queued, scale.running)
               << fmt::format("Fleet    {} wanted; {} active ({} idle), {} spawning, {} draining\n",
                              scale.wanted, scale.active, scale.idle, scale.spawning, scale.draining);
    if (scale.drain) output.out << "Drain    " << drain_words(*scale.drain) << "\n";
  }
  print_actions(summary, done, output);
  if (!report.plan.gates.empty()) {
    output.out << "Held back by\n";
    Table table({{"GATE"}, {"REASON", false, true}, {"OPENS IN"}});
    for (const Gate& gate : report.plan.gates)
      table.add({{gate.name, Colour::yellow},
                 {std::string(short_reason(gate, report))},
                 {gate.opens_in ? format_duration(*gate.opens_in) : ""}});
    table.print(output.out, output.width, output.colour, "  ");
  }
}

int plan_exit_code(const control::CycleSummary& summary) {
  const control::TickReport& report = summary.report;
  if (!report.snapshot && is_unreachable(report.snapshot_error_kind)) return kUnreachable;
  if (!report.pods && is_unreachable(report.pods_error_kind)) return kUnreachable;
  if (!report.snapshot || !report.pods) return kFailed;
  const auto failed = [](const control::ActionResult& result) { return !result.ok; };
  return std::any_of(summary.results.begin(), summary.results.end(), failed) ? kFailed : kDone;
}

std::string_view next_after_plan(const control::CycleSummary& summary, bool done) {
  if (!summary.report.snapshot || !summary.report.pods) return "Next: gpuwarden doctor";
  if (!done) return "Nothing was done. To do it once: gpuwarden once";
  return plan_exit_code(summary) == kDone ? "Next: gpuwarden status" : "Next: gpuwarden doctor";
}

}  // namespace gpuwarden::cli
