#include "integration/sql/model_world.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "integration/sql/sql_world.hpp"

namespace gpuwarden::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kClock = R"(
create function public.test_now() returns timestamptz language sql stable as $$
  select coalesce(nullif(current_setting('test.now', true), '')::timestamptz, '2026-01-01T00:00:00Z')
$$;
)";

// Calls a function as PostgREST does: named arguments out of a JSON object, each converted to the type of its
// parameter.
constexpr const char* kCaller = R"(
create function public.test_call(function_param text, arguments_param jsonb, at_param timestamptz) returns jsonb
language plpgsql as $$
declare
  f record;
  given text[] := array(select jsonb_object_keys(arguments_param) order by 1);
  call text;
  answer jsonb;
begin
  perform set_config('test.now', at_param::text, false);
  select p.oid, p.proretset, p.pronargs, p.pronargdefaults, p.proargnames[1:p.pronargs] as names,
         string_to_array(p.proargtypes::text, ' ')::oid[] as types
  into f from pg_proc p where p.proname = function_param and p.pronamespace = 'public'::regnamespace;
  if f.oid is null or not coalesce(f.names, '{}') @> given
     or not given @> coalesce(f.names[1:f.pronargs - f.pronargdefaults], '{}') then
    return jsonb_build_object('error', 'PGRST202');
  end if;
  call := format('public.%I(%s)', function_param,
    (select string_agg(format('%I => x.%I', n, n), ', ') from unnest(given) as n));
  if cardinality(given) > 0 then
    call := format('jsonb_to_record($1) as x(%s), lateral %s', (
      select string_agg(format('%I %s', n, format_type(f.types[array_position(f.names, n)], null)), ', ')
      from unnest(given) as n), call);
  end if;
  if f.proretset then
    execute format('select coalesce(jsonb_agg(to_jsonb(r)), ''[]'') from %s as r', call) into answer using arguments_param;
  else
    execute format('select to_jsonb(r) from %s as r', call) into answer using arguments_param;
  end if;
  return coalesce(answer, 'null');
exception
  when others then return jsonb_build_object('error', sqlstate);
end
$$;
)";

std::string with_our_clock(std::string sql) {
  const auto replace = [&sql](const std::string& what, const std::string& by) {
    for (auto at = sql.find(what); at != std::string::npos; at = sql.find(what, at + by.size()))
      sql.replace(at, what.size(), by);
  };
  replace("clock_timestamp()", "\x01");
  replace("now()", "\x01");
  replace("\x01", "public.test_now()");
  return sql;
}

std::string migrations() {
  std::set<fs::path> files;
  for (const auto& entry : fs::directory_iterator(GPUWARDEN_SOURCE_DIR "/deploy/supabase/migrations"))
    if (entry.path().extension() == ".sql") files.insert(entry.path());
  std::stringstream sql;
  for (const auto& file : files) sql << std::ifstream(file).rdbuf() << "\n";
  return with_our_clock(sql.str());
}

/// For columns that hold times: milliseconds since 1970, or null.
std::string times(std::initializer_list<const char*> columns, const std::string& table) {
  std::string out;
  for (const char* column : columns)
    out += fmt::format(", '{0}', round(extract(epoch from {1}.{0}) * 1000)", column, table);
  return out;
}

Json ms(WallTime at) {
  return at == WallTime{} ? Json(nullptr) : Json(at.time_since_epoch().count());
}

Json word(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

template <class T>
Json maybe(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json task_rows(const simulation::Database& model) {
  Json out = Json::array();
  for (const auto& [id, task] : model.tasks())
    out.push_back({{"id", id},
                   {"task_type", task.type},
                   {"status", task.status},
                   {"worker_id", word(task.worker)},
                   {"attempts", task.attempts},
                   {"error_message", word(task.error)},
                   {"created_at", ms(task.created_at)},
                   {"updated_at", ms(task.updated_at)},
                   {"generation_started_at", ms(task.started_at)},
                   {"generation_processed_at", ms(task.processed_at)}});
  return out;
}

Json worker_rows(const simulation::Database& model) {
  Json out = Json::array();
  for (const auto& [id, row] : model.workers()) {
    Json each = row.details;
    each.update({{"worker_id", id},
                 {"owner", row.owner},
                 {"epoch", row.epoch},
                 {"status", row.status},
                 {"phase", row.phase},
                 {"step", word(row.step)},
                 {"token", word(row.token_sha256)},
                 {"pod_id", word(row.pod)},
                 {"cost_per_hr", row.cost_per_hr},
                 {"generation", row.generation},
                 {"canary", row.canary},
                 {"drain_reason", word(row.drain_reason)},
                 {"end_reason", word(row.end_reason)},
                 {"crash", row.crash},
                 {"git_commit", word(row.git_commit)},
                 {"vram_total_mb", maybe(row.vram_total_mb)},
                 {"vram_used_mb", maybe(row.vram_used_mb)},
                 {"disk_free_mb", maybe(row.disk_free_mb)},
                 {"agent_uptime_s", maybe(row.agent_uptime_s)},
                 {"outcome", word(row.outcome)},
                 {"released_task", word(row.released_task)},
                 {"registered_at", ms(row.registered_at)},
                 {"phase_since", ms(row.phase_since)},
                 {"heartbeat_at", ms(row.heartbeat_at)},
                 {"activated_at", ms(row.activated_at)},
                 {"last_task_at", ms(row.last_task_at)},
                 {"outcome_at", ms(row.outcome_at)},
                 {"ended_at", ms(row.ended_at)},
                 {"shared_status", word(row.shared_status)},
                 {"shared_heartbeat_at", ms(row.shared_heartbeat_at)}});
    out.push_back(std::move(each));
  }
  return out;
}

Json shared_rows(const simulation::Database& model) {
  Json out = Json::array();
  for (const auto& [id, row] : model.shared_rows())
    out.push_back({{"id", id}, {"status", row.status}, {"last_heartbeat", ms(row.heartbeat_at)}});
  return out;
}

Json failure_rows(const simulation::Database& model) {
  Json out = Json::array();
  for (const auto& [id, row] : model.failures())
    out.push_back({{"worker_id", id},
                   {"owner", row.owner},
                   {"cause", row.cause},
                   {"summary", word(row.summary)},
                   {"evidence_line", word(row.evidence_line)},
                   {"fingerprint", maybe(row.fingerprint)},
                   {"scope", word(row.scope)},
                   {"counts", row.counts},
                   {"advice", word(row.advice)},
                   {"cost_usd", row.cost_usd},
                   {"generation", row.generation},
                   {"request_id", word(row.request_id)},
                   {"evidence", row.evidence},
                   {"tasks", row.tasks},
                   {"created_at", ms(row.created_at)},
                   {"updated_at", ms(row.updated_at)}});
  return out;
}

Json state_rows(const simulation::Database& model) {
  std::map<std::pair<std::string, std::string>, Json> sorted;
  for (const auto& [owner, leader] : model.leaders())
    sorted[{owner, ""}] = {{"value", {{"epoch", leader.epoch}, {"holder", leader.holder}}},
                           {"at", ms(leader.expires_at)}};
  for (const auto& [name, state] : model.states())
    sorted[name] = {{"value", state.value}, {"at", ms(state.changed_at)}};
  Json out = Json::array();
  for (auto& [name, row] : sorted) {
    row.update({{"owner", name.first}, {"key", name.second}});
    out.push_back(std::move(row));
  }
  return out;
}

}  // namespace

RealDatabase::RealDatabase() {
  auto& server = Server::get();
  const auto made = server.run(server.postgres->create_database(name_));
  if (!made) throw std::runtime_error(made.error().message);
  server.query(name_, kClock + migrations() + kCaller);
}

std::vector<Json> RealDatabase::run(const std::vector<Step>& steps) const {
  std::string script =
      "truncate public.tasks, public.workers, public.gpuwarden_workers, public.gpuwarden_failures, "
      "public.gpuwarden_leaders, public.gpuwarden_state;\n";
  for (const auto& step : steps) {
    if (step.function.empty()) {
      script += step.sql + ";\n";
    } else {
      script += fmt::format("select public.test_call('{}', $json${}$json$, {});\n", step.function,
                            step.arguments.dump(), quoted(step.at));
    }
  }
  std::vector<Json> answers;
  std::istringstream lines(Server::get().query(name_, script));
  for (const auto& step : steps) {
    std::string line = "null";
    if ((!step.function.empty() || step.reads) && !std::getline(lines, line))
      throw std::runtime_error("an answer is missing");
    answers.push_back(Json::parse(line));
  }
  return answers;
}

bool RealDatabase::has_function(const std::string& name) const {
  return Server::get().query(name_, "select to_regproc('public." + name + "') is not null") == "t";
}

const std::vector<Table>& tables() {
  static const std::vector<Table> all{
      {"tasks",
       "select coalesce(jsonb_agg(jsonb_build_object('id', t.id, 'task_type', t.task_type, 'status', "
       "t.status, "
       "'worker_id', t.worker_id, 'attempts', t.attempts, 'error_message', t.error_message" +
           times({"created_at", "updated_at", "generation_started_at", "generation_processed_at"}, "t") +
           ") order by t.id), '[]') from public.tasks t",
       task_rows},
      {"gpuwarden_workers",
       "select coalesce(jsonb_agg(to_jsonb(g) - array['token_hash', 'heartbeat_base', 'report', "
       "'released_attempt', 'released_status'] || jsonb_build_object('token', encode(g.token_hash, 'hex'), "
       "'shared_status', w.status, 'shared_heartbeat_at', round(extract(epoch from w.last_heartbeat) * "
       "1000)" +
           times({"registered_at", "phase_since", "heartbeat_at", "activated_at", "last_task_at",
                  "outcome_at", "ended_at"},
                 "g") +
           ") order by g.worker_id), '[]') from public.gpuwarden_workers g "
           "left join public.workers w on w.id = g.worker_id",
       worker_rows},
      {"workers",
       "select coalesce(jsonb_agg(jsonb_build_object('id', w.id, 'status', w.status" +
           times({"last_heartbeat"}, "w") +
           ") order by w.id), '[]') from public.workers w where not exists (select 1 from "
           "public.gpuwarden_workers g where g.worker_id = w.id)",
       shared_rows},
      {"gpuwarden_failures",
       "select coalesce(jsonb_agg(to_jsonb(f) - array['id', 'phase', 'pod_id', 'gpu', 'data_center', "
       "'task_ids'] || jsonb_build_object('evidence_line', nullif(f.evidence_line, ''), 'tasks', (select "
       "coalesce(jsonb_agg(x order by x), '[]') from "
       "unnest(f.task_ids) as x)" +
           times({"created_at", "updated_at"}, "f") +
           ") order by f.worker_id), '[]') from public.gpuwarden_failures f",
       failure_rows},
      {"gpuwarden_state",
       "select coalesce(jsonb_agg(jsonb_build_object('owner', s.owner, 'key', s.key, 'value', s.value, 'at', "
       "round(extract(epoch from s.at) * 1000)) order by s.owner, s.key), '[]') from (select owner, key, "
       "value, "
       "changed_at as at from public.gpuwarden_state union all select owner, '', jsonb_build_object('epoch', "
       "epoch, 'holder', holder), expires_at from public.gpuwarden_leaders) s",
       state_rows}};
  return all;
}

std::string difference(const Json& real, const Json& model, const std::string& path) {
  if (real.is_number() && model.is_number()) {
    const auto a = real.get<double>(), b = model.get<double>();
    if (std::fabs(a - b) <= 1e-9 * std::max({1.0, std::fabs(a), std::fabs(b)})) return {};
  } else if (real.is_object() && model.is_object()) {
    std::set<std::string> keys;
    for (const auto& entry : real.items()) keys.insert(entry.key());
    for (const auto& entry : model.items()) keys.insert(entry.key());
    for (const auto& key : keys) {
      if (!real.contains(key)) return path + "." + key + " is in the model's answer only";
      if (!model.contains(key)) return path + "." + key + " is in the real answer only";
      if (key == "failure_id" && real[key].is_string() == model[key].is_string()) continue;
      if (auto found = difference(real[key], model[key], path + "." + key); !found.empty()) return found;
    }
    return {};
  } else if (real.is_array() && model.is_array()) {
    for (std::size_t i = 0; i < std::min(real.size(), model.size()); ++i)
      if (auto found = difference(real[i], model[i], fmt::format("{}[{}]", path, i)); !found.empty())
        return found;
    if (real.size() == model.size()) return {};
    return fmt::format("{}: PostgreSQL has {} entries, the model has {}", path, real.size(), model.size());
  } else if (real == model) {
    return {};
  }
  return fmt::format("{}: PostgreSQL says {}, the model says {}", path, real.dump(), model.dump());
}

std::string quoted(WallTime at) {
  return "'" + format_time_ms(at) + "'::timestamptz";
}

}  // namespace gpuwarden::test
