#include <fmt/format.h>

#include "text.hpp"
#include "variable.hpp"

namespace gpuwarden::config {
namespace {

constexpr std::size_t kWidth = 100;

/// Comment lines of at most kWidth bytes.
std::string comment(std::string_view text) {
  std::string out, line = "#";
  while (!text.empty()) {
    const auto blank = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, blank);
    if (line.size() + 1 + word.size() > kWidth) {
      out += line + "\n";
      line = "#";
    }
    line.append(" ").append(word);
    text = blank == text.size() ? std::string_view{} : text.substr(blank + 1);
  }
  return out + line + "\n";
}

/// What is accepted, and what holds without a value; empty when there is nothing to say.
std::string rules(const Variable& variable) {
  std::string text;
  if (!variable.secret && variable.type.words != "text") text += "Value: " + variable.type.words + ". ";
  if (variable.required) text += "Required. ";
  if (!variable.unset_means.empty()) text += "Not set: " + variable.unset_means + ". ";
  for (const std::string& old : variable.old_names) text += "Old name: " + old + ". ";
  if (variable.restart) text += "A change needs a restart. ";
  return std::string(trimmed(text));
}

}  // namespace

std::string example_file() {
  std::string out =
      "# Configuration of gpuwarden: one NAME=value a line, as systemd (EnvironmentFile=) and docker "
      "(--env-file) read it.\n"
      "# What is commented out shows its default, or an example where there is none.\n"
      "# Quotes: a value is bare, or whole in one kind of quotes: NAME='\"my prog\" --arg \"x\"'. "
      "docker keeps quotes.\n"
      "#\n"
      "# gpuwarden reads the file that GPUWARDEN_ENV_FILE names, else /etc/gpuwarden/gpuwarden.env where it "
      "is there and\n"
      "# SUPABASE_URL is not set. What the file says wins over the environment.\n"
      "#\n"
      "# A secret may instead be given as NAME_FILE=/path/to/file, or as a systemd credential with the name "
      "in "
      "lower case.\n"
      "# Check it with:      gpuwarden config --check\n"
      "# See what holds:     gpuwarden config --explain\n"
      "# Apply a change:      systemctl reload gpuwarden (or restart, where a variable says so)\n";
  std::string group;
  for (const Variable& variable : table()) {
    if (variable.group != group) {
      group = variable.group;
      out += fmt::format("\n\n# ---- {} ----\n", group);
    }
    out += "\n" + comment(variable.meaning);
    if (const std::string text = rules(variable); !text.empty()) out += comment(text);
    if (variable.required || variable.unset_means.starts_with("required")) {
      out += fmt::format("# {}={}\n{}=\n", variable.name, variable.example, variable.name);
    } else {
      out += fmt::format("#{}={}\n", variable.name,
                         variable.default_value.empty() ? variable.example : variable.default_value);
    }
  }
  return out;
}

}  // namespace gpuwarden::config
