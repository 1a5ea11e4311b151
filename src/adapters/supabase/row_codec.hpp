#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/ports/task_store.hpp"

#include "json_fields.hpp"

namespace gpuwarden::supabase {

ports::FailureRow read_failure(const nlohmann::json& value, Fields::Problem& problem);
ports::TaskRow read_task(const nlohmann::json& value, Fields::Problem& problem);

/// The rows of a list that is already parsed; the first problem ends it.
template <class Row, class Read>
Result<std::vector<Row>> read_rows(const nlohmann::json& list, Read read) {
  Fields::Problem problem;
  std::vector<Row> rows;
  rows.reserve(list.size());
  for (const nlohmann::json& row : list) {
    rows.push_back(read(row, problem));
    if (problem) return fail(*problem);
  }
  return rows;
}

template <class Row, class Read>
Result<std::vector<Row>> parse_rows(std::string_view body, std::string_view what, Read read) {
  const auto doc = parse_json(body, what);
  if (!doc) return fail(doc.error());
  if (!doc->is_array())
    return fail(ErrorKind::malformed, fmt::format("the answer of {} is not a list", what));
  return read_rows<Row>(*doc, read);
}

}  // namespace gpuwarden::supabase
