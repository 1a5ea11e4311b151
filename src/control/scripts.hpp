#pragma once

#include <optional>
#include <string>

#include "context.hpp"

namespace gpuwarden::control {

/// New settings take effect. Those of before are kept while theirs is the script that is known to be good, so
/// that the fleet can stay on it until the new one has proven itself.
void take_settings(Context& context, LoopSettings settings);

/// The settings with which a worker of that script is spawned and brought up: those of now, or those that
/// were kept, with the secrets and keys of now. None: this process does not have them. An empty name is the
/// script of now.
std::optional<LoopSettings> settings_of(const Context& context, const std::string& script);

}  // namespace gpuwarden::control
