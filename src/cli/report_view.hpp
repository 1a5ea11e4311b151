#pragma once

#include "gpuwarden/diagnosis/report_document.hpp"

#include "command.hpp"

namespace gpuwarden::cli {

/// Everything that the report knows, for programs.
Json report_json(const diagnosis::IncidentReport& report);
/// The report for a terminal. `trouble`: its first line says something bad.
void print_report(const diagnosis::Document& document, bool trouble, Output& output);

}  // namespace gpuwarden::cli
