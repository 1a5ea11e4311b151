#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "command.hpp"
#include "event_words.hpp"
#include "find_row.hpp"
#include "table.hpp"

namespace gpuwarden::cli {
namespace {

using namespace std::chrono_literals;

constexpr Duration kPause = 2s;
constexpr int kMostAtOnce = 1000;
/// Ids are given out before their transactions end: an event may show after so many successors.
constexpr std::int64_t kOverlap = 200;

void print_event(const ports::EventRow& event, Output& output) {
  if (output.json) {
    output.out << event_json(event).dump(-1, ' ', false, Json::error_handler_t::replace) << "\n";
    return;
  }
  const std::string text = event_text(event);
  output.out << fmt::format("{}  {:<36}  {}{}\n", format_time(event.at),
                            event.worker.empty() ? "-" : printable(event.worker), event_name(event),
                            text.empty() ? "" : "  " + printable(text));
}

/// Until it is cancelled, or the store gives an error that is no outage.
boost::asio::awaitable<int> follow(Scope scope, ports::EventQuery query, std::set<std::int64_t> seen) {
  bool told = false;
  query.limit = kMostAtOnce;
  // What was older than the first list stays untold.
  const std::int64_t first = seen.empty() ? 0 : *seen.begin();
  while (true) {
    if (!seen.empty()) query.after = std::max(first - 1, *seen.rbegin() - kOverlap);
    const auto rows = co_await scope.services.store->events(query);
    if (!rows && !is_unreachable(rows.error().kind))
      co_return report_error(scope.output, rows.error(), "gpuwarden doctor");
    if (!rows && !told) scope.output.err << "waiting: " << printable(rows.error().message) << "\n";
    told = !rows;
    bool fresh = false;
    for (const ports::EventRow& row : rows ? *rows : std::vector<ports::EventRow>{}) {
      if (!seen.insert(row.id).second) continue;
      print_event(row, scope.output);
      fresh = true;
    }
    while (seen.size() > 1 && *seen.begin() < *seen.rbegin() - 2 * kOverlap) seen.erase(seen.begin());
    if (!scope.flush()) co_return kDone;
    // A full answer may have left out the newest ones.
    if (!fresh || rows->size() < static_cast<std::size_t>(kMostAtOnce))
      co_await scope.services.clock->sleep_for(kPause);
  }
}

}  // namespace

boost::asio::awaitable<int> events(Scope scope) {
  ports::EventQuery query;
  query.owner = scope.config().policy.owner;
  query.since = scope.line.since;
  query.limit = scope.line.limit;
  if (!scope.line.worker.empty()) {
    const auto row = co_await find_worker(scope, scope.line.worker);
    if (!row) co_return report_error(scope.output, row.error(), "gpuwarden workers --all");
    query.worker = WorkerId(row->id);
  }
  const auto rows = co_await scope.services.store->events(query);
  if (!rows) co_return report_error(scope.output, rows.error(), "gpuwarden doctor");
  Output& output = scope.output;
  if (output.json && !scope.line.follow) {
    Json list = Json::array();
    for (const ports::EventRow& row : *rows) list.push_back(event_json(row));
    print_json(output, {{"since_s", seconds(scope.line.since)}, {"events", std::move(list)}});
    co_return kDone;
  }
  std::set<std::int64_t> seen;
  for (const ports::EventRow& row : *rows) {
    print_event(row, output);
    seen.insert(row.id);
  }
  if (scope.line.follow) {
    scope.flush();
    co_return co_await follow(scope, std::move(query), std::move(seen));
  }
  if (rows->empty())
    output.out << fmt::format("No events in the last {}. Next: gpuwarden status\n",
                              format_duration(scope.line.since));
  if (rows->size() == static_cast<std::size_t>(scope.line.limit))
    output.err << "These are the newest " << rows->size() << ". Next: gpuwarden events --limit "
               << std::min(kMostAtOnce, scope.line.limit * 4) << "\n";
  co_return kDone;
}

}  // namespace gpuwarden::cli
