#include "database.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/sandbox/gateway.hpp"
#include "gpuwarden/sandbox/postgres.hpp"
#include "gpuwarden/sandbox/postgrest.hpp"

namespace gpuwarden::sandbox {
namespace asio = boost::asio;

namespace {

constexpr std::string_view kDatabase = "app";

/// Counts how often each task becomes Complete: what a demonstration must never see twice.
constexpr std::string_view kWatchSql = R"sql(
create schema if not exists sandbox;
create table sandbox.completions (task_id uuid not null, completed_at timestamptz not null default clock_timestamp());
create index on sandbox.completions (task_id);
create function sandbox.note_completion() returns trigger language plpgsql security definer
set search_path = sandbox, pg_temp as $$
begin
  insert into sandbox.completions (task_id) values (new.id);
  return null;
end
$$;
create trigger sandbox_note_completion after update of status on public.tasks for each row
when (new.status = 'Complete') execute function sandbox.note_completion();
)sql";

constexpr std::string_view kCountsSql = R"sql(
select coalesce(jsonb_object_agg(name, number), '{}')
  || jsonb_build_object('total', coalesce(sum(number), 0), 'completed_twice',
       (select count(*) from (select from sandbox.completions group by task_id having count(*) > 1) twice))
from (select replace(lower(status), ' ', '_') as name, count(*) as number from public.tasks group by 1) counts
)sql";

constexpr std::string_view kListSql = R"sql(
select coalesce(jsonb_agg(to_jsonb(t) order by t.created_at desc, t.id), '[]')
from (select id, task_type, status, worker_id, attempts, created_at, updated_at, generation_started_at,
             generation_processed_at, error_message from public.tasks order by created_at desc limit 5000) t
)sql";

Outage outage_of(const Scenario& scenario) {
  if (scenario.kind != ScenarioKind::supabase_outage) return Outage::none;
  if (scenario.param == "unreadable") return Outage::unreadable;
  if (scenario.param == "unwritable") return Outage::unwritable;
  return Outage::down;
}

}  // namespace

struct Database::Impl {
  Impl(asio::any_io_executor executor_in, std::string dir_in)
      : executor(std::move(executor_in)),
        dir(std::move(dir_in)),
        postgres(executor, PostgresOptions{dir + "/postgres", true}) {}

  asio::any_io_executor executor;
  std::string dir;
  ProjectKeys keys = make_project_keys();
  Postgres postgres;                     // the data
  std::unique_ptr<Postgrest> postgrest;  // its HTTP interface
  std::unique_ptr<Gateway> gateway;      // what everybody talks to
  Scenario scenario;
};

Database::Database(asio::any_io_executor executor, std::string dir)
    : impl_(new Impl(std::move(executor), std::move(dir))) {}

Database::~Database() = default;

asio::awaitable<Result<void>> Database::start() {
  auto& postgres = impl_->postgres;
  const std::string name(kDatabase);
  if (auto done = co_await postgres.start(); !done) co_return done;
  if (auto done = co_await postgres.create_database(name); !done) co_return done;
  if (auto done = co_await postgres.migrate(name); !done) co_return done;
  if (auto done = co_await postgres.query(name, std::string(kWatchSql)); !done) co_return fail(done.error());
  PostgrestOptions rest;
  rest.database_url = postgres.url(name, Postgres::kAuthenticator);
  rest.jwt_secret = impl_->keys.jwt_secret;
  rest.log_path = impl_->dir + "/logs/postgrest.log";
  impl_->postgrest = std::make_unique<Postgrest>(impl_->executor, std::move(rest));
  if (auto done = co_await impl_->postgrest->start(); !done) co_return done;
  impl_->gateway = std::make_unique<Gateway>(
      impl_->executor, GatewayOptions{impl_->postgrest->url(), impl_->keys.jwt_secret, impl_->keys.secret,
                                      impl_->keys.publishable});
  if (auto done = impl_->gateway->start(); !done) co_return done;
  apply(impl_->scenario);
  co_return Result<void>();
}

asio::awaitable<void> Database::stop() {
  if (impl_->gateway) impl_->gateway->stop();
  if (impl_->postgrest) co_await impl_->postgrest->stop();
  co_await impl_->postgres.stop();
}

std::string Database::supabase_url() const {
  return impl_->gateway ? impl_->gateway->url() : "";
}
std::string Database::database_url() const {
  return impl_->postgres.url(kDatabase);
}
std::string Database::secret_key() const {
  return impl_->keys.secret;
}
std::string Database::publishable_key() const {
  return impl_->keys.publishable;
}

const std::map<std::string, long>& Database::requests() const {
  return impl_->gateway->requests();
}

void Database::apply(const Scenario& scenario) {
  impl_->scenario = scenario;
  if (!impl_->gateway) return;
  impl_->gateway->set_outage(outage_of(scenario));
  impl_->gateway->cut_off_pods(scenario.kind == ScenarioKind::heartbeat_loss ? PodAccess::none
                               : scenario.kind == ScenarioKind::cut_off      ? PodAccess::pings
                                                                             : PodAccess::all);
}

asio::awaitable<Result<std::string>> Database::query(std::string sql) {
  return impl_->postgres.query(std::string(kDatabase), std::move(sql));
}

asio::awaitable<Result<std::vector<std::string>>> Database::add_tasks(int count, double seconds) {
  const auto ids = co_await query(
      fmt::format("insert into public.tasks (task_type, params, status, created_at) "
                  "select 'sample', jsonb_build_object('seconds', {}), 'Queued', clock_timestamp() "
                  "from generate_series(1, {}) returning id",
                  std::max(seconds, 0.0), std::clamp(count, 0, 100000)));
  if (!ids) co_return fail(ids.error());
  std::vector<std::string> list;
  std::string_view rest = *ids;
  while (!rest.empty()) {
    const auto end = rest.find('\n');
    list.emplace_back(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  }
  co_return list;
}

asio::awaitable<Result<std::string>> Database::task_counts() {
  return query(std::string(kCountsSql));
}

asio::awaitable<Result<std::string>> Database::task_list() {
  return query(std::string(kListSql));
}

}  // namespace gpuwarden::sandbox
