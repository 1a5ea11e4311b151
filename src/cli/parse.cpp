#include <algorithm>
#include <cctype>
#include <map>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "gpuwarden/cli/context.hpp"
#include "gpuwarden/config/nearest.hpp"

#include "command_list.hpp"
#include "span.hpp"

namespace gpuwarden::cli {
namespace {

/// Texts of options that need a second look after CLI11 has split the line.
struct Raw {
  std::string subject, since, status, lasting, source;
};

std::string indented(const std::string& lines) {
  std::string out = "Examples:\n  ";
  for (const char c : lines) {
    out.push_back(c);
    if (c == '\n') out += "  ";
  }
  return out + "\n";
}

void add_operator_options(CLI::App& command, const std::string& name, Invocation& line, Raw& raw) {
  if (name == "breaker") {
    command.add_option("WORD", raw.subject, "hold, release, clear or reset; without one: how it stands")
        ->type_name("");
    command
        .add_option("--for", raw.lasting,
                    "hold and release: how long, such as 30m or 2h (default: until clear)")
        ->type_name("TIME");
  }
  command
      .add_option("--reason", line.reason,
                  name == "resume" ? "why, for those who look later" : "why; the others will read it")
      ->type_name("TEXT");
  command.add_option("--actor", line.actor, "who you are (default: $SUDO_USER or $USER)")->type_name("NAME");
}

/// Of the commands that tell what was.
void add_story_options(CLI::App& command, const std::string& name, Invocation& line, Raw& raw) {
  if (name == "worker" || name == "logs")
    command
        .add_option("ID", raw.subject,
                    "worker id, as in `gpuwarden workers`; its beginning or end, or its pod's id, will do")
        ->required()
        ->type_name("");
  if (name == "task")
    command.add_option("ID", raw.subject, "task id, as in `gpuwarden tasks`; its beginning will do")
        ->required()
        ->type_name("");
  if (name == "logs") {
    command.add_option("--tail", line.tail, "lines at most, 0 to 5000 (default: 100)")
        ->check(CLI::Range(0, 5000).description(""))
        ->type_name("N");
    command
        .add_option("--source", raw.source,
                    "worker, bootstrap, container or system (default: what fits the worker's phase)")
        ->type_name("SOURCE");
  }
  if (name == "events")
    command.add_option("--worker", line.worker, "only those of this worker")->type_name("ID");
  if (name == "logs" || name == "events")
    command.add_flag("-f,--follow", line.follow, "go on with what comes, until Ctrl-C");
  if (name == "failures") command.add_flag("--each", line.each, "one line a failure, not one a fault");
  if (name == "failures" || name == "events")
    command.add_option("--since", raw.since, "how far back: 30m, 2h, 1d (default: 24h)")->type_name("TIME");
}

void add_report_options(CLI::App& command, Invocation& line, Raw& raw) {
  command.add_option("--since", raw.since, "how far back: 30m, 2h, 1d (default: 2h)")->type_name("TIME");
  command
      .add_option("--format", line.format,
                  "text for reading here (the default), md for an issue or a chat, json as --json")
      ->check(CLI::IsMember({"text", "md", "json"}).description(""))
      ->type_name("FORMAT");
}

void add_commands(CLI::App& app, Invocation& line, Raw& raw) {
  for (const CommandInfo& info : command_list()) {
    CLI::App* command = app.add_subcommand(info.name, info.summary);
    command->footer(indented(info.examples));
    command->add_flag(
        "--json", line.json,
        info.name == "run" ? "log in JSON lines, as LOG_FORMAT=json does" : "machine-readable output");
    if (info.name == "once") command->add_flag("--dry-run", line.dry_run, "only say what would be done");
    if (info.name == "doctor")
      command->add_flag("--pod", line.pod,
                        "would a worker start now? One pod is brought up, checked and deleted (some cents)");
    if (info.name == "workers") command->add_flag("--all", line.all, "ended workers too");
    if (info.name == "explain")
      command->add_option("WORKER", raw.subject, "a worker's id; without one: the fleet")->type_name("");
    if (info.name == "replay") {
      command->add_option("FILE", raw.subject, "a journal, as GPUWARDEN_JOURNAL makes it; - = standard input")
          ->required()
          ->type_name("");
      command->add_option("--set", line.changes, "replay with this value too; may be given more than once")
          ->type_name("NAME=VALUE")
          ->allow_extra_args(false);
    }
    if (info.name == "diagnose")
      command->add_option("FILE", raw.subject, "an evidence document in JSON; - = standard input")
          ->required()
          ->type_name("");
    if (info.name == "tasks")
      command->add_option("--status", raw.status, "queued, in-progress, complete, failed or cancelled")
          ->type_name("STATUS");
    add_story_options(*command, info.name, line, raw);
    if (info.name == "report") add_report_options(*command, line, raw);
    if (info.name == "workers" || info.name == "tasks" || info.name == "failures" || info.name == "events")
      command->add_option("--limit", line.limit, "rows at most, 1 to 1000 (default: 50)")
          ->check(CLI::Range(1, 1000).description(""))
          ->type_name("N");
    if (info.name == "config") {
      command->add_flag("--explain", line.explain, "every variable: value, origin, meaning");
      command->add_flag("--check", line.check, "only say what is wrong; exit code 2 if anything is");
      command->add_flag("--example", line.example, "an environment file to start from");
    }
    if (info.name == "breaker" || info.name == "pause" || info.name == "resume")
      add_operator_options(*command, info.name, line, raw);
    if (info.name == "migrate") command->add_flag("--print", line.print, "write the SQL to standard output");
  }
}

ParsedLine usage_error(Output& output, const std::string& message, const std::string& next) {
  output.err << "error: " << message << "\nSee: " << next << "\n";
  return {std::nullopt, kUsage};
}

/// The status as the table stores it; none when there is no such status.
std::optional<std::string> task_status(const std::string& text) {
  std::string word;
  for (const char c : text) {
    if (std::isalpha(static_cast<unsigned char>(c)) != 0)
      word.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  }
  static const std::map<std::string, std::string> kStatuses{
      {"queued", "Queued"},     {"inprogress", "In Progress"}, {"running", "In Progress"},
      {"complete", "Complete"}, {"failed", "Failed"},          {"cancelled", "Cancelled"}};
  const auto at = kStatuses.find(word);
  return at == kStatuses.end() ? std::nullopt : std::optional(at->second);
}

ParsedLine unknown_command(const std::string& word, Output& output) {
  std::vector<std::string> names;
  for (const CommandInfo& info : command_list()) names.push_back(info.name);
  const auto like = config::nearest(word, names);
  return usage_error(output,
                     fmt::format("there is no command '{}'.{}", word,
                                 like ? fmt::format(" Did you mean: gpuwarden {}", *like) : ""),
                     "gpuwarden --help");
}

/// What is wrong with an operator's word; none = nothing. Fills in what its options say.
std::optional<ParsedLine> check_operator(const Raw& raw, Invocation& line, Output& output) {
  const std::string next = "gpuwarden " + line.command + " --help";
  const std::string& word = raw.subject;
  if (line.command == "breaker" && !word.empty()) {
    const std::vector<std::string> words{"hold", "release", "clear", "reset"};
    if (std::find(words.begin(), words.end(), word) == words.end()) {
      const auto like = config::nearest(word, words);
      return usage_error(output,
                         fmt::format("breaker takes hold, release, clear or reset, not '{}'.{}", word,
                                     like ? " Did you mean: gpuwarden breaker " + *like : ""),
                         next);
    }
  }
  const bool lasts = word == "hold" || word == "release";
  if (!raw.lasting.empty()) {
    line.lasting = parse_span(raw.lasting);
    if (!lasts) return usage_error(output, "--for belongs to breaker hold and breaker release.", next);
    if (!line.lasting)
      return usage_error(
          output, fmt::format("--for takes a time such as 30m, 2h or 1d, not '{}'.", raw.lasting), next);
  }
  const bool needs_reason = line.command == "pause" || lasts || word == "reset";
  if (needs_reason && line.reason.find_first_not_of(" \t") == std::string::npos)
    return usage_error(output, "--reason is needed: the others will want to know why.", next);
  return std::nullopt;
}

/// What CLI11 refused, with the nearest option where one was misspelt.
std::string explained(const CLI::App& command, const std::string& message) {
  std::vector<std::string> options;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) options.push_back("--" + name);
  }
  for (const std::string& word : command.remaining()) {
    const auto like = config::nearest(word, options);
    return fmt::format("'{}' is not expected here.{}", word, like ? " Did you mean " + *like + "?" : "");
  }
  return message;
}

}  // namespace

ParsedLine parse(int argc, const char* const* argv, Output output) {
  Invocation line;
  Raw raw;
  CLI::App app("", "gpuwarden");
  app.set_version_flag("--version", "gpuwarden " GPUWARDEN_VERSION);
  add_commands(app, line, raw);

  const std::string first = argc > 1 ? argv[1] : "";
  if (first.empty() || first == "help") {
    (first.empty() ? output.err : output.out) << help_text();
    return {std::nullopt, first.empty() ? kUsage : kDone};
  }
  const auto& all = command_list();
  const bool known =
      std::any_of(all.begin(), all.end(), [&](const auto& info) { return info.name == first; });
  if (!known && !first.starts_with('-')) return unknown_command(first, output);

  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    output.out << (known ? app.get_subcommand(first)->help("gpuwarden") : help_text());
    return {std::nullopt, kDone};
  } catch (const CLI::CallForVersion&) {
    output.out << "gpuwarden " GPUWARDEN_VERSION "\n";
    return {std::nullopt, kDone};
  } catch (const CLI::ParseError& error) {
    const std::string next = known ? "gpuwarden " + first + " --help" : "gpuwarden --help";
    if (!known)
      return usage_error(output, fmt::format("'{}' is not expected before the command.", first), next);
    return usage_error(output, explained(*app.get_subcommand(first), error.what()), next);
  }
  if (!known) return usage_error(output, "no command given.", "gpuwarden --help");

  line.command = first;
  const CLI::Option* limit = app.get_subcommand(first)->get_option_no_throw("--limit");
  line.limit_given = limit != nullptr && limit->count() > 0;
  if (!raw.subject.empty()) line.arguments.push_back(raw.subject);
  if (first == "breaker" || first == "pause" || first == "resume") {
    if (auto wrong = check_operator(raw, line, output)) return std::move(*wrong);
  }
  if (!raw.since.empty()) {
    const auto since = parse_span(raw.since);
    if (!since)
      return usage_error(output,
                         fmt::format("--since takes a time such as 30m, 2h or 1d, not '{}'.", raw.since),
                         fmt::format("gpuwarden {} --help", first));
    line.since = *since;
  } else if (first == "report") {
    line.since = std::chrono::hours(2);
  }
  if (!raw.source.empty()) {
    const std::vector<std::string> sources{"worker", "bootstrap", "container", "system"};
    if (std::find(sources.begin(), sources.end(), raw.source) == sources.end())
      return usage_error(
          output, fmt::format("--source takes worker, bootstrap, container or system, not '{}'.", raw.source),
          "gpuwarden logs --help");
    line.source = raw.source;
  }
  if (line.format == "json") line.json = true;
  if (!raw.status.empty()) {
    const auto status = task_status(raw.status);
    if (!status)
      return usage_error(output,
                         fmt::format("--status takes queued, in-progress, complete, failed or cancelled, not "
                                     "'{}'.",
                                     raw.status),
                         "gpuwarden tasks --help");
    line.status_filter = *status;
  }
  return {std::move(line), kDone};
}

}  // namespace gpuwarden::cli
