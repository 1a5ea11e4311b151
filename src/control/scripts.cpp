#include "scripts.hpp"

#include <utility>

namespace gpuwarden::control {

void take_settings(Context& context, LoopSettings settings) {
  const std::string& script = context.settings.policy.script_hash;
  if (!script.empty() && script == context.good_script && script != settings.policy.script_hash)
    context.last_good = context.settings;
  context.settings = std::move(settings);
}

std::optional<LoopSettings> settings_of(const Context& context, const std::string& script) {
  const LoopSettings& now = context.settings;
  if (script.empty() || script == now.policy.script_hash) return now;
  if (!context.last_good || context.last_good->policy.script_hash != script) return std::nullopt;
  LoopSettings kept = *context.last_good;
  kept.holder = now.holder;
  kept.ssh_public_key = now.ssh_public_key;
  kept.publishable_key = now.publishable_key;
  for (auto& [name, value] : kept.bootstrap.pass_env) {
    const auto fresh = now.bootstrap.pass_env.find(name);
    if (fresh != now.bootstrap.pass_env.end()) value = fresh->second;
  }
  return kept;
}

}  // namespace gpuwarden::control
