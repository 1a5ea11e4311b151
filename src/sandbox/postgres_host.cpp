#include "postgres_host.hpp"

#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>

#include <arpa/inet.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child_process.hpp"
#include "pod_files.hpp"

namespace gpuwarden::sandbox {
namespace fs = std::filesystem;

Result<std::string> postgres_programs() {
  for (int version = 30; version >= 15; --version) {
    auto dir = fmt::format("/usr/lib/postgresql/{}/bin", version);
    if (::access((dir + "/postgres").c_str(), X_OK) == 0) return dir;
  }
  return fail(ErrorKind::unavailable,
              "PostgreSQL 15 is not installed: apt-get install --no-install-recommends postgresql-15");
}

std::optional<ServerUser> server_user() {
  if (::geteuid() != 0) return std::nullopt;
  for (const auto* name : {"postgres", "nobody"})
    if (const auto* entry = ::getpwnam(name)) return ServerUser{name, entry->pw_uid, entry->pw_gid};
  return ServerUser{"nobody", 65534, 65534};
}

std::vector<std::string> as_user(const std::optional<ServerUser>& user, std::vector<std::string> argv) {
  if (!user) return argv;
  // A change of user clears the parent-death signal, so it is set again after it.
  std::vector<std::string> all{"/usr/bin/setpriv", fmt::format("--reuid={}", user->uid),
                               fmt::format("--regid={}", user->gid), "--clear-groups", "--pdeathsig=KILL"};
  all.insert(all.end(), std::make_move_iterator(argv.begin()), std::make_move_iterator(argv.end()));
  return all;
}

namespace {

/// True when somebody else than root and the owner may pass through every directory above `path`.
bool reachable(fs::path path) {
  for (path = path.parent_path();; path = path.parent_path()) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0 || (info.st_mode & S_IXOTH) == 0) return false;
    if (path == path.root_path()) return true;
  }
}

constexpr std::string_view kElsewherePrefix = "gpuwarden-postgres.";

/// File in the wanted directory with the path of the one that was used instead.
std::string elsewhere_file(const fs::path& wanted) {
  return (wanted / "elsewhere").string();
}

/// Removes the directory that an earlier server used instead of `wanted`; nothing that is not of our making.
void remove_elsewhere(const fs::path& wanted) {
  std::ifstream file(elsewhere_file(wanted));
  std::string left;
  std::getline(file, left);
  std::error_code ignored;
  const fs::path path = left;
  if (path.parent_path() == fs::temp_directory_path(ignored) &&
      path.filename().string().starts_with(kElsewherePrefix) && !fs::is_symlink(path, ignored))
    fs::remove_all(path, ignored);
  fs::remove(elsewhere_file(wanted), ignored);
}

}  // namespace

Result<std::string> server_directory(const std::string& wanted, const std::optional<ServerUser>& user) {
  std::error_code error;
  auto dir = fs::absolute(wanted, error).lexically_normal();
  fs::create_directories(dir, error);
  if (error) return fail(ErrorKind::internal, fmt::format("{}: {}", dir.string(), error.message()));
  remove_elsewhere(dir);
  if (user && !reachable(dir)) {
    auto pattern = (fs::temp_directory_path(error) / kElsewherePrefix).string() + "XXXXXX";
    if (error || ::mkdtemp(pattern.data()) == nullptr)
      return fail(ErrorKind::internal, "no temporary directory for PostgreSQL");
    if (auto noted = write_text(elsewhere_file(dir), pattern + "\n", 0600); !noted)
      return fail(noted.error());
    dir = pattern;
  }
  if (user && ::chown(dir.c_str(), user->uid, user->gid) != 0)
    return fail(ErrorKind::internal, fmt::format("{} cannot be handed to {}", dir.string(), user->name));
  ::chmod(dir.c_str(), 0700);
  return dir.string();
}

Result<std::uint16_t> free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  const bool bound = fd >= 0 && ::bind(fd, generic, size) == 0 && ::getsockname(fd, generic, &size) == 0;
  if (fd >= 0) ::close(fd);
  if (!bound) return fail(ErrorKind::internal, "no free loopback port");
  return ntohs(address.sin_port);
}

namespace {

boost::asio::awaitable<void> zero_at_exit(boost::asio::any_io_executor executor,
                                          std::shared_ptr<pid_t> child) {
  const pid_t pid = *child;
  co_await wait_for_exit(std::move(executor), pid);
  if (*child == pid) *child = 0;
}

}  // namespace

void zero_when_ended(const boost::asio::any_io_executor& executor, const std::shared_ptr<pid_t>& child) {
  boost::asio::co_spawn(executor, zero_at_exit(executor, child), boost::asio::detached);
}

std::string last_lines(const std::string& path, int lines) {
  std::ifstream file(path);
  std::deque<std::string> last;
  for (std::string line; std::getline(file, line);) {
    last.push_back(std::move(line));
    if (last.size() > static_cast<std::size_t>(lines)) last.pop_front();
  }
  return fmt::format("{}", fmt::join(last, "\n"));
}

}  // namespace gpuwarden::sandbox
