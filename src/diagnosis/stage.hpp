#pragma once

#include <optional>

#include "gpuwarden/domain/evidence.hpp"

namespace gpuwarden::diagnosis {

/// Where in its life the worker was: decides what a message means.
enum class Stage { provision, connect, preflight, fetch, setup, start, awaiting, runtime, unknown };
inline constexpr std::size_t kStages = 9;

/// By phase and step; where both are absent, by what else the evidence tells.
Stage stage_of(const Evidence& evidence);

/// "during setup", "before SSH answered": for summaries.
std::string_view stage_text(Stage stage);

}  // namespace gpuwarden::diagnosis
