#include "container_host.hpp"

#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gpuwarden/base/format.hpp"

#include "held_port.hpp"
#include "pod_files.hpp"

namespace gpuwarden::sandbox {
namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace {

constexpr std::uint16_t kFirstPort = 20000, kLastPort = 31999;
constexpr std::size_t kMaxLine = 8192;

/// The name that SSH logs in with.
std::string ssh_user(Isolation isolation) {
  if (isolation != Isolation::none) return "root";
  const auto* entry = ::getpwuid(::geteuid());
  return entry == nullptr ? "root" : entry->pw_name;
}

struct Container {
  explicit Container(const asio::any_io_executor& executor) : ended_event(executor) {
    ended_event.expires_at(asio::steady_timer::time_point::max());
  }
  std::string id;
  pid_t pid{0};
  std::string dir;
  HeldPort port;  ///< of its SSH server, whether that runs or not
  bool ended{false}, removing{false};
  asio::steady_timer ended_event;  ///< cancelled when pid 1 has ended
  std::function<void(std::string)> on_line;
  std::function<void()> on_exit;
  std::ofstream log;
};
using ContainerPtr = std::shared_ptr<Container>;

void take_line(Container& container, std::string line) {
  if (!line.empty() && line.back() == '\r') line.pop_back();
  line = printable(line);
  container.log << line << '\n' << std::flush;
  if (container.on_line) container.on_line(std::move(line));
}

/// Reads what pid 1 and its children print until nobody can print any more.
asio::awaitable<void> read_output(ContainerPtr container, asio::posix::stream_descriptor pipe) {
  std::string pending;
  char buffer[4096];
  while (true) {
    boost::system::error_code error;
    const auto count =
        co_await pipe.async_read_some(asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, error));
    if (error) break;
    pending.append(buffer, count);
    for (auto end = pending.find('\n'); end != std::string::npos; end = pending.find('\n')) {
      take_line(*container, pending.substr(0, end));
      pending.erase(0, end + 1);
    }
    if (pending.size() > kMaxLine) take_line(*container, std::exchange(pending, {}));
  }
  if (!pending.empty()) take_line(*container, std::move(pending));
}

}  // namespace

struct ContainerHost::Impl {
  asio::any_io_executor executor;
  ContainerHostOptions options;
  std::map<std::string, ContainerPtr> containers;
  std::uint16_t next_port{0};

  Result<HeldPort> take_port() {
    for (int tries = 0; tries <= kLastPort - kFirstPort; ++tries) {
      const auto port = next_port;
      next_port = next_port >= kLastPort ? kFirstPort : static_cast<std::uint16_t>(next_port + 1);
      if (auto held = HeldPort::take(port)) return held;
    }
    return fail(ErrorKind::internal, "no free port for a pod's SSH server");
  }
};

ContainerHost::ContainerHost(asio::any_io_executor executor, ContainerHostOptions options)
    : impl_(std::make_shared<Impl>()) {
  impl_->executor = std::move(executor);
  impl_->options = std::move(options);
  impl_->next_port = impl_->options.port_base;
  if (impl_->next_port == 0) {
    std::random_device device;
    impl_->next_port =
        static_cast<std::uint16_t>(std::uniform_int_distribution<int>(kFirstPort, kLastPort)(device));
  }
}

ContainerHost::~ContainerHost() {
  for (const auto& [id, container] : impl_->containers) {
    container->removing = true;
    if (!container->ended) ::kill(container->pid, SIGKILL);
  }
}

pid_t ContainerHost::pid_of(const std::string& id) const {
  const auto found = impl_->containers.find(id);
  return found == impl_->containers.end() ? 0 : found->second->pid;
}

int ContainerHost::kill_processes(const std::string& id, std::string_view text) {
  const auto pod = pid_of(id);
  if (pod == 0) return 0;
  int killed = 0;
  for (const auto pid :
       impl_->options.isolation == Isolation::none ? marked_processes(id) : namespace_processes(pod)) {
    if (pid == pod || command_line(pid).find(text) == std::string::npos) continue;
    if (::kill(pid, SIGKILL) == 0) ++killed;
  }
  return killed;
}

Result<HostedPod> ContainerHost::start(PodBoot boot, std::function<void(std::string)> on_line,
                                       std::function<void()> on_exit) {
  auto port = impl_->take_port();
  if (!port) return fail(port.error());
  const auto& options = impl_->options;
  const auto paths = pod_paths(options.dir, boot);
  if (auto written = write_pod_files(paths, boot, port->number(), options.isolation); !written)
    return fail(written.error());
  int output[2];
  if (::pipe2(output, O_CLOEXEC) != 0) return fail(ErrorKind::internal, "no pipe for the container's log");
  auto spec = pod_command(paths, boot, options.isolation);
  spec.output = output[1];
  const auto pid = spawn(spec);
  ::close(output[1]);
  if (!pid) {
    ::close(output[0]);
    return fail(pid.error());
  }
  auto container = std::make_shared<Container>(impl_->executor);
  container->id = boot.id;
  container->pid = *pid;
  container->dir = paths.pod;
  container->port = std::move(*port);
  container->on_line = std::move(on_line);
  container->on_exit = std::move(on_exit);
  std::error_code ignored;
  fs::create_directories(options.dir + "/logs", ignored);
  container->log.open(options.dir + "/logs/" + boot.id + ".log");
  impl_->containers[boot.id] = container;
  asio::co_spawn(impl_->executor,
                 read_output(container, asio::posix::stream_descriptor(impl_->executor, output[0])),
                 asio::detached);
  asio::co_spawn(impl_->executor, wait_for_exit(impl_->executor, *pid),
                 [container](const std::exception_ptr&, int) {
                   container->ended = true;
                   container->ended_event.cancel();
                   if (!container->removing && container->on_exit) container->on_exit();
                 });
  return HostedPod{container->port.number(), ssh_user(options.isolation)};
}

asio::awaitable<void> ContainerHost::remove(std::string id) {
  const auto impl = impl_;
  const auto found = impl->containers.find(id);
  if (found == impl->containers.end()) co_return;
  const auto container = found->second;
  container->removing = true;
  if (!container->ended) ::kill(container->pid, SIGKILL);
  while (!container->ended) {
    boost::system::error_code cancelled;
    co_await container->ended_event.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
  }
  if (impl->options.isolation == Isolation::none) {
    asio::steady_timer pause(impl->executor);
    for (auto left = marked_processes(id); !left.empty(); left = marked_processes(id)) {
      for (const auto pid : left) ::kill(pid, SIGKILL);
      pause.expires_after(Duration(20));
      co_await pause.async_wait(asio::use_awaitable);
    }
  }
  std::error_code ignored;
  fs::remove_all(container->dir, ignored);
  impl->containers.erase(id);
}

asio::awaitable<void> ContainerHost::stop() {
  const auto impl = impl_;
  while (!impl->containers.empty()) {
    const auto id = impl->containers.begin()->first;
    co_await remove(id);
  }
}

Result<void> login_works(Isolation isolation) {
  if (isolation != Isolation::none) return {};
  const auto* entry = ::getpwuid(::geteuid());
  if (entry == nullptr)
    return fail(
        ErrorKind::unavailable,
        fmt::format("user id {} has no name: pods without namespaces need one to log in", ::geteuid()));
  const std::string shell = entry->pw_shell;
  if (shell.ends_with("/nologin") || shell.ends_with("/false"))
    return fail(
        ErrorKind::unavailable,
        fmt::format("user '{}' has no login shell ({}): pods without namespaces need one; run as another "
                    "user",
                    entry->pw_name, shell));
  return {};
}

bool isolation_works(Isolation isolation, const std::string& dir) {
  if (isolation == Isolation::none) return true;
  if (isolation == Isolation::namespaces && ::geteuid() != 0) return false;
  PodBoot boot;
  boot.id = "probe";
  const auto paths = pod_paths(dir, boot);
  if (!write_pod_files(paths, boot, 1, isolation) ||
      !write_text(paths.files + "/start.sh", "test -x /usr/bin/bash && test ! -e " + paths.files + "\n"))
    return false;
  int status = -1;
  const auto child = spawn(pod_command(paths, boot, isolation));
  if (child) ::waitpid(*child, &status, 0);
  std::error_code ignored;
  fs::remove_all(paths.pod, ignored);
  return child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

Isolation strongest_isolation(const std::string& dir) {
  for (const auto isolation : {Isolation::namespaces, Isolation::user_namespaces})
    if (isolation_works(isolation, dir)) return isolation;
  return Isolation::none;
}

}  // namespace gpuwarden::sandbox
