#pragma once

#include <string_view>

#include "command.hpp"
#include "table.hpp"

namespace gpuwarden::cli {

Json worker_row_json(const ports::WorkerRow& row);
Json failure_row_json(const ports::FailureRow& row);
Json task_row_json(const ports::TaskRow& row);
/// Text that should be JSON, as JSON; null when it is not.
Json parsed_or_null(const std::string& text);

/// Colour of workers.status and tasks.status.
Colour status_colour(std::string_view status);

}  // namespace gpuwarden::cli
