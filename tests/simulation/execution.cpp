#include "simulation/execution.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "gpuwarden/bootstrap/script.hpp"

#include "simulation/script_run.hpp"
#include "simulation/shell_command.hpp"
#include "simulation/wire.hpp"

namespace gpuwarden::simulation {
namespace {

using ports::Async;
using ports::ShellResult;
using std::chrono::seconds;
using Kind = ParsedCommand::Kind;

constexpr Duration kFollows = seconds(45);     // a follower ends itself
constexpr Duration kNoticed = seconds(45);     // three keepalives without an answer
constexpr Duration kLongestLook = seconds(5);  // between two looks at the status file
constexpr Duration kUsualLook = seconds(1);
constexpr Duration kShortestLook{50};
constexpr Duration kDisappeared{400};  // until a follower believes that the script is gone
constexpr Duration kCollects = seconds(2);

/// One command under way. Its coroutines hold no container over a wait: that would keep it running.
struct Execution {
  std::shared_ptr<ShellWire> wire;
  std::weak_ptr<Container> container;
  ports::ShellCommand command;
  ParsedCommand parsed;
  MonoTime deadline{};
  std::optional<MonoTime> breaks_off{};
  std::shared_ptr<int> caller = std::make_shared<int>(0);  ///< gone when nobody waits any more

  MonoTime now() const { return wire->clock.now(); }
  /// Null when the peer does not answer any more.
  std::shared_ptr<Container> peer() const {
    auto there = container.lock();
    return there && there->ssh_answers() ? there : nullptr;
  }
  void give(std::string_view text) const {
    if (command.on_stdout && !text.empty()) command.on_stdout(text);
  }
  std::size_t cut(std::size_t size) const {
    return static_cast<std::size_t>(wire->random.next() % (size + 1));
  }
  void plan_launch(Duration in) const;
  /// What the follower prints of the status file behind `seen`, which moves on.
  std::string lines_behind(const ScriptRun& run, std::size_t& seen) const;
  Duration next_look(const ScriptRun& run, MonoTime follows_until) const;
};
using ExecutionPtr = std::shared_ptr<Execution>;

tl::unexpected<Error> in_time() {
  return fail(ErrorKind::timeout, "no answer in time");
}

/// The peer says nothing any more.
Async<ShellResult> silence(ExecutionPtr self) {
  const bool noticed = self->now() + kNoticed < self->deadline;
  const Duration wait = noticed ? kNoticed : std::max(self->deadline - self->now(), Duration{1});
  if (!co_await pause(self->wire->clock, wait)) co_return cancelled();
  if (noticed) co_return fail(ErrorKind::ambiguous, "the peer has gone silent");
  co_return in_time();
}

void Execution::plan_launch(Duration in) const {
  auto payload = read_launch_payload(command.stdin_data);
  if (!payload) return;
  wire->cloud.world().scheduler.after(
      in, [weak_wire = wire->weak_from_this(), &account = wire->cloud, pod = container,
           waits = std::weak_ptr(caller), coin = wire->random.chance(0.5), payload = std::move(*payload)] {
        // A stream that breaks off in the middle does nothing; it may have been sent to its end before.
        const auto there = pod.lock();
        if (!there || (waits.expired() && !coin)) return;
        account.world().note("launch " + payload.worker);
        there->launch(payload);
        if (const auto asker = weak_wire.lock(); asker && !waits.expired())
          asker->fates.effect(Service::ssh, "launch " + payload.worker);
      });
}

std::string Execution::lines_behind(const ScriptRun& run, std::size_t& seen) const {
  const std::string& status = run.status();
  std::string text;
  while (seen < status.size()) {
    const std::size_t end = status.find('\n', seen) + 1;
    const bool last = run.over() && end == status.size();
    if (end > parsed.offset || last) text.append(status, seen, end - seen);
    seen = end;
  }
  return text;
}

Duration Execution::next_look(const ScriptRun& run, MonoTime follows_until) const {
  const Duration line = run.next_line() - wire->cloud.world().now() + kShortestLook;
  Duration wait = line > Duration{0} ? std::min(line, kLongestLook) : kUsualLook;
  wait = std::min({wait, follows_until - now(), deadline - now()});
  if (breaks_off) wait = std::min(wait, *breaks_off - now());
  return std::max(wait, kShortestLook);
}

Async<ShellResult> follow(ExecutionPtr self) {
  const MonoTime until = self->now() + kFollows;
  std::size_t seen = 0;
  for (;;) {
    Duration look{0};
    bool disappeared = false;
    {
      const auto there = self->peer();
      if (!there) {
        look = Duration{-1};
      } else {
        ScriptRun* run = there->run_of(self->parsed.worker);
        if (run == nullptr) co_return ShellResult{bootstrap::kNotStarted, ""};
        const std::string text = self->lines_behind(*run, seen);
        const std::size_t cut = self->cut(text.size());
        const std::string_view all = text;
        self->give(all.substr(0, cut));
        if (self->breaks_off && !text.empty() && self->wire->random.chance(0.5))
          co_return fail(ErrorKind::ambiguous, "the connection was lost: Connection reset by peer");
        self->give(all.substr(cut));
        if (run->over()) co_return ShellResult{0, ""};
        disappeared = !run->alive();
        if (self->now() >= until) co_return ShellResult{bootstrap::kStillRunning, ""};
        look = disappeared ? kDisappeared : self->next_look(*run, until);
      }
    }
    if (look < Duration{0}) co_return co_await silence(self);
    if (self->breaks_off && self->now() >= *self->breaks_off)
      co_return fail(ErrorKind::ambiguous, "the connection was lost: Connection reset by peer");
    if (self->now() >= self->deadline) co_return in_time();
    if (!co_await pause(self->wire->clock, look)) co_return cancelled();
    if (!disappeared) continue;
    const auto there = self->peer();
    ScriptRun* run = there ? there->run_of(self->parsed.worker) : nullptr;
    if (run == nullptr) continue;
    run->disappeared();
    self->give(self->lines_behind(*run, seen));
    co_return ShellResult{1, ""};
  }
}

Async<ShellResult> probe(ExecutionPtr self) {
  {
    if (const auto there = self->peer()) {
      const ScriptRun* run = there->run_of(self->parsed.worker);
      if (run == nullptr) co_return ShellResult{1, ""};
      std::string text;
      for (const std::string& line : run->worker_log()) text += line + "\n";
      self->give(text);
      co_return ShellResult{run->agent().process().lives() ? 0 : 1, ""};
    }
  }
  co_return co_await silence(self);
}

Async<ShellResult> collect(ExecutionPtr self) {
  if (!co_await pause(self->wire->clock, kCollects)) co_return cancelled();
  {
    if (const auto there = self->peer()) {
      self->give(there->collect(self->parsed.worker));
      co_return ShellResult{0, ""};
    }
  }
  co_return co_await silence(self);
}

}  // namespace

Async<ShellResult> execute(std::shared_ptr<ShellWire> wire, std::weak_ptr<Container> container,
                           ports::ShellCommand command) {
  if (const WorldHooks& hooks = wire->cloud.world().hooks; hooks.command)
    hooks.command(command.command, command.stdin_data);
  const auto parsed = parse_command(command.command);
  if (!parsed) co_return ShellResult{127, ""};
  const auto self = std::make_shared<Execution>();
  self->wire = std::move(wire);
  self->container = std::move(container);
  self->command = std::move(command);
  self->parsed = *parsed;
  self->deadline = self->now() + self->command.timeout;
  ports::Clock& clock = self->wire->clock;
  const Fate fate =
      self->wire->fates.of(Service::ssh, fmt::format("{} {}", to_string(parsed->kind), parsed->worker));
  const Duration there = std::max(fate.latency, Duration{1});
  if (fate.kind == Fate::Kind::not_reached || fate.kind == Fate::Kind::refused) {
    if (!co_await pause(clock, there)) co_return cancelled();
    co_return fail(ErrorKind::unavailable, "opening a channel: the connection was lost");
  }
  if (fate.effective() && parsed->kind == Kind::launch) self->plan_launch(there);
  if (fate.kind == Fate::Kind::reply_lost || fate.kind == Fate::Kind::request_lost) {
    if (!co_await pause(clock, self->command.timeout)) co_return cancelled();
    co_return in_time();
  }
  constexpr Duration kLatestBreak = seconds(40);
  if (fate.kind == Fate::Kind::failed_but_done) {
    self->breaks_off = self->now() + there + self->wire->random.between(Duration{0}, kLatestBreak);
    self->wire->cloud.world().probes.reached("ssh: connection breaks off");
  }
  if (!co_await pause(clock, 2 * there)) co_return cancelled();
  switch (parsed->kind) {
    case Kind::launch:
    case Kind::follow:
      co_return co_await follow(self);
    case Kind::probe:
      co_return co_await probe(self);
    case Kind::collect:
      co_return co_await collect(self);
  }
  co_return ShellResult{127, ""};
}

}  // namespace gpuwarden::simulation
