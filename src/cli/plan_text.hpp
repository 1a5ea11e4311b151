#pragma once

#include <string_view>

#include "gpuwarden/control/report.hpp"

#include "command.hpp"

namespace gpuwarden::cli {

/// What a cycle saw, wants and is held back by, for people. `done`: with how each action ended.
void print_plan(const control::CycleSummary& summary, bool done, Output& output);

/// 3 when a service could not be reached, 1 when it answered with an error or an action failed, else 0.
int plan_exit_code(const control::CycleSummary& summary);

/// What to type after it. `done`: actions were performed.
std::string_view next_after_plan(const control::CycleSummary& summary, bool done);

}  // namespace gpuwarden::cli
