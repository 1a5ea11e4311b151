#pragma once

#include "gpuwarden/control/report.hpp"

#include "command.hpp"

namespace gpuwarden::cli {

/// What a cycle saw, wants and is held back by, for people. `done`: with how each action ended.
void print_plan(const control::CycleSummary& summary, bool done, Output& output);

/// 3 when a service could not be read, 1 when an action failed, else 0.
int plan_exit_code(const control::CycleSummary& summary);

}  // namespace gpuwarden::cli
