#include <algorithm>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "report_parts.hpp"

namespace gpuwarden::diagnosis {
namespace {

constexpr const char* kEdit = "sudoedit /etc/gpuwarden/gpuwarden.env";
constexpr const char* kCheck = "gpuwarden config --check && systemctl reload gpuwarden";

/// Back to what worked, where the records show what that was.
std::optional<Step> way_back(const Change& change) {
  const std::string until =
      change.previous_success ? ", the last at " + format_time(*change.previous_success) : "";
  Step step;
  if (change.what == "script") {
    step.text = fmt::format(
        "The startup script or a WORKER_* setting changed at {}: compare the settings with those of before",
        format_time(change.since));
    step.commands = {"gpuwarden config --explain"};
    return step;
  }
  const bool place = change.what == "GPU type" || change.what == "data centre";
  if (place) {
    step.text = fmt::format("Take {} out of {} until it is mended: {} elsewhere succeeded{}", change.value,
                            change.option, many(change.previous_successes, "start"), until);
    step.commands = {kEdit, kCheck};
    return step;
  }
  step.text = fmt::format("Go back to the {} that worked: {} succeeded before{}", change.what,
                          many(change.previous_successes, "start"), until);
  step.commands = {fmt::format("{}={}   # in /etc/gpuwarden/gpuwarden.env", change.option, change.previous),
                   kCheck};
  return step;
}

/// What the advice names in backticks, with the newest worker in place of WORKER.
void add_commands(const ReportedCause& cause, std::vector<std::string>& commands) {
  std::string_view rest = cause.advice;
  for (std::size_t open = rest.find('`'); open != std::string_view::npos; open = rest.find('`')) {
    rest.remove_prefix(open + 1);
    const std::size_t close = rest.find('`');
    if (close == std::string_view::npos) return;
    std::string command(rest.substr(0, close));
    rest.remove_prefix(close + 1);
    constexpr std::string_view kWorker = " WORKER";
    // A variable's name is none.
    if (const auto at = command.find(kWorker);
        at != std::string::npos && command.substr(at + kWorker.size()).find('_') != 0)
      command.replace(at + 1, kWorker.size() - 1, cause.newest.str());
    const bool typed = command.starts_with("gpuwarden ") || command.starts_with("systemctl ");
    if (typed && std::find(commands.begin(), commands.end(), command) == commands.end())
      commands.push_back(std::move(command));
  }
}

/// What the operator sees and types for one fault.
Step mend(const ReportedCause& cause) {
  Step step;
  step.text = fmt::format("{}: {}", cause.cause,
                          cause.advice.empty() ? "see what is known of the newest one" : cause.advice);
  step.commands.push_back("gpuwarden worker " + cause.newest.str());
  add_commands(cause, step.commands);
  if (cause.scope == "image_and_script" || cause.scope == "request" || cause.scope == "placement") {
    std::erase(step.commands, "systemctl reload gpuwarden");
    step.commands.emplace_back(kEdit);
    step.commands.emplace_back(kCheck);
  }
  return step;
}

long tasks_now(const Incident& incident, const std::string& status) {
  const auto found = incident.tasks.find(status);
  return found == incident.tasks.end() ? 0 : found->second;
}

/// What is in the way whatever the cause is.
void add_switches(const IncidentReport& report, const Incident& incident, std::vector<Step>& steps) {
  switch (report.scaling) {
    case Scaling::no_daemon:
      steps.push_back({"No daemon leads, so nothing is started, rescued or deleted",
                       {"systemctl start gpuwarden", "journalctl -u gpuwarden -n 50"}});
      break;
    case Scaling::paused:
      steps.push_back({"The fleet is paused; to end that", {"gpuwarden resume"}});
      break;
    case Scaling::held:
      steps.push_back({"The breaker is held; to let it decide again", {"gpuwarden breaker clear"}});
      break;
    case Scaling::released:
      if (report.failed_starts > 0 && report.recovered == 0)
        steps.push_back(
            {"The breaker is released, so pods that fail are started without end; to let it decide again",
             {"gpuwarden breaker clear"}});
      break;
    case Scaling::blocked:
    case Scaling::probing:
      steps.push_back({"When the cause is mended, the canary need not be waited for",
                       {"gpuwarden breaker reset --reason \"what was mended\""}});
      break;
    case Scaling::running:
    case Scaling::limited:
      break;
  }
  if (const long lost = tasks_now(incident, "Failed"); lost > 0)
    steps.push_back({fmt::format("{} that failed workers held {} failed for good", many(lost, "task"),
                                 lost == 1 ? "has" : "have"),
                     {"gpuwarden tasks --status failed"}});
}

std::string canary_words(const IncidentReport& report, const Incident& incident,
                         const ReportContext& context) {
  const BreakerMemory& breaker = incident.breaker;
  const Duration wait = std::max(Duration{0}, context.canary_in.value_or(breaker.pause - breaker.state_age));
  const std::string when = wait > Duration{0} ? fmt::format("In {} (about {})", format_duration(wait),
                                                            format_time(report.now + wait))
                                              : std::string("With the next tick");
  return when +
         " one pod, the canary, is tried, provided that work waits. If it comes up, a second one follows and "
         "then the breaker closes; if it fails, the pause doubles. A changed script is tried at once";
}

}  // namespace

std::vector<Step> fixes_of(const IncidentReport& report, const Incident& incident) {
  std::vector<Step> steps;
  if (report.scaling == Scaling::no_daemon) add_switches(report, incident, steps);
  if (report.recovered == 0) {
    for (const Change& change : report.pattern.changes) {
      if (auto step = way_back(change)) steps.push_back(std::move(*step));
    }
  }
  std::size_t told = 0;
  for (const ReportedCause& cause : report.causes) {
    if (told++ == 3) break;
    // What has mended itself needs a look only where it is asked for.
    if (told == 1 && report.recovered > 0) {
      steps.push_back(
          {fmt::format("{} is over for now: {} succeeded since {}. If it comes back: {}", cause.cause,
                       many(report.recovered, "start"), format_time(*report.recovered_at), cause.advice),
           {"gpuwarden worker " + cause.newest.str()}});
      continue;
    }
    steps.push_back(mend(cause));
  }
  if (report.scaling != Scaling::no_daemon) add_switches(report, incident, steps);
  return steps;
}

std::vector<Step> next_of(const IncidentReport& report, const Incident& incident,
                          const ReportContext& context) {
  std::vector<Step> steps;
  const BreakerMemory& breaker = incident.breaker;
  switch (report.scaling) {
    case Scaling::no_daemon:
      steps.push_back({"Nothing, until a daemon runs again; pods that are up go on with their tasks", {}});
      break;
    case Scaling::paused:
      steps.push_back({"Nothing is started or removed until somebody ends the pause", {}});
      break;
    case Scaling::held: {
      const auto& ends = incident.breaker_override->expires_in;
      steps.push_back({ends ? fmt::format("Nothing is started until the hold ends by itself in {} ({})",
                                          format_duration(*ends), format_time(report.now + *ends))
                            : std::string("Nothing is started until somebody clears the hold"),
                       {}});
      break;
    }
    case Scaling::released: {
      const auto& ends = incident.breaker_override->expires_in;
      steps.push_back(
          {ends ? fmt::format("Pods are started whatever the evidence says, for {} more",
                              format_duration(*ends))
                : std::string("Pods are started whatever the evidence says, until somebody clears that"),
           {}});
      break;
    }
    case Scaling::blocked:
      steps.push_back({canary_words(report, incident, context), {}});
      break;
    case Scaling::probing:
      steps.push_back(
          {fmt::format("{}; {} came up so far. After two the breaker closes; after a failure it opens "
                       "again and the pause doubles",
                       breaker.canary.empty() ? "The next canary starts with a coming tick"
                                              : "Canary " + breaker.canary.str() + " is on its way",
                       breaker.canary_successes),
           {}});
      break;
    case Scaling::limited:
      steps.push_back(
          {"The places with an open breaker are tried again by canaries of their own; the others go on", {}});
      break;
    case Scaling::running:
      if (report.failures > 0)
        steps.push_back({"Starts go on; the breaker stops them if failures become the rule", {}});
      break;
  }
  if (report.queue.queued > 0)
    steps.push_back(
        {fmt::format(
             "{} for a worker; waiting costs no attempt",
             report.queue.queued == 1 ? "1 task waits" : fmt::format("{} tasks wait", report.queue.queued)),
         {}});
  const long requeued = tasks_now(incident, "Queued"), running = tasks_now(incident, "In Progress"),
             complete = tasks_now(incident, "Complete");
  if (requeued + running + complete > 0)
    steps.push_back(
        {fmt::format(
             "Of the tasks that failed workers held, {} are queued again, {} run elsewhere and {} are "
             "complete",
             requeued, running, complete),
         {}});
  if (report.failures > 0 && context.retention)
    steps.push_back(
        {fmt::format("The evidence is kept for {} (FAILURE_RETENTION_DAYS), also when the pods are gone",
                     many(std::chrono::duration_cast<std::chrono::days>(*context.retention).count(), "day")),
         {}});
  return steps;
}

}  // namespace gpuwarden::diagnosis
