#include "child_process.hpp"

#include <cerrno>
#include <cstring>

#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gpuwarden::sandbox {
namespace asio = boost::asio;

namespace {

constexpr unsigned long kNamespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;

unsigned long clone_flags(Isolation isolation) {
  switch (isolation) {
    case Isolation::namespaces:
      return kNamespaces;
    case Isolation::user_namespaces:
      return kNamespaces | CLONE_NEWUSER;
    case Isolation::none:
      return 0;
  }
  return 0;
}

bool write_file(const std::string& path, const std::string& text) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool done = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(fd);
  return done;
}

/// Inside the new user namespace the child keeps its own user and group id; root's child also those that
/// SSH's server changes to.
bool map_ids(pid_t child) {
  const auto proc = fmt::format("/proc/{}/", child);
  constexpr std::string_view kAll = "0 0 65536\n";
  if (::geteuid() == 0)
    return write_file(proc + "uid_map", std::string(kAll)) && write_file(proc + "gid_map", std::string(kAll));
  return write_file(proc + "setgroups", "deny") &&
         write_file(proc + "uid_map", fmt::format("{0} {0} 1\n", ::geteuid())) &&
         write_file(proc + "gid_map", fmt::format("{0} {0} 1\n", ::getegid()));
}

/// A user id other than 0 loses its capabilities at exec unless they are ambient.
void keep_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  if (::syscall(SYS_capget, &header, data) != 0) return;
  for (auto& each : data) each.inheritable = each.permitted;
  if (::syscall(SYS_capset, &header, data) != 0) return;
  for (unsigned long capability = 0; capability <= CAP_LAST_CAP; ++capability)
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0);
}

/// Runs in the child, between fork and exec: only async-signal-safe calls.
[[noreturn]] void become(char* const* argv, char* const* env, int input, int output, int gate,
                         bool user_namespace) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  char go = 0;
  // End of file instead of the byte: the parent died before the line above took effect.
  if (::read(gate, &go, 1) != 1) ::_exit(126);
  ::setsid();
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD}) ::signal(number, SIG_DFL);
  const int null = ::open("/dev/null", O_RDWR);
  ::dup2(input >= 0 ? input : null, 0);
  ::dup2(output >= 0 ? output : null, 1);
  ::dup2(1, 2);
  ::syscall(SYS_close_range, 3U, ~0U, 0U);
  if (user_namespace) keep_capabilities();
  ::execve(argv[0], argv, env);
  ::_exit(127);
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> all;
  all.reserve(strings.size() + 1);
  for (const auto& each : strings) all.push_back(const_cast<char*>(each.c_str()));
  all.push_back(nullptr);
  return all;
}

Error system_error(std::string_view what) {
  Error error;
  error.message = fmt::format("{}: {}", what, std::strerror(errno));
  return error;
}

}  // namespace

std::string_view to_string(Isolation isolation) {
  switch (isolation) {
    case Isolation::namespaces:
      return "namespaces";
    case Isolation::user_namespaces:
      return "user namespaces";
    case Isolation::none:
      return "directories only";
  }
  return "";
}

Result<pid_t> spawn(const SpawnSpec& spec) {
  auto argv = pointers(spec.argv);
  auto env = pointers(spec.env);
  int gate[2];
  if (::pipe2(gate, O_CLOEXEC) != 0) return fail(system_error("pipe"));
  const auto flags = clone_flags(spec.isolation) | SIGCHLD;
  const auto child = static_cast<pid_t>(::syscall(SYS_clone, flags, nullptr, nullptr, nullptr, 0));
  if (child == 0) {
    ::close(gate[1]);
    become(argv.data(), env.data(), spec.input, spec.output, gate[0],
           spec.isolation == Isolation::user_namespaces);
  }
  auto error = system_error("clone");
  ::close(gate[0]);
  if (child < 0) {
    ::close(gate[1]);
    return fail(std::move(error));
  }
  const bool mapped = spec.isolation != Isolation::user_namespaces || map_ids(child);
  if (mapped) (void)!::write(gate[1], "g", 1);
  ::close(gate[1]);
  if (!mapped) {
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    return fail(ErrorKind::internal, "user namespace: the user id cannot be mapped");
  }
  return child;
}

asio::awaitable<int> wait_for_exit(asio::any_io_executor executor, pid_t child) {
  const int fd = static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
  if (fd >= 0) {
    asio::posix::stream_descriptor ended(executor, fd);
    co_await ended.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  co_return status;
}

CommandResult run_command(const std::vector<std::string>& argv, const std::vector<std::string>& env) {
  CommandResult result;
  int output[2];
  if (::pipe2(output, O_CLOEXEC) != 0) return result;
  SpawnSpec spec;
  spec.argv = argv;
  spec.env = env;
  spec.output = output[1];
  const auto child = spawn(spec);
  ::close(output[1]);
  if (child) {
    char buffer[4096];
    ssize_t count = 0;
    while ((count = ::read(output[0], buffer, sizeof buffer)) > 0 || (count < 0 && errno == EINTR))
      if (count > 0) result.output.append(buffer, static_cast<std::size_t>(count));
    int status = 0;
    while (::waitpid(*child, &status, 0) < 0 && errno == EINTR) {
    }
    result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  ::close(output[0]);
  return result;
}

asio::awaitable<CommandResult> run_command(asio::any_io_executor executor, SpawnSpec spec,
                                           std::string input) {
  CommandResult result;
  int output[2];
  if (::pipe2(output, O_CLOEXEC) != 0) co_return result;
  const int text = ::memfd_create("input", MFD_CLOEXEC);
  for (std::size_t sent = 0; sent < input.size();) {
    const auto count = ::write(text, input.data() + sent, input.size() - sent);
    if (count <= 0) break;
    sent += static_cast<std::size_t>(count);
  }
  ::lseek(text, 0, SEEK_SET);
  spec.input = text;
  spec.output = output[1];
  const auto child = spawn(spec);
  ::close(text);
  ::close(output[1]);
  asio::posix::stream_descriptor pipe(executor, output[0]);
  if (!child) co_return result;
  char buffer[16384];
  boost::system::error_code ended;
  while (!ended) {
    const auto count =
        co_await pipe.async_read_some(asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, ended));
    result.output.append(buffer, count);
  }
  const int status = co_await wait_for_exit(executor, *child);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  co_return result;
}

}  // namespace gpuwarden::sandbox
