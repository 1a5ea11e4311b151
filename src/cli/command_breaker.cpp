#include <optional>
#include <utility>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/base/redact.hpp"

#include "breaker_view.hpp"
#include "command.hpp"

namespace gpuwarden::cli {
namespace {

using Kind = ports::OperatorCommand::Kind;

std::string_view next_after_look(const Snapshot& snapshot) {
  if (snapshot.breaker_override) return "Next: gpuwarden breaker clear   # the breaker decides again";
  if (snapshot.breaker.state == BreakerState::closed && troubled(snapshot).empty())
    return "Next: gpuwarden explain";
  return "Next: gpuwarden failures; when the cause is mended: gpuwarden breaker reset --reason \"...\"";
}

boost::asio::awaitable<int> look(Scope scope) {
  const auto& policy = scope.config().policy;
  ports::SnapshotQuery query;
  query.owner = policy.owner;
  query.failure_window = policy.failure_window;
  query.rescue_exempt = policy.stuck_exempt;
  const auto snapshot = co_await scope.services.store->snapshot(std::move(query));
  if (!snapshot) co_return report_error(scope.output, snapshot.error(), "gpuwarden doctor");
  if (scope.output.json) {
    print_json(scope.output, breaker_view(*snapshot, policy.failure_window));
    co_return kDone;
  }
  print_breaker(*snapshot, policy.failure_window, scope.output);
  scope.output.out << "\n" << next_after_look(*snapshot) << "\n";
  co_return kDone;
}

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::pause:
      return "pause";
    case Kind::resume:
      return "resume";
    case Kind::hold:
      return "hold";
    case Kind::release:
      return "release";
    case Kind::clear:
      return "clear";
    case Kind::reset:
      return "reset";
  }
  return "";
}

/// What has changed, and what to type to take it back or to see the effect.
std::string told(Kind kind, const ports::OperatorAnswer& answer, std::optional<Duration> lasting) {
  const auto ends = [&] {
    return lasting ? fmt::format("for {}", format_duration(*lasting)) : std::string("until it is cleared");
  };
  switch (kind) {
    case Kind::pause:
      return answer.done
                 ? "The fleet is paused: nothing is started or removed.\nNext: gpuwarden resume, when "
                   "it may go on\n"
                 : "The fleet was paused already; name and reason are now yours.\nNext: gpuwarden "
                   "resume, when it may go on\n";
    case Kind::resume:
      return answer.done ? "The fleet goes on.\nNext: gpuwarden explain\n"
                         : "The fleet was not paused.\nNext: gpuwarden explain\n";
    case Kind::hold:
      return fmt::format(
          "The breaker is held {}: no pod is started.\nNext: gpuwarden breaker clear, when it "
          "may decide again\n",
          ends());
    case Kind::release:
      return fmt::format(
          "The breaker is released {}: pods are started whatever the evidence says.\nNext: "
          "gpuwarden breaker clear, when it may decide again\n",
          ends());
    case Kind::clear:
      return answer.done ? fmt::format("The breaker decides again; it is {}.\nNext: gpuwarden breaker\n",
                                       to_string(answer.breaker))
                         : "There was no hold or release in force.\nNext: gpuwarden breaker\n";
    case Kind::reset:
      return fmt::format(
          "The breaker is closed (generation {}); starts of before are no evidence any "
          "more.\nNext: gpuwarden explain\n",
          answer.generation);
  }
  return "";
}

boost::asio::awaitable<int> say(Scope scope, Kind kind) {
  const Invocation& line = scope.line;
  if (line.actor.empty()) {
    Error nobody;
    nobody.kind = ErrorKind::invalid_input;
    nobody.message = "it is not known who you are, and an operator's word needs a name";
    report_error(scope.output, nobody, "the same with --actor NAME");
    co_return kUsage;
  }
  ports::OperatorCommand command{kind, line.actor, redact_shapes(line.reason), line.lasting};
  const auto answer = co_await scope.services.store->operate(scope.config().policy.owner, std::move(command));
  if (!answer) co_return report_error(scope.output, answer.error(), "gpuwarden doctor");
  if (scope.output.json) {
    print_json(scope.output,
               {{"done", answer->done},
                {"said", name_of(kind)},
                {"actor", line.actor},
                {"paused", answer->switches.paused},
                {"breaker", {{"state", to_string(answer->breaker)}, {"generation", answer->generation}}},
                {"override", override_json(answer->breaker_override)}});
    co_return kDone;
  }
  scope.output.out << told(kind, *answer, line.lasting);
  co_return kDone;
}

}  // namespace

boost::asio::awaitable<int> breaker(Scope scope) {
  if (scope.line.arguments.empty()) co_return co_await look(scope);
  const std::string& word = scope.line.arguments.front();
  for (const Kind kind : {Kind::hold, Kind::release, Kind::clear, Kind::reset}) {
    if (word == name_of(kind)) co_return co_await say(scope, kind);
  }
  Error unknown;
  unknown.kind = ErrorKind::invalid_input;
  unknown.message = "there is no 'breaker " + word + "'";
  report_error(scope.output, unknown, "gpuwarden breaker --help");
  co_return kUsage;
}

boost::asio::awaitable<int> pause(Scope scope) {
  return say(std::move(scope), Kind::pause);
}
boost::asio::awaitable<int> resume(Scope scope) {
  return say(std::move(scope), Kind::resume);
}

}  // namespace gpuwarden::cli
