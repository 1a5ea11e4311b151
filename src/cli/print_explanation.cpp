#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "explain_view.hpp"
#include "json_access.hpp"
#include "table.hpp"
#include "wrap.hpp"

namespace gpuwarden::cli {
namespace {

void heading(Output& output, std::string_view words) {
  output.out << "\n" << paint(words, Colour::bold, output.colour) << "\n";
}

/// "  text", wrapped and indented.
void item(Output& output, std::string_view words) {
  constexpr std::size_t kIndent = 2;
  print_wrapped(output.out, "  ", kIndent, words, kIndent, output.width);
}

void print_fleet(const Json& json, Output& output) {
  const Json& queue = at(json, "queue");
  const Json& scale = at(json, "scale");
  const std::string next = span(json, "next_tick_in_s");
  output.out << "As of    " << text(json, "at");
  if (at(json, "tick").is_number() && at(json, "fresh") != true)
    output.out << fmt::format(" (tick {}{})", number(json, "tick"),
                              next.empty() ? "" : ", the next one in " + next);
  output.out << "\n";
  if (!queue.is_object()) return;
  output.out << fmt::format("Queue    {} waiting, {} running, {} blocked by other tasks\n",
                            number(queue, "queued"), number(queue, "running"), number(queue, "blocked"))
             << fmt::format("Fleet    {} active ({} idle), {} spawning, {} draining\n",
                            number(scale, "active"), number(scale, "idle"), number(scale, "spawning"),
                            number(scale, "draining"));
}

void print_size(const Json& json, Output& output) {
  const Json& scale = at(json, "scale");
  const Json& steps = at(scale, "steps");
  if (!steps.is_array() || steps.empty()) return;
  heading(output, "How many there should be");
  for (const Json& step : steps) {
    if (step.is_string()) item(output, step.get<std::string>());
  }
  const long wanted = number(scale, "wanted"), there = number(scale, "capacity");
  std::string sum = fmt::format("{} wanted, {} there (active and spawning): ", wanted, there);
  if (wanted > there) {
    sum += fmt::format("{} missing", wanted - there);
  } else {
    sum +=
        wanted < there ? fmt::format("{} more than wanted", there - wanted) : std::string("as it should be");
  }
  item(output, sum);
}

void print_gates(const Json& json, Output& output) {
  const Json& gates = at(json, "gates");
  if (!gates.is_array()) return;
  if (gates.empty()) {
    output.out << "\nNothing holds it back.\n";
    return;
  }
  heading(output, "What holds it back");
  for (const Json& gate : gates) {
    const std::string name = text(gate, "name");
    print_wrapped(output.out, "  " + paint(name, Colour::yellow, output.colour) + ": ", name.size() + 4,
                  text(gate, "reason"), 4, output.width);
    const bool by_itself = at(gate, "by_itself") != false;
    const auto opens = duration(gate, "opens_in_s");
    std::string when = by_itself ? "opens by itself" : "needs you";
    if (opens && *opens <= Duration{0}) when = "could open with the next tick";
    if (opens && *opens > Duration{0})
      when = fmt::format("could open in {} ({})", format_duration(*opens), text(gate, "opens_at"));
    if (const std::string remedy = text(gate, "remedy"); !remedy.empty()) when.append("; ").append(remedy);
    print_wrapped(output.out, "    ", 4, when, 4, output.width);
  }
}

void print_actions(const Json& actions, Output& output) {
  Table table({{"ACTION"}, {"ABOUT", false, true}, {"REASON", false, true}});
  for (const Json& action : actions) {
    std::string about = text(action, "worker");
    for (const char* more : {"pod_name", "state"}) {
      if (about.empty()) about = text(action, more);
    }
    table.add({{text(action, "action"), Colour::bold}, {about}, {text(action, "reason")}});
  }
  table.print(output.out, output.width, output.colour, "  ");
}

void print_what_it_does(const Json& json, Output& output) {
  const bool fresh = at(json, "fresh") == true;
  const Json& done = at(json, "actions");
  if (!fresh && done.is_array() && !done.empty()) {
    heading(output, "What the last tick began");
    print_actions(done, output);
  }
  const Json& flying = at(json, "in_flight");
  if (flying.is_array() && !flying.empty()) {
    std::string list;
    for (const Json& one : flying)
      list += (list.empty() ? "" : ", ") + (one.is_string() ? one.get<std::string>() : std::string());
    heading(output, "What is under way");
    item(output, list);
  }
  const Json& next = at(at(json, "next"), "actions");
  if (!next.is_array()) return;
  heading(output, fresh ? "What a tick would do now" : "What the next tick would do if nothing else changes");
  if (next.empty()) {
    item(output, "nothing");
  } else {
    print_actions(next, output);
  }
}

void print_history(const Json& json, Output& output) {
  const Json& history = at(json, "history");
  if (!history.is_array() || at(json, "fresh") == true) return;
  bool any = false;
  for (auto entry = history.rbegin(); entry != history.rend(); ++entry) {
    const std::string until = text(*entry, "until");
    if (until.empty()) continue;  // it stands above
    if (!any) heading(output, "What held it back in the last hour");
    any = true;
    item(output, fmt::format("held back by {} for {} until {}: {}", text(*entry, "gate"),
                             span(*entry, "lasted_s"), until, text(*entry, "reason")));
  }
  for (const Json& entry : history) {
    if (!text(entry, "until").empty()) continue;
    if (!any) heading(output, "What held it back in the last hour");
    any = true;
    item(output, fmt::format("held back by {} for {} so far, since {}", text(entry, "gate"),
                             span(entry, "lasted_s"), text(entry, "from")));
  }
}

}  // namespace

void print_explanation(const Json& json, Output& output) {
  print_fleet(json, output);
  const Json& errors = at(json, "errors");
  if (errors.is_array()) {
    for (const Json& error : errors) {
      if (error.is_string())
        print_wrapped(output.out, paint("Unread   ", Colour::red, output.colour), 9, error.get<std::string>(),
                      9, output.width);
    }
  }
  print_size(json, output);
  print_gates(json, output);
  print_what_it_does(json, output);
  print_history(json, output);
}

}  // namespace gpuwarden::cli
