#include "integration/sql/sql_world.hpp"

#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include <fmt/format.h>
#include <openssl/evp.h>

namespace gpuwarden::test {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;

void must(const Result<void>& done) {
  if (!done) throw std::runtime_error(done.error().message);
}

constexpr const char* kTemplate = "migrated_template";

}  // namespace

Server::Server() {
  auto pattern = (fs::temp_directory_path() / "gpuwarden-sql.XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  dir = pattern;
  fs::permissions(dir, fs::perms(0755));
  sandbox::PostgresOptions options;
  options.dir = dir + "/postgres";
  postgres = std::make_unique<sandbox::Postgres>(io.get_executor(), options);
  must(run(postgres->start()));
  must(run(postgres->create_database(kTemplate)));
  migrate(kTemplate);
}

Server::~Server() {
  run([](sandbox::Postgres& server) -> asio::awaitable<bool> {
    co_await server.stop();
    co_return true;
  }(*postgres));
  std::error_code ignored;
  fs::remove_all(dir, ignored);
}

Server& Server::get() {
  static Server server;
  return server;
}

void Server::migrated(const std::string& database, const std::string& before) {
  if (before.empty()) {
    must(run(postgres->create_database(database, kTemplate)));
    return;
  }
  must(run(postgres->create_database(database)));
  query(database, before, sandbox::Postgres::kOwner);
  migrate(database);
}

void Server::migrate(const std::string& database) {
  must(run(postgres->migrate(database)));
}

std::string Server::query(const std::string& database, const std::string& sql, std::string_view role) {
  auto done = run(postgres->query(database, sql, role));
  if (!done) throw std::runtime_error(done.error().message);
  return *done;
}

Json Server::rows(const std::string& database, const std::string& sql) {
  return Json::parse(query(database, "select coalesce(json_agg(q), '[]') from (" + sql + ") q"));
}

OpenTransaction::OpenTransaction(std::string database, const std::string& sql)
    : database_(std::move(database)) {
  static int count = 0;
  name_ = fmt::format("open-{}", ++count);
  auto& server = Server::get();
  session_ = asio::co_spawn(
      server.io,
      server.postgres->query(
          database_, fmt::format("set application_name = '{}'; begin; {}; select pg_sleep(60)", name_, sql)),
      asio::use_future);
  const auto sleeping = fmt::format(
      "select pid from pg_stat_activity where application_name = '{}' and wait_event = 'PgSleep'", name_);
  while (server.rows(database_, sleeping).empty()) {
    if (session_.wait_for(std::chrono::seconds(0)) != std::future_status::ready) continue;
    const auto ended = session_.get();
    throw std::runtime_error(ended ? *ended : ended.error().message);
  }
}

OpenTransaction::~OpenTransaction() {
  auto& server = Server::get();
  // Should this fail, the session still ends with its sleep.
  (void)server.run(server.postgres->query(
      database_,
      fmt::format(
          "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = '{}'",
          name_)));
  while (session_.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
    server.io.restart();
    server.io.run_one();
  }
}

Project::Project(std::string database_in)
    : database(std::move(database_in)), client(Server::get().io.get_executor(), {"gpuwarden-test", 64}) {
  auto& server = Server::get();
  sandbox::PostgrestOptions options;
  options.database_url = server.postgres->url(database, sandbox::Postgres::kAuthenticator);
  options.jwt_secret = keys.jwt_secret;
  options.log_path = server.dir + "/" + database + ".log";
  postgrest = std::make_unique<sandbox::Postgrest>(server.io.get_executor(), options);
  must(server.run(postgrest->start()));
  gateway = std::make_unique<sandbox::Gateway>(
      server.io.get_executor(),
      sandbox::GatewayOptions{postgrest->url(), keys.jwt_secret, keys.secret, keys.publishable});
  must(gateway->start());
}

Project::~Project() {
  gateway->stop();
  Server::get().run([](sandbox::Postgrest& server) -> asio::awaitable<bool> {
    co_await server.stop();
    co_return true;
  }(*postgrest));
}

Answer Project::call(const std::string& method, const std::string& path, const http::Headers& headers,
                     const Json& body) {
  http::Request request;
  request.method = method;
  request.url = gateway->url() + path;
  request.headers = headers;
  if (!body.is_null()) {
    request.headers.emplace_back("content-type", "application/json");
    request.body = body.dump();
  }
  const auto response = Server::get().run(client.fetch(std::move(request)));
  if (!response) return {};
  return {response->status, Json::parse(response->body, nullptr, false), response->body, response->headers};
}

Answer Project::call(const std::string& method, const std::string& path, Key key, const Json& body) {
  http::Headers headers;
  if (key != Key::none) headers.emplace_back("apikey", key == Key::secret ? keys.secret : keys.publishable);
  return call(method, path, headers, body);
}

Answer Project::rpc(const std::string& function, const Json& arguments, Key key) {
  return call("POST", "/rest/v1/rpc/" + function, key, arguments);
}

Json Project::ask(const std::string& function, const Json& arguments, Key key) {
  const auto answer = rpc(function, arguments, key);
  if (answer.status != 200)
    throw std::runtime_error(fmt::format("{}: HTTP {} {}", function, answer.status, answer.text));
  return answer.body;
}

std::vector<Answer> Project::parallel(const std::vector<std::pair<std::string, Json>>& calls, Key key) {
  auto& io = Server::get().io;
  std::vector<std::future<Result<http::Response>>> pending;
  for (const auto& [function, arguments] : calls) {
    http::Request request;
    request.method = "POST";
    request.url = gateway->url() + "/rest/v1/rpc/" + function;
    request.headers = {{"apikey", key == Key::secret ? keys.secret : keys.publishable},
                       {"content-type", "application/json"}};
    request.body = arguments.dump();
    pending.push_back(asio::co_spawn(io, client.fetch(std::move(request)), asio::use_future));
  }
  std::vector<Answer> answers;
  for (auto& each : pending) {
    while (each.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
      io.restart();
      io.run_one();
    }
    const auto response = each.get();
    Answer answer;
    if (response) {
      answer.status = response->status;
      answer.body = Json::parse(response->body, nullptr, false);
      answer.text = response->body;
    }
    answers.push_back(std::move(answer));
  }
  return answers;
}

Json Project::snapshot(const std::string& owner, const std::string& holder, int lease) {
  return ask("gpuwarden_snapshot", {{"owner_param", owner},
                                    {"holder_param", holder},
                                    {"lease_sec_param", lease},
                                    {"options_param",
                                     {{"failure_window_sec", 1800},
                                      {"orphan_task_sec", 900},
                                      {"api_task_sec", 420},
                                      {"inactive_task_sec", 1800},
                                      {"rescue_exempt", {"*_orchestrator*"}}}}});
}

std::unique_ptr<Project> SqlTest::project_;

void SqlTest::SetUpTestSuite() {
  std::string database = ::testing::UnitTest::GetInstance()->current_test_suite()->name();
  for (char& letter : database) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  Server::get().migrated(database);
  project_ = std::make_unique<Project>(database);
}

void SqlTest::TearDownTestSuite() {
  project_.reset();
}

void SqlTest::SetUp() {
  project().exec(
      "truncate public.tasks, public.workers, public.system_logs, public.gpuwarden_workers, "
      "public.gpuwarden_failures, public.gpuwarden_leaders, public.gpuwarden_state, public.gpuwarden_events");
  project().gateway->set_outage(sandbox::Outage::none);
  project().gateway->set_delay(Duration(0));
  project().gateway->cut_off_pods(sandbox::PodAccess::all);
  epoch = project().snapshot().at("leader").at("epoch");
}

Pod SqlTest::worker(const std::string& name, const std::string& status) {
  const auto id = "gpu-test-20261124000000-" + name;
  Pod pod{&project(), id, "token of " + name};
  const auto registered = project().ask("gpuwarden_register_worker", {{"worker_id_param", id},
                                                                      {"owner_param", "test"},
                                                                      {"epoch_param", epoch},
                                                                      {"details_param",
                                                                       {{"gpu", "NVIDIA GeForce RTX 4090"},
                                                                        {"data_center", "EU-RO-1"},
                                                                        {"cloud", "SECURE"},
                                                                        {"image", "image:1"},
                                                                        {"script_hash", "abc"},
                                                                        {"generation", 1},
                                                                        {"canary", false},
                                                                        {"cost_per_hr", 0.5}}}});
  EXPECT_TRUE(registered.at("done")) << registered;
  Json change{{"phase", "starting"}, {"pod_id", "pod-" + name}, {"token_sha256", sha256_hex(pod.token)}};
  if (status == "active") change["status"] = "active";
  const auto updated = update(id, {"spawning"}, change);
  EXPECT_TRUE(updated.at("done")) << updated;
  return pod;
}

Json SqlTest::update(const std::string& worker, const Json& expected, const Json& change) {
  return project().ask("gpuwarden_update_worker", {{"worker_id_param", worker},
                                                   {"owner_param", "test"},
                                                   {"epoch_param", epoch},
                                                   {"expected_param", expected},
                                                   {"change_param", change}});
}

Json SqlTest::fail_worker(const std::string& worker, const std::string& cause, Json more) {
  Json failure{{"cause", cause},
               {"summary", "it died: " + cause},
               {"evidence_line", "the line"},
               {"fingerprint", "fp"},
               {"phase", "busy"},
               {"scope", "host"},
               {"counts", true},
               {"advice", "look"},
               {"evidence", {{"exit_code", 1}}},
               {"cost_usd", 0.25},
               {"generation", 1},
               {"task_max_attempts", 3}};
  failure.update(more);
  return project().ask("gpuwarden_fail_worker", {{"worker_id_param", worker},
                                                 {"owner_param", "test"},
                                                 {"epoch_param", epoch},
                                                 {"failure_param", failure}});
}

std::string SqlTest::add_task(const std::string& columns, const std::string& values) {
  const auto sql = "insert into public.tasks (" + columns + ") values (" + values + ") returning id";
  return Server::get().query(project().database, sql);
}

Json SqlTest::live(const std::string& worker) {
  const auto snapshot = project().snapshot();
  for (const auto& each : snapshot.at("workers"))
    if (each.at("id") == worker) return each;
  return nullptr;
}

std::string sha256_hex(const std::string& text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  EVP_Digest(text.data(), text.size(), digest, &length, EVP_sha256(), nullptr);
  std::string hex;
  for (unsigned i = 0; i < length; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

std::string existing_schema(const std::string& status_type, const std::string& dependant_on,
                            const std::string& heartbeat) {
  std::string sql;
  if (status_type != "text")
    sql += fmt::format(
        "create type public.{} as enum ('Queued', 'In Progress', 'Complete', 'Failed', 'Cancelled');\n",
        status_type);
  sql += fmt::format(
      "create table public.tasks (id uuid primary key default gen_random_uuid(), task_type text not null, "
      "params jsonb, status {} not null default 'Queued', attempts int not null default 0, worker_id text, "
      "created_at timestamptz default now(), updated_at timestamptz, generation_started_at timestamptz, "
      "generation_processed_at timestamptz, error_message text, result_data jsonb{});\n"
      "create table public.workers (id text primary key, instance_type text not null, status text, "
      "created_at timestamptz, last_heartbeat timestamptz {}, metadata jsonb);\n",
      status_type == "text" ? "text" : "public." + status_type,
      dependant_on.empty() ? "" : ", dependant_on " + dependant_on, heartbeat);
  return sql;
}

}  // namespace gpuwarden::test
