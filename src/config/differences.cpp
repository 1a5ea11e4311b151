#include <fmt/format.h>

#include "gpuwarden/config/config.hpp"

namespace gpuwarden::config {
namespace {

std::string_view value_of(const Loaded& loaded, const std::string& name) {
  const auto at = loaded.values.find(name);
  return at == loaded.values.end() ? std::string_view{} : at->second.reveal();
}

std::string shown(const std::string& text) {
  return text.empty() ? "(not set)" : text;
}

}  // namespace

std::vector<std::string> differences(const Loaded& before, const Loaded& after) {
  std::vector<std::string> lines;
  for (const Entry& entry : after.entries) {
    if (value_of(before, entry.name) == value_of(after, entry.name)) continue;
    if (entry.secret) {
      lines.push_back(entry.name + ": [changed]");
      continue;
    }
    std::string old;
    for (const Entry& other : before.entries) {
      if (other.name == entry.name) old = other.value;
    }
    lines.push_back(fmt::format("{}: {} -> {}", entry.name, shown(old), shown(entry.value)));
  }
  // What is passed on to workers has names of the operator's own choice.
  if (before.config && after.config) {
    const auto& old_env = before.config->bootstrap.pass_env;
    for (const auto& [name, value] : after.config->bootstrap.pass_env) {
      const auto at = old_env.find(name);
      if (at != old_env.end() && at->second != value) lines.push_back(name + ": [changed]");
    }
    if (before.config->ssh.public_key != after.config->ssh.public_key && lines.empty())
      lines.push_back("SSH key: [changed]");
  }
  return lines;
}

}  // namespace gpuwarden::config
