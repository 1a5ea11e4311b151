#include <fmt/format.h>

#include "gpuwarden/config/config.hpp"

#include "checks.hpp"
#include "variable.hpp"

namespace gpuwarden::config {
namespace {

constexpr const char* kChanged = "[changed]";

std::string_view value_of(const Loaded& loaded, const std::string& name) {
  const auto at = loaded.values.find(name);
  return at == loaded.values.end() ? std::string_view{} : at->second.reveal();
}

const Entry* entry_of(const Loaded& loaded, const std::string& name) {
  for (const Entry& entry : loaded.entries) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

std::string shown(const Loaded& loaded, const std::string& name) {
  const Entry* entry = entry_of(loaded, name);
  return entry == nullptr || entry->value.empty() ? "(not set)" : entry->value;
}

}  // namespace

std::vector<Change> differences(const Loaded& in_force, const Loaded& after) {
  std::vector<Change> changes;
  bool ssh_told = false;
  for (const Variable& variable : table()) {
    const std::string& name = variable.name;
    if (value_of(in_force, name) == value_of(after, name)) continue;
    ssh_told = ssh_told || name.starts_with("RUNPOD_SSH_");
    std::string text =
        variable.secret ? kChanged : fmt::format("{} -> {}", shown(in_force, name), shown(after, name));
    changes.push_back({name, std::move(text), variable.restart});
  }
  if (!in_force.config || !after.config) return changes;
  // What is passed on to workers has names of the operator's own choice.
  const auto& old_env = in_force.config->bootstrap.pass_env;
  for (const auto& [name, value] : after.config->bootstrap.pass_env) {
    const auto at = old_env.find(name);
    if (at != old_env.end() && at->second != value) changes.push_back({name, kChanged, false});
  }
  // A file that holds the key can change while its path stays.
  if (!ssh_told && in_force.config->ssh.public_key != after.config->ssh.public_key)
    changes.push_back({"SSH key", kChanged, true});
  return changes;
}

Loaded keep_until_restart(const Loaded& in_force, const Loaded& after) {
  Loaded kept = after;
  Draft draft;
  for (const Variable& variable : table()) {
    const std::string& name = variable.name;
    if (variable.restart) {
      kept.values.erase(name);
      if (const auto value = in_force.values.find(name); value != in_force.values.end())
        kept.values.insert(*value);
      for (Entry& entry : kept.entries) {
        const Entry* old = entry.name == name ? entry_of(in_force, name) : nullptr;
        if (old != nullptr) entry = *old;
      }
    }
    const std::string_view value = value_of(kept, name);
    if (!value.empty()) variable.type.store(value, draft);
  }
  draft.config.ssh = in_force.config->ssh;
  draft.config.daemon.state_dir = in_force.config->daemon.state_dir;
  draft.config.bootstrap.pass_env = after.config->bootstrap.pass_env;
  share(draft.config);
  kept.config = std::move(draft.config);
  return kept;
}

}  // namespace gpuwarden::config
