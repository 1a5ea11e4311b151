#include <algorithm>

#include "gpuwarden/base/format.hpp"

#include "command.hpp"
#include "row_json.hpp"
#include "table.hpp"

namespace gpuwarden::cli {

boost::asio::awaitable<int> tasks(Scope scope) {
  const auto rows = co_await scope.services.store->tasks(scope.line.status_filter, scope.line.limit);
  if (!rows) co_return report_error(scope.output, rows.error(), "gpuwarden doctor");
  Output& output = scope.output;
  if (output.json) {
    Json list = Json::array();
    for (const ports::TaskRow& row : *rows) list.push_back(task_row_json(row));
    print_json(output, {{"tasks", std::move(list)}});
    co_return kDone;
  }
  if (rows->empty()) {
    output.out << "No tasks" << (scope.line.status_filter.empty() ? "" : " with this status")
               << ". Next: gpuwarden status\n";
    co_return kDone;
  }
  Table table({{"TASK"},
               {"TYPE", false, true},
               {"STATUS"},
               {"TRIES", true},
               {"CREATED"},
               {"UPDATED"},
               {"WORKER"},
               {"ERROR", false, true}});
  for (const ports::TaskRow& row : *rows) {
    table.add({{row.id, Colour::bold},
               {row.type},
               {row.status, status_colour(row.status)},
               {std::to_string(row.attempts)},
               {format_time(row.created_at)},
               {format_time(row.updated_at)},
               {row.worker},
               {row.error, Colour::red}});
  }
  table.print(output.out, output.width, output.colour);
  if (rows->size() == static_cast<std::size_t>(scope.line.limit))
    output.out << "\nThere may be more. Next: gpuwarden tasks --limit "
               << std::min(1000, scope.line.limit * 4) << "\n";
  co_return kDone;
}

}  // namespace gpuwarden::cli
