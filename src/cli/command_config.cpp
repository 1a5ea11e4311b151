#include <algorithm>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "command.hpp"
#include "problems.hpp"
#include "table.hpp"
#include "wrap.hpp"

namespace gpuwarden::cli {
namespace {

using config::Entry;
using config::Loaded;
using config::Problem;

void print_problems(const Loaded& loaded, Output& output) {
  constexpr std::size_t kLabel = 9;
  const auto print = [&](const Problem& problem, std::string_view word, Colour colour) {
    print_wrapped(output.out, paint(word, colour, output.colour) + std::string(kLabel - word.size(), ' '),
                  kLabel, problem.name + ": " + problem.message, kLabel, output.width);
  };
  for (const Problem& problem : loaded.errors) print(problem, "error", Colour::red);
  for (const Problem& problem : loaded.warnings) print(problem, "warning", Colour::yellow);
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

/// Where the values were looked for.
void print_file(const config::EnvFile& file, Output& output) {
  if (file.path.empty()) {
    output.out << "File     none: GPUWARDEN_ENV_FILE is not set"
               << ", and " << config::kServiceEnvFile << " is not used\n\n";
    return;
  }
  output.out << "File     " << file.path
             << (file.by_default ? " (used because neither GPUWARDEN_ENV_FILE nor SUPABASE_URL is set)"
                                 : " (named by GPUWARDEN_ENV_FILE)")
             << "\n\n";
}

/// "NAME=value  (origin)" and, where asked for, what it means: long values and meanings are wrapped, never
/// cut.
void print_entry(const Entry& entry, Output& output, bool with_meaning) {
  constexpr std::size_t kWidest = 100;
  const std::size_t width = std::min<std::size_t>(static_cast<std::size_t>(output.width), kWidest);
  const bool unset = entry.value.empty();
  const std::string value =
      unset ? entry.default_value.empty() ? "(not set)" : entry.default_value : printable(entry.value);
  const std::string note = entry.origin == "not set" ? std::string() : "  [" + entry.origin + "]";
  const std::string line = entry.name + "=" + value;
  const bool one_line = 2 + display_width(line) + display_width(note) <= width;
  const std::string_view separator = unset ? "  " : "=";
  std::vector<std::string> lines = wrapped(entry.name + std::string(separator) + value, width - 2, width - 6);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    output.out << (i == 0 ? "  " : "      ");
    if (i != 0) {
      output.out << lines[i] << "\n";
      continue;
    }
    const std::size_t name_end = std::min(entry.name.size(), lines[i].size());
    output.out << paint(lines[i].substr(0, name_end), entry.given ? Colour::bold : Colour::none,
                        output.colour)
               << paint(lines[i].substr(name_end), unset ? Colour::dim : Colour::none, output.colour)
               << paint(one_line ? note : std::string(), Colour::dim, output.colour) << "\n";
  }
  if (!one_line && !note.empty()) {
    for (const std::string& part : wrapped(note.substr(2), width - 6, width - 6))
      output.out << "      " << paint(part, Colour::dim, output.colour) << "\n";
  }
  if (!with_meaning) return;
  std::string meaning = entry.meaning;
  if (entry.type != "text") meaning += " Takes " + entry.type + ".";
  for (const std::string& part : wrapped(meaning, width - 6, width - 6))
    output.out << "      " << part << "\n";
}

/// Every variable with its meaning, or only what the operator gave.
void print_groups(const Loaded& loaded, Output& output, bool everything) {
  std::string group;
  for (const Entry& entry : loaded.entries) {
    if (!everything && !entry.given) continue;
    if (entry.group != group) {
      output.out << (group.empty() ? "" : "\n") << paint(entry.group, Colour::bold, output.colour) << "\n";
      group = entry.group;
    }
    print_entry(entry, output, everything);
  }
  output.out << "\n";
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
          {"file", text_or_null(loaded.file.path)},
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
  const Loaded loaded = config::load(source, config::SshKey::check);
  const int code = loaded.errors.empty() ? kDone : kUsage;
  if (output.json) {
    print_json(output, line.check ? Json{{"valid", loaded.errors.empty()},
                                         {"errors", problems_json(loaded.errors)},
                                         {"warnings", problems_json(loaded.warnings)}}
                                  : config_json(loaded));
    return code;
  }
  if (!line.check) {
    print_file(loaded.file, output);
    print_groups(loaded, output, line.explain);
    if (!line.explain)
      output.out << "Only what differs from the defaults. Everything: gpuwarden config --explain\n";
  }
  print_problems(loaded, output);
  print_summary(loaded, output);
  return code;
}

}  // namespace gpuwarden::cli
