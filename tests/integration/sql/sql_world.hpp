#pragma once

#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/http/client.hpp"
#include "gpuwarden/sandbox/gateway.hpp"
#include "gpuwarden/sandbox/postgres.hpp"
#include "gpuwarden/sandbox/postgrest.hpp"

namespace gpuwarden::test {

using Json = nlohmann::json;

/// The PostgreSQL server of this program, started by the first test that asks.
class Server {
 public:
  static Server& get();

  /// Runs a coroutine to its end.
  template <class T>
  T run(boost::asio::awaitable<T> work) {
    auto done = boost::asio::co_spawn(io, std::move(work), boost::asio::use_future);
    while (done.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
      io.restart();
      io.run_one();
    }
    return done.get();
  }
  /// A new database of this name with the statements of `before` and then the migrations.
  void migrated(const std::string& database, const std::string& before = "");
  void migrate(const std::string& database);
  /// Throws with psql's words.
  std::string query(const std::string& database, const std::string& sql,
                    std::string_view role = sandbox::Postgres::kSuperuser);
  /// Rows as a JSON array.
  Json rows(const std::string& database, const std::string& sql);

  boost::asio::io_context io{1};
  std::string dir;
  std::unique_ptr<sandbox::Postgres> postgres;

 private:
  Server();

 public:
  ~Server();
};

/// Another session with an open transaction that has run a statement; rolled back at the end of this object.
class OpenTransaction {
 public:
  OpenTransaction(std::string database, const std::string& sql);
  ~OpenTransaction();
  OpenTransaction(const OpenTransaction&) = delete;
  OpenTransaction& operator=(const OpenTransaction&) = delete;

 private:
  std::string database_, name_;
  std::future<Result<std::string>> session_;
};

struct Answer {
  int status{0};  ///< 0 = the connection broke
  Json body;
  std::string text;
  http::Headers headers;
};

enum class Key { secret, publishable, none };

/// A database with the real PostgREST and the gateway in front of it.
class Project {
 public:
  explicit Project(std::string database_in);
  ~Project();

  Answer call(const std::string& method, const std::string& path, const http::Headers& headers,
              const Json& body = nullptr);
  Answer call(const std::string& method, const std::string& path, Key key, const Json& body = nullptr);
  Answer rpc(const std::string& function, const Json& arguments, Key key = Key::secret);
  /// The body of an answer that must be 200.
  Json ask(const std::string& function, const Json& arguments, Key key = Key::secret);
  /// All at the same time.
  std::vector<Answer> parallel(const std::vector<std::pair<std::string, Json>>& calls, Key key);

  Json rows(const std::string& sql) { return Server::get().rows(database, sql); }
  void exec(const std::string& sql) { Server::get().query(database, sql); }
  /// As the daemon's adapter would read it.
  Json snapshot(const std::string& owner = "test", const std::string& holder = "daemon", int lease = 30);

  std::string database;
  sandbox::ProjectKeys keys{sandbox::make_project_keys()};
  std::unique_ptr<sandbox::Postgrest> postgrest;
  std::unique_ptr<sandbox::Gateway> gateway;
  http::Client client;
};

/// A pod that holds the publishable key and its token.
struct Pod {
  Project* project{nullptr};
  std::string id, token;

  Json with(Json more = Json::object()) const {
    more["worker_id_param"] = id;
    more["token_param"] = token;
    return more;
  }
  Answer report(const Json& report) const {
    return project->rpc("gpuwarden_worker_report", with({{"report_param", report}}), Key::publishable);
  }
  Json claim() const { return project->ask("gpuwarden_claim_task", with(), Key::publishable); }
  Json complete(const Json& task, const Json& result = nullptr) const {
    return project->ask("gpuwarden_complete_task",
                        with({{"task_id_param", task.at("id")},
                              {"attempt_param", task.at("attempt")},
                              {"result_param", result}}),
                        Key::publishable);
  }
  Json fail(const Json& task, const std::string& error) const {
    return project->ask("gpuwarden_fail_task",
                        with({{"task_id_param", task.at("id")},
                              {"attempt_param", task.at("attempt")},
                              {"error_param", error}}),
                        Key::publishable);
  }
};

/// Tests of one suite share a project; each starts with empty tables and leads as owner "test".
class SqlTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite();
  void SetUp() override;

  /// Registered and with a token; `status` spawning or active.
  Pod worker(const std::string& name, const std::string& status = "active");
  Json update(const std::string& worker, const Json& expected, const Json& change);
  Json fail_worker(const std::string& worker, const std::string& cause, Json more = Json::object());
  std::string add_task(const std::string& columns = "task_type", const std::string& values = "'sample'");
  Json task(const std::string& id) {
    return project().rows("select * from public.tasks where id = '" + id + "'").at(0);
  }
  Json row(const std::string& worker) {
    return project().rows("select * from public.gpuwarden_workers where worker_id = '" + worker + "'").at(0);
  }
  Json live(const std::string& worker);  ///< as in the snapshot; null when it is not there
  static Project& project() { return *project_; }
  long epoch{0};

 private:
  static std::unique_ptr<Project> project_;
};

std::string sha256_hex(const std::string& text);
/// The schema that projects in the field have, with the parts that vary as arguments.
std::string existing_schema(const std::string& status_type, const std::string& dependant_on,
                            const std::string& heartbeat);

}  // namespace gpuwarden::test
