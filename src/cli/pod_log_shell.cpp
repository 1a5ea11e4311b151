#include "pod_log_shell.hpp"

#include <charconv>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "gpuwarden/control/host_keys.hpp"

namespace gpuwarden::cli {
namespace {

using namespace std::chrono_literals;

constexpr Duration kConnect = 10s;
constexpr Duration kRead = 20s;
constexpr Duration kFollow = 60s;  // the command ends itself sooner

/// N of "@@ N".
std::optional<std::size_t> position_in(const std::string& line) {
  constexpr std::string_view kMark = "@@ ";
  if (!line.starts_with(kMark)) return std::nullopt;
  std::size_t value = 0;
  const char* end = line.data() + line.size();
  const auto [rest, problem] = std::from_chars(line.data() + kMark.size(), end, value);
  return problem == std::errc{} && rest == end ? std::optional(value) : std::nullopt;
}

}  // namespace

void LineSplitter::feed(std::string_view piece) {
  rest_.append(piece);
  std::size_t from = 0;
  for (std::size_t end = rest_.find('\n'); end != std::string::npos; end = rest_.find('\n', from)) {
    on_line_(rest_.substr(from, end - from));
    from = end + 1;
  }
  rest_.erase(0, from);
}

void LineSplitter::finish() {
  if (!rest_.empty()) on_line_(std::exchange(rest_, {}));
}

ports::Async<std::monostate> PodLogShell::connect() {
  if (!pod_.ssh) co_return fail(ErrorKind::not_found, "the pod has no SSH endpoint");
  if (!pin_) {
    ports::LogQuery query;
    query.pod = pod_.id;
    query.source = "container";
    query.tail = 200;
    pin_.emplace();
    if (const auto log = co_await services_.provider->logs(std::move(query)))
      pin_->sha256 = control::host_keys_in(*log);
  }
  ports::ShellTarget target;
  target.endpoint = *pod_.ssh;
  target.pin = *pin_;
  target.timeout = kConnect;
  auto session = co_await services_.shell->connect(std::move(target));
  if (!session) co_return fail(session.error());
  session_ = std::move(*session);
  if (const auto first = std::exchange(on_connected, {})) first();
  if (pin_->sha256.empty()) pin_->sha256 = {session_->host_key()};
  co_return std::monostate{};
}

ports::Async<PodLogShell::Round> PodLogShell::read(int lines, bool follow, LineSplitter& out) {
  if (!session_) {
    if (const auto connected = co_await connect(); !connected) co_return fail(connected.error());
  }
  std::string complaint;
  LineSplitter positions([&](const std::string& line) {
    if (const auto position = position_in(line)) {
      offset_ = position;
    } else {
      complaint = line;
    }
  });
  ports::ShellCommand command;
  command.command = bootstrap::logs_command(worker_, {log_, lines, follow, offset_});
  command.timeout = follow ? kFollow : kRead;
  command.on_stdout = [&out](std::string_view piece) { out.feed(piece); };
  command.on_stderr = [&positions](std::string_view piece) { positions.feed(piece); };
  const auto ran = co_await session_->run(std::move(command));
  if (!ran) {
    session_.reset();
    co_return fail(ran.error());
  }
  if (ran->exit_status == bootstrap::kStillRunning) co_return Round::still_running;
  if (ran->exit_status == bootstrap::kNotStarted) co_return Round::not_started;
  if (ran->exit_status == 0) co_return Round::over;
  session_.reset();
  co_return fail(ErrorKind::unavailable,
                 fmt::format("the log could not be read on the pod: {}",
                             !ran->exit_signal.empty() ? "signal " + ran->exit_signal
                             : complaint.empty()       ? fmt::format("exit status {}", ran->exit_status)
                                                       : complaint));
}

}  // namespace gpuwarden::cli
