#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/diagnosis/diagnose.hpp"
#include "gpuwarden/ports/evidence_json.hpp"

#include "command.hpp"
#include "table.hpp"
#include "wrap.hpp"

namespace gpuwarden::cli {
namespace {

/// The document itself, or the one inside a row of `failures --json`.
Result<Evidence> evidence_in(const std::string& text) {
  const Json json = Json::parse(text, nullptr, false);
  if (json.is_object() && json.contains("evidence") && json["evidence"].is_object())
    return ports::evidence_from_json(json["evidence"].dump(-1, ' ', false, Json::error_handler_t::replace));
  return ports::evidence_from_json(text);
}

void print_verdict(const Verdict& verdict, Output& output) {
  constexpr std::size_t kIndent = 13;
  const auto line = [&](std::string_view name, const std::string& value, Colour colour = Colour::none) {
    output.out << fmt::format("{:<{}}", name, kIndent) << paint(printable(value), colour, output.colour)
               << "\n";
  };
  line("Cause", std::string(to_string(verdict.cause)), Colour::red);
  line("Summary", verdict.summary);
  line("Evidence", verdict.evidence_line, Colour::bold);
  line("What to do", verdict.advice);
  line("Blames", fmt::format("{} ({} by the breaker)", to_string(verdict.scope),
                             verdict.counts_for_breaker ? "counted" : "not counted"));
  line("Fingerprint", verdict.fingerprint);
}

}  // namespace

int diagnose(const Invocation& line, const Offline& offline, Output& output) {
  const std::string file = line.arguments.empty() ? "" : line.arguments.front();
  const auto text = offline.read_file(file);
  if (!text) {
    report_error(output, text.error(), "gpuwarden diagnose --help");
    return kFailed;
  }
  const auto evidence = evidence_in(*text);
  if (!evidence) {
    report_error(output, evidence.error().within(file == "-" ? "standard input" : file),
                 "gpuwarden failures --json   # shows evidence documents");
    return kFailed;
  }
  const Verdict verdict = diagnosis::diagnose(*evidence);
  if (output.json) {
    print_json(output, {{"cause", to_string(verdict.cause)},
                        {"summary", verdict.summary},
                        {"evidence_line", verdict.evidence_line},
                        {"advice", verdict.advice},
                        {"scope", to_string(verdict.scope)},
                        {"counts_for_breaker", verdict.counts_for_breaker},
                        {"fingerprint", verdict.fingerprint}});
    return kDone;
  }
  print_verdict(verdict, output);
  return kDone;
}

}  // namespace gpuwarden::cli
