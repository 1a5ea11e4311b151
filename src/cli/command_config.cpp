#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "command.hpp"
#include "table.hpp"

namespace gpuwarden::cli {
namespace {

using config::Entry;
using config::Loaded;
using config::Problem;

std::string counted(std::size_t number, std::string_view what) {
  return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
}

void print_problems(const Loaded& loaded, Output& output) {
  for (const Problem& problem : loaded.errors)
    output.out << paint("error", Colour::red, output.colour) << "    " << problem.name << ": "
               << problem.message << "\n";
  for (const Problem& problem : loaded.warnings)
    output.out << paint("warning", Colour::yellow, output.colour) << "  " << problem.name << ": "
               << problem.message << "\n";
}

void print_summary(const Loaded& loaded, Output& output) {
  if (loaded.errors.empty() && loaded.warnings.empty()) {
    output.out << paint("ok", Colour::green, output.colour)
               << "  The configuration is valid. Next: gpuwarden doctor\n";
  } else if (loaded.errors.empty()) {
    output.out << fmt::format("The configuration is valid, with {}. Next: gpuwarden doctor\n",
                              counted(loaded.warnings.size(), "warning"));
  } else {
    output.out << fmt::format("{}, {}. Next: mend them, then gpuwarden config --check\n",
                              counted(loaded.errors.size(), "error"),
                              counted(loaded.warnings.size(), "warning"));
  }
}

/// One table a group: every variable with its meaning, or only what the operator gave.
void print_groups(const Loaded& loaded, Output& output, bool everything) {
  std::string group;
  std::vector<Column> columns{{"NAME"}, {"VALUE", false, true}, {"ORIGIN", false, true}};
  if (everything) columns.push_back({"MEANING", false, true});
  std::vector<std::pair<std::string, Table>> tables;
  for (const Entry& entry : loaded.entries) {
    if (!everything && !entry.given) continue;
    if (entry.group != group) {
      group = entry.group;
      tables.emplace_back(group, Table(columns));
    }
    const bool unset = entry.value.empty();
    tables.back().second.add({{entry.name, entry.given ? Colour::bold : Colour::none},
                              {unset ? entry.default_value : entry.value, unset ? Colour::dim : Colour::none},
                              {entry.origin, Colour::dim},
                              {entry.meaning, Colour::none}});
  }
  for (const auto& [name, table] : tables) {
    output.out << paint(name, Colour::bold, output.colour) << "\n";
    table.print(output.out, output.width, output.colour, "  ");
    output.out << "\n";
  }
}

Json problems_json(const std::vector<Problem>& problems) {
  Json list = Json::array();
  for (const Problem& problem : problems)
    list.push_back({{"name", problem.name}, {"message", problem.message}});
  return list;
}

Json config_json(const Loaded& loaded) {
  Json variables = Json::array();
  for (const Entry& entry : loaded.entries) {
    variables.push_back({{"name", entry.name},
                         {"group", entry.group},
                         {"value", text_or_null(entry.value)},
                         {"default", text_or_null(entry.default_value)},
                         {"given", entry.given},
                         {"origin", entry.origin},
                         {"secret", entry.secret},
                         {"type", entry.type},
                         {"meaning", entry.meaning}});
  }
  return {{"valid", loaded.errors.empty()},
          {"errors", problems_json(loaded.errors)},
          {"warnings", problems_json(loaded.warnings)},
          {"variables", std::move(variables)}};
}

}  // namespace

int show_config(const Invocation& line, const config::Source& source, Output& output) {
  if (line.example && !output.json) {
    output.out << config::example_file();
    return kDone;
  }
  const Loaded loaded = config::load(source, false);
  const int code = loaded.errors.empty() ? kDone : kUsage;
  if (output.json) {
    print_json(output, line.check ? Json{{"valid", loaded.errors.empty()},
                                         {"errors", problems_json(loaded.errors)},
                                         {"warnings", problems_json(loaded.warnings)}}
                                  : config_json(loaded));
    return code;
  }
  if (!line.check) {
    print_groups(loaded, output, line.explain);
    if (!line.explain)
      output.out << "Only what differs from the defaults. Everything: gpuwarden config --explain\n";
  }
  print_problems(loaded, output);
  print_summary(loaded, output);
  return code;
}

}  // namespace gpuwarden::cli
