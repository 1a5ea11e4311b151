#include <iterator>
#include <set>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "command.hpp"
#include "json_access.hpp"
#include "table.hpp"
#include "wrap.hpp"

namespace gpuwarden::cli {
namespace {

constexpr std::size_t kMostShown = 20;

void print_difference(const Json& difference, Output& output) {
  constexpr std::size_t kIndent = 4;
  const auto list = [&](const char* name, std::string_view label) {
    for (const Json& one : at(difference, name)) {
      if (one.is_string())
        print_wrapped(output.out, fmt::format("    {}", label), kIndent + label.size(),
                      one.get<std::string>(), kIndent + label.size(), output.width);
    }
  };
  list("only_recorded", "- ");
  list("only_changed", "+ ");
  list("gates_gone", "no longer held back by ");
  list("gates_new", "held back by ");
}

std::string wanted(const Json& difference) {
  const Json& pair = at(difference, "wanted");
  if (!pair.is_array() || pair.size() != 2 || pair[0] == pair[1]) return "";
  return fmt::format("  wanted {} -> {}", pair[0].dump(), pair[1].dump());
}

/// The same but for the time.
bool alike(const Json& a, const Json& b) {
  for (const char* part : {"wanted", "only_recorded", "only_changed", "gates_gone", "gates_new"}) {
    if (at(a, part) != at(b, part)) return false;
  }
  return number(a, "tick") + 1 == number(b, "tick");
}

void print_differences(const Json& json, Output& output) {
  const Json& differences = at(json, "differences");
  if (!differences.is_array()) return;
  const long all = number(json, "differing_ticks");
  output.out << fmt::format("\nDecisions differ in {} of {} ticks", all, number(json, "ticks"));
  output.out << "\n";
  // Alike ones that follow each other are told once.
  std::size_t shown = 0;
  for (auto first = differences.begin(); first != differences.end() && shown < kMostShown; ++shown) {
    auto last = first;
    while (std::next(last) != differences.end() && alike(*last, *std::next(last))) ++last;
    const bool one = first == last;
    output.out << fmt::format(
        "  {}{}{}\n",
        one ? text(*first, "at") : fmt::format("{} to {}", text(*first, "at"), text(*last, "at")),
        one ? fmt::format("  tick {}", number(*first, "tick"))
            : fmt::format("  ticks {} to {}", number(*first, "tick"), number(*last, "tick")),
        wanted(*first));
    print_difference(*first, output);
    first = std::next(last);
    if (shown + 1 == kMostShown && first != differences.end()) output.out << "  … all of them: --json\n";
  }
}

/// Rows of the summary, in the order of the first run.
void print_summary(const Json& json, Output& output) {
  const Json& summary = at(json, "summary");
  const Json& recorded = at(summary, "recorded");
  const Json& changed = at(summary, "changed");
  const bool both = changed.is_object();
  std::vector<Column> columns{{"FIGURE"}, {"RECORDED", true}};
  if (both) columns.push_back({"CHANGED", true});
  Table table(std::move(columns));
  const auto row = [&](const std::string& name, const auto& figure) {
    std::vector<Cell> cells{{name}, {figure(recorded)}};
    if (both) cells.push_back({figure(changed)});
    table.add(std::move(cells));
  };
  std::set<std::string> names, gates;
  for (const Json* one : {&recorded, &changed}) {
    for (const auto& [name, count] : at(*one, "actions").items()) names.insert(name);
    for (const auto& [gate, time] : at(*one, "held_back_s").items()) gates.insert(gate);
  }
  row("pod hours wanted", [](const Json& one) {
    const Json& seconds = at(one, "wanted_pod_s");
    return fmt::format("{:.2f}", seconds.is_number() ? seconds.get<double>() / 3600.0 : 0.0);
  });
  row("most missing at once", [](const Json& one) { return std::to_string(number(one, "most_missing")); });
  row("workers to drain", [](const Json& one) { return std::to_string(number(one, "workers_drained")); });
  row("workers to fail", [](const Json& one) { return std::to_string(number(one, "workers_failed")); });
  for (const std::string& name : names)
    row(name + " asked for",
        [&](const Json& one) { return std::to_string(number(at(one, "actions"), name.c_str())); });
  for (const std::string& gate : gates) {
    row("held back by " + gate, [&](const Json& one) {
      const std::string time = span(at(one, "held_back_s"), gate.c_str());
      return time.empty() ? std::string("0s") : time;
    });
  }
  output.out << "\n";
  table.print(output.out, output.width, output.colour);
}

void print_reproduction(const Json& json, Output& output) {
  std::string versions;
  for (const Json& version : at(json, "recorded_by")) {
    if (version.is_string()) versions += (versions.empty() ? "" : ", ") + version.get<std::string>();
  }
  output.out << fmt::format("Record    {} ticks of {} run{}, {} to {}, by gpuwarden {}\n",
                            number(json, "ticks"), number(json, "processes"),
                            number(json, "processes") == 1 ? "" : "s", text(json, "from"),
                            text(json, "until"), printable(versions));
  for (const Json& warning : at(json, "warnings")) {
    if (warning.is_string())
      print_wrapped(output.out, paint("Warning   ", Colour::yellow, output.colour), 10,
                    warning.get<std::string>(), 10, output.width);
  }
  if (at(json, "reproduced") == true) {
    output.out << "Replayed  the recorded settings give the recorded decisions in every tick\n";
    return;
  }
  const Json& first = at(json, "first_mismatch");
  output.out << paint("Replayed  ", Colour::red, output.colour)
             << fmt::format("{} of {} ticks give other decisions, the first at {} (tick {}, line {})\n",
                            number(json, "mismatches"), number(json, "ticks"), text(first, "at"),
                            number(first, "tick"), number(first, "line"));
  const std::string program = text(json, "program");
  output.out << (versions == program
                     ? fmt::format(
                           "          although this is gpuwarden {} too: the record is incomplete or was "
                           "changed, or this build decides otherwise\n",
                           program)
                     : fmt::format("          this is gpuwarden {}: it decides otherwise\n", program));
  const Json& difference = at(first, "difference");
  if (difference.is_object()) {
    output.out << fmt::format("          - recorded, + now{}\n", wanted(difference));
    print_difference(difference, output);
  } else {
    output.out
        << "          the same actions and gates, for other reasons or with other times (see --json)\n";
  }
}

void print_replay(const Json& json, Output& output) {
  print_reproduction(json, output);
  const Json& changes = at(json, "changes");
  const bool changed = changes.is_array() && !changes.empty();
  if (changed) {
    std::string list;
    for (const Json& change : changes)
      list += fmt::format("{}{}={}", list.empty() ? "" : ", ", text(change, "name"), text(change, "value"));
    output.out << "Changed   " << list << "\n";
    print_differences(json, output);
  }
  print_summary(json, output);
  if (changed) {
    output.out << "\n";
    print_wrapped(
        output.out, "", 0,
        "The recorded world does not react to other decisions: a pod that only the changed settings ask "
        "for never appears, so it is asked for again, and one that they would not have asked for stays. "
        "Counts of actions are therefore upper bounds; what was wanted and what held back is exact.",
        0, output.width);
  }
}

}  // namespace

int replay(const Invocation& line, const Offline& offline, Output& output) {
  ReplayRequest request;
  request.file = line.arguments.empty() ? "" : line.arguments.front();
  for (const std::string& change : line.changes) {
    const std::size_t equals = change.find('=');
    if (equals == std::string::npos || equals == 0) {
      Error wrong;
      wrong.kind = ErrorKind::invalid_input;
      wrong.message = fmt::format("--set takes NAME=VALUE, not '{}'", change);
      report_error(output, wrong, "gpuwarden replay --help");
      return kUsage;
    }
    request.changes.emplace_back(change.substr(0, equals), change.substr(equals + 1));
  }
  const auto answer = offline.replay(request);
  if (!answer) {
    const bool usage = answer.error().kind == ErrorKind::invalid_input;
    report_error(output, answer.error(),
                 usage ? "gpuwarden config --explain   # groups Scaling, Times, Tasks, Breaker"
                       : "set GPUWARDEN_JOURNAL, then: systemctl restart gpuwarden");
    return usage ? kUsage : kFailed;
  }
  const Json json = Json::parse(*answer, nullptr, false);
  const int code = at(json, "reproduced") == true ? kDone : kFailed;
  if (output.json) {
    print_json(output, json);
    return code;
  }
  print_replay(json, output);
  output.out << (at(json, "changes").empty()
                     ? "\nNext: gpuwarden replay FILE --set NAME=VALUE, such as MAX_ACTIVE_GPUS=20\n"
                     : "\nNext: gpuwarden config --explain   # says what each variable means\n");
  return code;
}

}  // namespace gpuwarden::cli
