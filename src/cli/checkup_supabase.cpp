#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "gpuwarden/base/format.hpp"

#include "checkup.hpp"

namespace gpuwarden::cli {
namespace {

constexpr Duration kTolerableSkew = std::chrono::seconds(5);
constexpr std::string_view kMigrate =
    "gpuwarden migrate --print | psql \"$DATABASE_URL\"   (or paste it into Supabase's SQL editor)";

std::string remedy_for(const Error& error, const std::string& url) {
  if (error.kind == ErrorKind::unauthorized)
    return "Copy SUPABASE_SECRET_KEY again: Supabase dashboard, Project Settings, API Keys";
  if (is_unreachable(error.kind))
    return fmt::format("Is the project paused, or the network down? curl -sI {}/rest/v1/", url);
  return fmt::format("Check SUPABASE_URL ({}) and that the project is healthy", url);
}

}  // namespace

boost::asio::awaitable<Finding> check_database(Checkup& checkup) {
  Services& services = checkup.scope.services;
  const std::string& url = checkup.scope.config().supabase.url;
  const MonoTime asked = services.clock->now();
  const auto health = co_await services.store->health();
  const MonoTime answered = services.clock->now();
  if (!health) co_return failed_call(health.error(), remedy_for(health.error(), url));
  checkup.database_answers = true;
  const std::string took = fmt::format("{} answers in {}", url, format_duration(answered - asked));
  if (!health->writable)
    co_return failed(took + ", but accepts no writes",
                     "Make room or leave read-only mode: Supabase dashboard, Database, Settings");
  if (health->schema_version == 0)
    co_return passed(took + "; its clock cannot be asked before the migrations");
  // The database looked at its clock somewhere between question and answer.
  const Duration skew = health->db_now - (services.clock->wall() - (answered - asked) / 2);
  if (std::chrono::abs(skew) > kTolerableSkew)
    co_return warned(
        fmt::format("{}; its clock is {} {} ours", took, format_duration(std::chrono::abs(skew)),
                    skew > Duration{0} ? "ahead of" : "behind"),
        "Set this machine's clock: timedatectl set-ntp true (decisions do not depend on it, logs do)");
  co_return passed(took + "; clocks agree");
}

boost::asio::awaitable<Finding> check_migrations(Checkup& checkup) {
  if (!checkup.database_answers) co_return skipped("the database does not answer");
  const auto health = co_await checkup.scope.services.store->health();
  if (!health) co_return failed_call(health.error(), "gpuwarden doctor   (again)");
  if (health->schema_version == 0)
    co_return failed("the database has none of gpuwarden's functions", std::string(kMigrate));
  if (!health->missing.empty())
    co_return failed(fmt::format("missing: {}", fmt::join(health->missing, ", ")), std::string(kMigrate));
  checkup.schema_complete = true;
  co_return passed(fmt::format("schema version {}", health->schema_version));
}

boost::asio::awaitable<Finding> check_queue(Checkup& checkup) {
  if (!checkup.schema_complete) co_return skipped("the migrations are not complete");
  const config::Config& config = checkup.scope.config();
  ports::SnapshotQuery query;
  query.owner = config.policy.owner;
  const auto snapshot = co_await checkup.scope.services.store->snapshot(std::move(query));
  if (!snapshot)
    co_return failed_call(snapshot.error(),
                          config.supabase.count_by_edge_function
                              ? "Deploy the edge function task-counts, or set TASK_COUNT_SOURCE=sql"
                              : "Run the migrations again, or mend your own "
                                "gpuwarden_queue_depth()");
  const QueueDepth& queue = snapshot->queue;
  co_return passed(fmt::format("{} waiting, {} running, {} blocked (counted by {})", queue.queued,
                               queue.running, queue.blocked,
                               config.supabase.count_by_edge_function ? "edge function" : "SQL"));
}

}  // namespace gpuwarden::cli
