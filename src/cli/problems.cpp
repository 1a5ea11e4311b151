#include "problems.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "table.hpp"
#include "wrap.hpp"

namespace gpuwarden::cli {
namespace {

/// Where the first sentence ends: at its full stop, or the end of the text.
std::size_t first_sentence(std::string_view text) {
  bool quoted = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool last = at + 1 == text.size();
    if (text[at] == '\'') {
      // An apostrophe inside a word ("daemon's") neither opens nor closes.
      const bool in_word = at > 0 && !last && std::isalnum(static_cast<unsigned char>(text[at - 1])) != 0 &&
                           std::isalnum(static_cast<unsigned char>(text[at + 1])) != 0;
      if (!in_word) quoted = !quoted;
    }
    if (text[at] == '.' && !quoted && (last || text[at + 1] == ' ')) return at;
  }
  return text.size();
}

constexpr std::string_view kExplain = "gpuwarden config --explain   # says what it means and takes";

}  // namespace

Advice advice(std::string_view message, std::string_view otherwise) {
  const std::size_t end = first_sentence(message);
  std::string_view rest = message.substr(std::min(message.size(), end + 1));
  if (rest.starts_with(' ')) rest.remove_prefix(1);
  return {std::string(message.substr(0, end)), std::string(rest.empty() ? otherwise : rest)};
}

Json problems_json(const std::vector<config::Problem>& problems) {
  Json list = Json::array();
  for (const config::Problem& problem : problems) {
    const Advice parts = advice(problem.message, kExplain);
    list.push_back({{"name", problem.name}, {"problem", parts.problem}, {"remedy", parts.remedy}});
  }
  return list;
}

std::string counted(std::size_t number, std::string_view what) {
  return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
}

int refuse_configuration(const config::Loaded& loaded, Output output) {
  if (output.json) {
    print_json(output,
               {{"errors", problems_json(loaded.errors)}, {"warnings", problems_json(loaded.warnings)}});
    return kUsage;
  }
  constexpr std::string_view kLabel = "error: ";
  for (const config::Problem& problem : loaded.errors)
    print_wrapped(output.err, paint(kLabel, Colour::red, output.err_colour), kLabel.size(),
                  problem.name + ": " + problem.message, kLabel.size(), output.width);
  output.err << counted(loaded.errors.size(), "error") << " in the configuration"
             << (loaded.file.path.empty() ? std::string() : " (" + loaded.file.path + ")")
             << "; nothing was done.\n";
  if (!loaded.file.path.empty()) {
    output.err << "Next: mend them, then gpuwarden config --check\n";
  } else if (std::any_of(loaded.entries.begin(), loaded.entries.end(),
                         [](const auto& entry) { return entry.given; })) {
    output.err << "No file was read: GPUWARDEN_ENV_FILE is not set. Next: mend them, then gpuwarden config "
                  "--check\n";
  } else {
    output.err << "No file was read: GPUWARDEN_ENV_FILE is not set, and there is no "
               << config::kServiceEnvFile
               << ".\nNext: gpuwarden config --example > gpuwarden.env, fill it in, then "
                  "GPUWARDEN_ENV_FILE=gpuwarden.env "
                  "gpuwarden config --check\n";
  }
  return kUsage;
}

}  // namespace gpuwarden::cli
