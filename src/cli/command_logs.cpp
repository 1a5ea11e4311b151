#include <algorithm>
#include <utility>
#include <vector>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "command.hpp"
#include "find_row.hpp"
#include "json_access.hpp"
#include "pod_log_shell.hpp"
#include "row_json.hpp"
#include "table.hpp"

namespace gpuwarden::cli {
namespace {

using boost::asio::awaitable;
using namespace std::chrono_literals;

constexpr Duration kPause = 2s;
constexpr Duration kLastWords = 1500ms;  // from the end of a worker to the end of what is shown of it
constexpr int kMostRetries = 30;

bool is_over(const ports::WorkerRow& row) {
  return row.ended_at || row.status == "error" || row.status == "terminated";
}

/// What tells most in this phase of a life, or of the one in which it failed.
std::string fitting_source(const ports::WorkerRow& row) {
  const Json evidence = at(parsed_or_null(row.details_json), "evidence");
  const std::string step = text(evidence, "step"), phase = text(evidence, "phase");
  if (step == "preflight" || step == "fetch" || step == "setup") return "bootstrap";
  if (row.status == "spawning" && text(parsed_or_null(row.details_json), "step") == "start") return "worker";
  if (phase == "provisioning" || phase == "starting") return "system";
  if (phase == "connecting") return "container";
  if (row.status != "spawning" || row.phase == "awaiting_heartbeat") return "worker";
  if (row.phase.starts_with("bootstrapping")) return "bootstrap";
  return row.phase == "connecting" ? "container" : "system";
}

/// A status line of the startup script, whose fields are not for people, in words; others as they are.
std::string for_people(const std::string& line) {
  constexpr std::string_view kMark = "@gpuwarden ";
  const Json status = line.starts_with(kMark) ? parsed_or_null(line.substr(kMark.size())) : Json(nullptr);
  if (!status.is_object()) return line;
  const Json& exit = at(status, "exit");
  return fmt::format("-- {} {}{}", text(status, "step"), text(status, "event"),
                     exit.is_number() && exit != 0 ? fmt::format(", exit {}", exit.dump()) : "");
}

/// One run of the command.
class Logs {
 public:
  Logs(Scope scope, ports::WorkerRow row)
      : scope_(std::move(scope)),
        row_(std::move(row)),
        source_(scope_.line.source.empty() ? fitting_source(row_) : scope_.line.source) {}

  awaitable<int> run() {
    if (!row_.ended_at && !row_.pod.empty()) {
      const auto pod = co_await scope_.services.provider->get(PodId(row_.pod));
      if (!pod) {
        note("Runpod cannot be asked for the pod: " + pod.error().message);
      } else if (!*pod) {
        note("the pod is gone");
      } else if (const auto code = co_await from_pod(**pod)) {
        co_return *code;
      }
    }
    co_return from_bundle();
  }

 private:
  bool follows() const { return scope_.line.follow; }

  void note(std::string text) {
    if (!scope_.output.json || follows()) scope_.output.err << printable(text) << "\n";
    notes_.push_back(std::move(text));
    send();
  }
  void say_source(std::string_view from, const std::string& where) {
    from_ = from;
    if (!scope_.output.json || follows())
      scope_.output.err << paint(fmt::format("{}: {}", row_.id, where), Colour::dim, scope_.output.err_colour)
                        << "\n";
    send();
  }
  void show(const std::string& line) {
    if (!follows() && scope_.output.json) {
      lines_.push_back(line);
    } else if (scope_.output.json) {
      scope_.output.out << Json{{"source", source_}, {"line", line}}.dump(-1, ' ', false,
                                                                          Json::error_handler_t::replace)
                        << "\n";
    } else {
      scope_.output.out << printable(for_people(line)) << "\n";
    }
    send();
  }
  void send() { unread_ = !scope_.flush() || unread_; }
  /// The end of what is not followed.
  int done() {
    if (scope_.output.json && !follows()) {
      print_json(
          scope_.output,
          {{"worker", row_.id}, {"source", source_}, {"from", from_}, {"notes", notes_}, {"lines", lines_}});
    }
    return kDone;
  }
  int ended(const ports::WorkerRow& row) {
    if (unread_) return kDone;
    const std::string why =
        row.cause.empty() ? row.status : row.cause + (row.summary.empty() ? "" : ": ") + row.summary;
    scope_.output.err << printable(fmt::format("The worker has ended: {}", why))
                      << "\nNext: gpuwarden worker " << row.id << "\n";
    return kDone;
  }

  /// None: the pod gives nothing.
  awaitable<std::optional<int>> from_pod(Pod pod) {
    if (source_ == "worker" || source_ == "bootstrap") {
      if (const auto code = co_await by_shell(pod)) co_return code;
      // What reaches the container's log is the next best.
      source_ = "container";
    }
    co_return co_await by_api(pod.id);
  }

  awaitable<std::optional<int>> by_shell(Pod pod) {
    const auto log = source_ == "worker" ? bootstrap::PodLog::worker : bootstrap::PodLog::bootstrap;
    PodLogShell shell(scope_.services, WorkerId(row_.id), pod, log);
    LineSplitter lines([this](const std::string& line) { show(line); });
    shell.on_connected = [this] { say_source("ssh", fmt::format("{}.log on the pod, by SSH", source_)); };
    if (follows()) co_return co_await follow_shell(shell, lines);
    const auto read = co_await shell.read(scope_.line.tail, false, lines);
    lines.finish();
    if (!read || *read == PodLogShell::Round::not_started) {
      const std::string& problem = scope_.config().ssh.problem;
      note(fmt::format("not by SSH: {}", read              ? "the startup script has not run on this pod"
                                         : problem.empty() ? read.error().message
                                                           : problem));
      co_return std::nullopt;
    }
    co_return done();
  }

  /// Comes to an end when the worker does, or when nobody reads what is shown.
  awaitable<ports::WorkerRow> watch() {
    while (true) {
      co_await scope_.services.clock->sleep_for(kPause);
      if (unread_) co_return row_;
      auto row = co_await scope_.services.store->worker(WorkerId(row_.id));
      if (!row || !*row || !is_over(**row)) continue;
      co_await scope_.services.clock->sleep_for(kLastWords);
      co_return std::move(**row);
    }
  }

  awaitable<std::optional<int>> follow_shell(PodLogShell& shell, LineSplitter& lines) {
    using namespace boost::asio::experimental::awaitable_operators;
    for (int failures = 0; failures <= kMostRetries;) {
      auto result = co_await (shell.read(scope_.line.tail, true, lines) || watch());
      if (result.index() == 1) {
        lines.finish();
        co_return ended(std::get<1>(result));
      }
      const auto& round = std::get<0>(result);
      if (round) {
        failures = 0;
        if (*round == PodLogShell::Round::still_running) continue;
      } else if (from_.empty()) {
        const std::string& problem = scope_.config().ssh.problem;
        note("not by SSH: " + (problem.empty() ? round.error().message : problem));
        co_return std::nullopt;
      } else if (failures++ == 0) {
        note("the connection is lost, trying again: " + round.error().message);
      }
      co_await scope_.services.clock->sleep_for(kPause);
      const auto row = co_await scope_.services.store->worker(WorkerId(row_.id));
      if (unread_ || (row && *row && is_over(**row))) co_return ended(row && *row ? **row : row_);
    }
    co_return std::nullopt;
  }

  awaitable<std::optional<int>> by_api(PodId pod) {
    ports::LogQuery query;
    query.pod = pod;
    query.source = source_;
    query.tail = scope_.line.tail;
    auto log = co_await scope_.services.provider->logs(query);
    if (!log) {
      note(fmt::format("not by Runpod's log API: {}", log.error().message));
      co_return std::nullopt;
    }
    say_source("runpod", fmt::format("the {} log, by Runpod's API", source_));
    if (log->size() > static_cast<std::size_t>(query.tail)) log->erase(log->begin(), log->end() - query.tail);
    for (const PodLogLine& line : *log) show(line.line);
    if (!follows()) co_return done();
    std::optional<WallTime> newest;
    const auto note_time = [&newest](const PodLogLine& line) {
      if (line.time) newest = std::max(newest.value_or(*line.time), *line.time);
    };
    std::for_each(log->begin(), log->end(), note_time);
    while (!unread_) {
      // Looked at before the log is read: what it wrote last is shown.
      const auto row = co_await scope_.services.store->worker(WorkerId(row_.id));
      query.since = newest;
      const auto more = co_await scope_.services.provider->logs(query);
      for (const PodLogLine& line : more ? *more : std::vector<PodLogLine>{}) {
        if (newest && (!line.time || *line.time <= *newest)) continue;
        show(line.line);
      }
      if (more) std::for_each(more->begin(), more->end(), note_time);
      if (row && *row && is_over(**row)) co_return ended(**row);
      co_await scope_.services.clock->sleep_for(kPause);
    }
    co_return kDone;
  }

  /// What was kept of a failure.
  int from_bundle() {
    const Json evidence = at(parsed_or_null(row_.details_json), "evidence");
    const Json& tails = at(evidence, "tails");
    std::vector<std::string> order{source_, "worker", "bootstrap", "container", "system"};
    // Nobody asked for it, so what there is will do.
    const bool any = scope_.line.source.empty();
    if (!any) order.resize(1);
    for (const std::string& name : order) {
      const Json& tail = at(tails, name.c_str());
      if (!tail.is_array() || tail.empty()) continue;
      if (name != source_) note(fmt::format("of the {} log nothing was kept", source_));
      source_ = name;
      say_source("bundle", fmt::format("the {} log as it was kept with the failure", name));
      const std::size_t most = static_cast<std::size_t>(scope_.line.tail);
      for (std::size_t i = tail.size() - std::min(most, tail.size()); i < tail.size(); ++i) {
        if (tail[i].is_string()) show(tail[i].get<std::string>());
      }
      return follows() ? ended(row_) : done();
    }
    return nothing(at(evidence, "missing"));
  }

  int nothing(const Json& missing) {
    Error error;
    error.kind = ErrorKind::not_found;
    error.message = fmt::format("there is no {} log of {}", source_, row_.id);
    if (row_.pod.empty() && !row_.ended_at) {
      error.message += ": it has no pod yet";
    } else if (row_.cause.empty() && row_.ended_at) {
      error.message += ": it ended without a failure, and its logs went with its pod";
    } else if (!notes_.empty()) {
      error.message += ": " + notes_.back();
    }
    for (const Json& reason : missing.is_array() ? missing : Json::array()) {
      if (reason.is_string()) error.message += "; not collected: " + reason.get<std::string>();
    }
    return report_error(scope_.output, error, "gpuwarden worker " + row_.id);
  }

  Scope scope_;
  ports::WorkerRow row_;
  std::string source_, from_;
  std::vector<std::string> notes_, lines_;
  bool unread_{false};
};

}  // namespace

awaitable<int> logs(Scope scope) {
  auto row = co_await find_worker(scope, scope.line.arguments.empty() ? "" : scope.line.arguments.front());
  if (!row) {
    const bool asked =
        row.error().kind == ErrorKind::not_found || row.error().kind == ErrorKind::invalid_input;
    co_return report_error(scope.output, row.error(), asked ? "gpuwarden workers --all" : "gpuwarden doctor");
  }
  Logs command(scope, std::move(*row));
  co_return co_await command.run();
}

}  // namespace gpuwarden::cli
