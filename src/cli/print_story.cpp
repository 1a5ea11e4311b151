#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "explain_view.hpp"
#include "json_access.hpp"
#include "row_json.hpp"
#include "wrap.hpp"

namespace gpuwarden::cli {
namespace {

void print_head(const Json& json, const Json& worker, Output& output) {
  const std::string status = text(worker, "status");
  output.out << "Worker     " << text(worker, "id") << "\n"
             << "As of      " << text(json, "at") << "\n"
             << "State      " << paint(status, status_colour(status), output.colour)
             << fmt::format(", {} for {}; registered {} ago\n", text(worker, "phase"),
                            span(worker, "phase_age_s"), span(worker, "age_s"));
  std::string pod = text(worker, "pod");
  const std::string pod_status = text(worker, "pod_status");
  if (pod.empty()) pod = "none yet";
  if (!pod_status.empty()) pod += ", " + pod_status;
  if (const std::string up = span(worker, "pod_uptime_s"); !up.empty()) pod += ", up " + up;
  if (pod_status.empty() && !text(worker, "pod").empty()) pod += ", not in the newest list";
  const std::string place = text(worker, "data_center");
  output.out << fmt::format("Pod        {}; {}{}\n", pod, text(worker, "gpu"),
                            place.empty() ? "" : " in " + place);
  if (at(worker, "canary") == true) output.out << "Canary     it is the breaker's probe\n";
}

void print_heartbeat(const Json& worker, Output& output) {
  const Json& heartbeat = at(worker, "heartbeat");
  const std::string database = span(heartbeat, "by_database_s");
  const std::string us = span(heartbeat, "by_us_s");
  const std::string watched = span(heartbeat, "watched_s");
  output.out << "Heartbeat  ";
  if (database.empty()) {
    output.out << "none yet";
  } else {
    output.out << database << " ago by the database's clock, "
               << (us.empty() ? "not seen to change by us" : us + " ago by ours");
  }
  output.out << (watched.empty() ? "; not watched\n" : "; watched for " + watched + "\n");
}

void print_deadlines(const Json& worker, Output& output) {
  const Json& deadlines = at(worker, "deadlines");
  if (!deadlines.is_array() || deadlines.empty()) return;
  output.out << "\n" << paint("Deadlines", Colour::bold, output.colour) << "\n";
  for (const Json& deadline : deadlines) {
    const auto in = duration(deadline, "in_s");
    std::string when = "no limit now";
    if (in && *in >= Duration{0}) when = "in " + format_duration(*in);
    if (in && *in < Duration{0}) when = "since " + format_duration(-*in);
    const std::string setting = text(deadline, "setting");
    const std::string head = fmt::format("  {:<14}", when);
    print_wrapped(
        output.out, head, head.size(),
        fmt::format("{}{}; {}{}", text(deadline, "what"), setting.empty() ? "" : " (" + setting + ")",
                    in ? "then " : "", text(deadline, "then")),
        head.size(), output.width);
  }
}

void print_lists(const Json& worker, Output& output) {
  const Json& because = at(worker, "because");
  if (because.is_array() && !because.empty()) {
    output.out << "\n" << paint("Why it is as it is", Colour::bold, output.colour) << "\n";
    for (const Json& reason : because) {
      if (reason.is_string()) print_wrapped(output.out, "  ", 2, reason.get<std::string>(), 2, output.width);
    }
  }
  const Json& flying = at(worker, "in_flight");
  const Json& recent = at(worker, "recent");
  const bool any = (flying.is_array() && !flying.empty()) || (recent.is_array() && !recent.empty());
  if (any) output.out << "\n" << paint("What was done", Colour::bold, output.colour) << "\n";
  if (recent.is_array()) {
    for (const Json& result : recent) {
      const std::string head = fmt::format("  {}  ", text(result, "at"));
      const std::string detail = text(result, "detail"), reason = text(result, "reason");
      print_wrapped(
          output.out, head, head.size(),
          fmt::format("{} {}{}{}", text(result, "action"), at(result, "ok") == false ? "failed" : "done",
                      detail.empty() ? "" : ": " + detail, reason.empty() ? "" : " (" + reason + ")"),
          head.size(), output.width);
    }
  }
  if (flying.is_array()) {
    for (const Json& action : flying) {
      if (action.is_string()) output.out << "  under way: " << printable(action.get<std::string>()) << "\n";
    }
  }
}

}  // namespace

void print_story(const Json& json, Output& output) {
  const Json& worker = at(json, "worker");
  print_head(json, worker, output);
  print_heartbeat(worker, output);
  print_deadlines(worker, output);
  print_lists(worker, output);
}

}  // namespace gpuwarden::cli
