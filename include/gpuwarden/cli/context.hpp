#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "gpuwarden/base/result.hpp"
#include "gpuwarden/config/config.hpp"
#include "gpuwarden/control/pod_checkup.hpp"
#include "gpuwarden/control/report.hpp"
#include "gpuwarden/ports/clock.hpp"
#include "gpuwarden/ports/pod_provider.hpp"
#include "gpuwarden/ports/pod_shell.hpp"
#include "gpuwarden/ports/task_store.hpp"

namespace gpuwarden::cli {

/// Exit codes of the program.
enum ExitCode : int { kDone = 0, kFailed = 1, kUsage = 2, kUnreachable = 3 };

/// What the services look like to a command. Made by app; a test gives fakes.
struct Services {
  std::shared_ptr<ports::TaskStore> store;
  std::shared_ptr<ports::PodProvider> provider;
  std::shared_ptr<ports::PodShell> shell;
  std::shared_ptr<ports::Clock> clock;
  /// GET on the daemon's control socket ("/v1/status"): the JSON text. not_found = no daemon runs;
  /// unauthorized = this user may not ask it.
  std::function<ports::Async<std::string>(std::string path)> ask_daemon;
  /// One cycle with nothing else running; dry = no action is performed.
  std::function<ports::Async<control::CycleSummary>(bool dry)> cycle;
  /// What the daemon would answer on "/v1/explain/WORKER", from one dry cycle of this process.
  std::function<ports::Async<std::string>(std::string worker)> explain;
  /// One pod, from create to preflight and delete; Ctrl-C calls it off.
  std::function<boost::asio::awaitable<control::PodCheckup>(control::PodCheckupHooks)> check_pod;
};

/// What `replay` is asked: a journal ("-" = standard input) and variables with the values to decide with.
struct ReplayRequest {
  std::string file;
  std::vector<std::pair<std::string, std::string>> changes;
};
/// What commands that need no service get done elsewhere.
struct Offline {
  /// JSON text; invalid_input = a change that cannot be made.
  std::function<Result<std::string>(const ReplayRequest&)> replay;
  /// A file's text ("-" = standard input), at most 16 MB of it.
  std::function<Result<std::string>(const std::string& path)> read_file;
};

/// Where and how a command speaks.
struct Output {
  std::ostream& out;
  std::ostream& err;
  bool json{false};
  bool colour{false};
  int width{1000};  ///< columns of the terminal; without one nothing is cut
  bool err_colour{false};
};

/// Parsed command line of everything but `run`.
struct Invocation {
  std::string command;  ///< "status", "worker", ...
  std::vector<std::string> arguments;
  bool json{false}, dry_run{false}, all{false}, explain{false}, check{false}, print{false}, example{false};
  bool pod{false};  ///< doctor: on a pod
  Duration since{std::chrono::hours(24)};
  int limit{50};
  bool limit_given{false};
  std::string status_filter;
  bool follow{false};                ///< go on with what comes, until interrupted
  bool each{false};                  ///< every row by itself, not grouped
  int tail{100};                     ///< lines
  std::string source;                ///< of a log; empty = what fits the worker's phase
  std::string worker;                ///< only what concerns this one
  std::string format{"text"};        ///< of a report: text or md; json is `json`
  std::string actor;                 ///< who speaks; app fills in the user where --actor is not given
  std::string reason;                ///< of an operator's word
  std::optional<Duration> lasting;   ///< how long it holds
  std::vector<std::string> changes;  ///< "NAME=VALUE", to replay with
};
struct ParsedLine {
  std::optional<Invocation> invocation;  ///< none: text was printed (help, usage error)
  int exit_code{kDone};
};

/// Parses argv; prints help and usage errors itself.
ParsedLine parse(int argc, const char* const* argv, Output output);

/// What `command` needs of the SSH key: `run` and a `once` that acts open SSH connections; `logs` tries to.
config::SshKey ssh_key_need(const Invocation& invocation);

/// Tells every error of a configuration that does not hold: lines on the error stream, or with --json
/// {"errors": [{name, problem, remedy}], "warnings": [...]}. Returns the exit code.
int refuse_configuration(const config::Loaded& loaded, Output output);

/// Commands that need no service: config, diagnose, migrate, replay, version. nullopt = not one of them.
/// `config` judges what `config::load` makes of the source and makes no SSH key.
std::optional<int> run_offline(const Invocation& invocation, const config::Source& source,
                               const Offline& offline, Output output);

/// Commands that talk to services: all the others. Without a valid configuration only `doctor` goes on; they
/// say what is wrong with it.
boost::asio::awaitable<int> run_online(Invocation invocation, const config::Loaded& loaded, Services services,
                                       Output output);

}  // namespace gpuwarden::cli
