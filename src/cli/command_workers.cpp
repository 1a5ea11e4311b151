#include "gpuwarden/base/format.hpp"

#include "command.hpp"
#include "row_json.hpp"
#include "table.hpp"

namespace gpuwarden::cli {

boost::asio::awaitable<int> workers(Scope scope) {
  const auto rows =
      co_await scope.services.store->workers(scope.config().policy.owner, scope.line.all, scope.line.limit);
  if (!rows) co_return report_error(scope.output, rows.error(), "gpuwarden doctor");
  Output& output = scope.output;
  if (output.json) {
    Json list = Json::array();
    for (const ports::WorkerRow& row : *rows) list.push_back(worker_row_json(row));
    print_json(output, {{"workers", std::move(list)}});
    co_return kDone;
  }
  if (rows->empty()) {
    output.out << (scope.line.all ? "No workers yet. Next: gpuwarden plan\n"
                                  : "No live workers. Next: gpuwarden plan, or gpuwarden workers --all\n");
    co_return kDone;
  }
  Table table({{"WORKER"},
               {"STATUS"},
               {"PHASE"},
               {"GPU", false, true},
               {"DATA CENTRE"},
               {"SINCE"},
               {"HEARTBEAT"},
               {"COST", true},
               {"CAUSE", false, true}});
  for (const ports::WorkerRow& row : *rows) {
    table.add({{row.id, Colour::bold},
               {row.status, status_colour(row.status)},
               {row.phase},
               {row.gpu},
               {row.data_center},
               {format_time(row.created_at)},
               {row.last_heartbeat ? format_time(*row.last_heartbeat) : ""},
               {format_usd(row.cost_usd)},
               {row.cause, Colour::red}});
  }
  table.print(output.out, output.width, output.colour);
  output.out << "\nNext: gpuwarden worker " << rows->front().id << "\n";
  co_return kDone;
}

}  // namespace gpuwarden::cli
