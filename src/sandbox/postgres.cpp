#include "gpuwarden/sandbox/postgres.hpp"

#include <csignal>
#include <cstdlib>
#include <filesystem>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "child_process.hpp"
#include "kMigrations.hpp"
#include "pod_book.hpp"
#include "pod_files.hpp"
#include "postgres_host.hpp"
#include "roles.hpp"

namespace gpuwarden::sandbox {
namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace {

constexpr std::string_view kPath = "PATH=/usr/local/bin:/usr/bin:/bin";

asio::awaitable<void> pause(asio::any_io_executor executor, Duration length) {
  asio::steady_timer timer(executor, length);
  co_await timer.async_wait(asio::use_awaitable);
}

}  // namespace

struct Postgres::Impl {
  Impl(asio::any_io_executor executor_in, PostgresOptions options_in)
      : executor(std::move(executor_in)), options(std::move(options_in)) {}

  asio::any_io_executor executor;
  PostgresOptions options;
  std::optional<ServerUser> user = server_user();
  std::string programs;  // initdb and postgres
  std::string dir;       // belongs to the server's user
  bool own_dir{false};   // it is not options.dir, so we remove it
  std::string password = random_word(32);
  std::uint16_t port{0};
  std::shared_ptr<pid_t> server = std::make_shared<pid_t>(0);  // 0 = it does not run

  Result<void> prepare();
  Result<void> launch();
  void kill(int signal) {
    if (*server > 0) ::kill(*server, signal);
  }
};

Result<void> Postgres::Impl::prepare() {
  auto found = postgres_programs();
  if (!found) return fail(found.error());
  programs = *found;
  auto made = server_directory(options.dir, user);
  if (!made) return fail(made.error());
  dir = *made;
  std::error_code error;
  own_dir = !fs::equivalent(dir, options.dir, error);
  const auto password_file = dir + "/password";
  if (auto written = write_text(password_file, password + "\n", 0600); !written) return written;
  if (user && ::chown(password_file.c_str(), user->uid, user->gid) != 0)
    return fail(ErrorKind::internal, "the password file cannot be handed over");
  fs::remove_all(dir + "/data", error);
  const auto initdb = run_command(
      as_user(user, {programs + "/initdb", "-D", dir + "/data", "-U", std::string(kSuperuser), "-A",
                     "scram-sha-256", "--pwfile", password_file, "-N", "-E", "UTF8", "--locale=C.UTF-8"}),
      {std::string(kPath), "TZ=UTC"});
  fs::remove(password_file, error);
  if (initdb.exit_code != 0) return fail(ErrorKind::internal, "initdb: " + initdb.output);
  return {};
}

Result<void> Postgres::Impl::launch() {
  const auto chosen = free_port();
  if (!chosen) return fail(chosen.error());
  port = *chosen;
  const auto log = dir + "/server.log";
  const int output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  SpawnSpec spec;
  spec.argv = as_user(user, {programs + "/postgres", "-D", dir + "/data", "-p", std::to_string(port)});
  // Nothing here needs to survive a power cut; a socket file has no use, and its path may be too long.
  for (const auto* setting :
       {"listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "full_page_writes=off",
        "synchronous_commit=off", "max_connections=120", "log_line_prefix=%m [%p] %u@%d ", "timezone=UTC",
        "log_timezone=UTC", "jit=off"}) {
    spec.argv.emplace_back("-c");
    spec.argv.emplace_back(setting);
  }
  spec.env = {std::string(kPath), "TZ=UTC"};
  spec.output = output;
  const auto child = spawn(spec);
  ::close(output);
  if (!child) return fail(child.error());
  *server = *child;
  zero_when_ended(executor, server);
  return {};
}

Postgres::Postgres(asio::any_io_executor executor, PostgresOptions options)
    : impl_(new Impl(std::move(executor), std::move(options))) {}

Postgres::~Postgres() {
  impl_->kill(SIGQUIT);  // at once, without a clean shutdown
  std::error_code ignored;
  if (impl_->own_dir) fs::remove_all(impl_->dir, ignored);
}

asio::awaitable<Result<void>> Postgres::start() {
  if (auto prepared = impl_->prepare(); !prepared) co_return prepared;
  constexpr int kPorts = 5;
  for (int attempt = 0; attempt < kPorts; ++attempt) {
    if (auto launched = impl_->launch(); !launched) co_return launched;
    constexpr auto kEvery = std::chrono::milliseconds(50), kLimit = std::chrono::milliseconds(30000);
    for (auto waited = Duration(0); waited < kLimit && *impl_->server != 0; waited += kEvery) {
      if (co_await query("postgres", "select 1")) {
        const auto roles = co_await query("postgres", roles_sql(impl_->password));
        co_return roles ? Result<void>() : fail(roles.error());
      }
      co_await pause(impl_->executor, kEvery);
    }
    if (*impl_->server != 0) break;
    // It ended at once: most likely somebody else took the port.
  }
  co_return fail(ErrorKind::internal,
                 "PostgreSQL does not start: " + last_lines(impl_->dir + "/server.log", 8));
}

asio::awaitable<void> Postgres::stop() {
  impl_->kill(SIGINT);  // fast shutdown
  constexpr auto kEvery = std::chrono::milliseconds(20), kLimit = std::chrono::milliseconds(5000);
  for (auto waited = Duration(0); waited < kLimit && *impl_->server != 0; waited += kEvery)
    co_await pause(impl_->executor, kEvery);
  impl_->kill(SIGQUIT);
}

asio::awaitable<Result<void>> Postgres::create_database(std::string name, std::string like) {
  auto sql = fmt::format(
      "drop database if exists \"{}\" with (force);\ncreate database \"{}\" owner postgres", name, name);
  if (!like.empty()) sql += fmt::format(" template \"{}\"", like);
  auto made = co_await query("postgres", sql + ";");
  if (!made) co_return fail(made.error());
  if (!like.empty()) co_return Result<void>();
  auto set_up = co_await query(name, database_sql(impl_->options.open_defaults));
  if (!set_up) co_return fail(set_up.error());
  co_return Result<void>();
}

asio::awaitable<Result<void>> Postgres::migrate(std::string database) {
  std::string sql = "begin;\n";
  for (const auto& file : kMigrations) sql += std::string(file.text) + "\n";
  auto applied = co_await query(std::move(database), sql + "commit;\n", kOwner);
  if (!applied) co_return fail(applied.error().within("migrations"));
  co_return Result<void>();
}

asio::awaitable<Result<std::string>> Postgres::query(std::string database, std::string sql,
                                                     std::string_view role) {
  SpawnSpec spec;
  spec.argv = {impl_->programs + "/psql", "-XAtq", "-v", "ON_ERROR_STOP=1"};
  spec.env = {std::string(kPath),
              "PGHOST=127.0.0.1",
              fmt::format("PGPORT={}", impl_->port),
              fmt::format("PGUSER={}", role),
              "PGPASSWORD=" + impl_->password,
              "PGDATABASE=" + std::move(database),
              "PGOPTIONS=-c client_min_messages=warning",
              "PGCONNECT_TIMEOUT=5"};
  auto done = co_await run_command(impl_->executor, std::move(spec), std::move(sql));
  while (done.output.ends_with('\n')) done.output.pop_back();
  if (done.exit_code != 0) co_return fail(ErrorKind::internal, "psql: " + done.output);
  co_return std::move(done.output);
}

std::string Postgres::url(std::string_view database, std::string_view role) const {
  return fmt::format("postgresql://{}:{}@127.0.0.1:{}/{}", role, impl_->password, impl_->port, database);
}

std::uint16_t Postgres::port() const {
  return impl_->port;
}

}  // namespace gpuwarden::sandbox
