#include <sstream>
#include <utility>

#include "gpuwarden/base/redact.hpp"

#include "command.hpp"

namespace gpuwarden::cli {

void teach(Redactor& redactor, const config::Loaded& loaded) {
  if (loaded.config) config::teach(redactor, *loaded.config);
  for (const config::Entry& entry : loaded.entries) {
    const auto value = loaded.values.find(entry.name);
    if (entry.secret && value != loaded.values.end()) redactor.add(value->second.reveal());
  }
}

namespace {

/// Collects what a command prints; nothing leaves before the secrets are out of it.
struct Redacted {
  Redacted(Output real, const config::Loaded& loaded) : target(real) { teach(redactor, loaded); }
  Output page() { return Output{out, err, target.json, target.colour, target.width, target.err_colour}; }
  /// False: the other end of a pipe is closed.
  bool flush() {
    target.out << redactor.redact(out.str()) << std::flush;
    target.err << redactor.redact(err.str()) << std::flush;
    out.str("");
    err.str("");
    return target.out.good();
  }
  Output target;
  Redactor redactor;
  std::ostringstream out, err;
};

boost::asio::awaitable<int> dispatch(Scope scope) {
  const std::string& name = scope.line.command;
  if (name == "once") co_return co_await once(scope);
  if (name == "plan") co_return co_await plan(scope);
  if (name == "status") co_return co_await status(scope);
  if (name == "workers") co_return co_await workers(scope);
  if (name == "worker") co_return co_await worker(scope);
  if (name == "tasks") co_return co_await tasks(scope);
  if (name == "task") co_return co_await task(scope);
  if (name == "logs") co_return co_await logs(scope);
  if (name == "events") co_return co_await events(scope);
  if (name == "failures") co_return co_await failures(scope);
  if (name == "report") co_return co_await report(scope);
  if (name == "explain") co_return co_await explain(scope);
  if (name == "breaker") co_return co_await breaker(scope);
  if (name == "pause") co_return co_await pause(scope);
  if (name == "resume") co_return co_await resume(scope);
  Error unknown;
  unknown.message = "there is no command '" + name + "'";
  report_error(scope.output, unknown, "gpuwarden --help");
  co_return kUsage;
}

}  // namespace

config::SshKey ssh_key_need(const Invocation& invocation) {
  const std::string& name = invocation.command;
  const bool connects = name == "run" || (name == "once" && !invocation.dry_run) || invocation.pod;
  return connects ? config::SshKey::make : config::SshKey::unused;
}

std::optional<int> run_offline(const Invocation& invocation, const config::Source& source,
                               const Offline& offline, Output output) {
  output.json = output.json || invocation.json;
  if (invocation.command == "config") return show_config(invocation, source, output);
  if (invocation.command == "diagnose") return diagnose(invocation, offline, output);
  if (invocation.command == "migrate") return migrate(invocation, output);
  if (invocation.command == "replay") return replay(invocation, offline, output);
  if (invocation.command == "version") return version(output);
  return std::nullopt;
}

boost::asio::awaitable<int> run_online(Invocation invocation, const config::Loaded& loaded, Services services,
                                       Output output) {
  output.json = output.json || invocation.json;
  Redacted redacted(output, loaded);
  Output page = redacted.page();
  const auto flush = [&redacted] { return redacted.flush(); };
  const Scope scope{invocation, loaded, services, page, flush};
  int code = kFailed;
  if (invocation.command == "doctor") {
    // Its lines appear one by one: checks can take long.
    code = co_await doctor(scope, flush);
  } else if (!loaded.config) {
    code = refuse_configuration(loaded, page);
  } else {
    code = co_await dispatch(scope);
  }
  redacted.flush();
  co_return code;
}

}  // namespace gpuwarden::cli
