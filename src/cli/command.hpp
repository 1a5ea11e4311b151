#pragma once

#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>

#include <boost/asio/awaitable.hpp>
#include <nlohmann/json.hpp>

#include "gpuwarden/base/redact.hpp"
#include "gpuwarden/cli/context.hpp"

namespace gpuwarden::cli {

using Json = nlohmann::ordered_json;

/// What a command works with. Everything outlives the command; `output` is redacted before it leaves.
struct Scope {
  const Invocation& line;
  const config::Loaded& loaded;
  Services& services;
  Output& output;

  const config::Config& config() const { return *loaded.config; }
};

// One file per command; each returns the exit code.
boost::asio::awaitable<int> once(Scope scope);
boost::asio::awaitable<int> plan(Scope scope);
boost::asio::awaitable<int> status(Scope scope);
boost::asio::awaitable<int> workers(Scope scope);
boost::asio::awaitable<int> worker(Scope scope);
boost::asio::awaitable<int> tasks(Scope scope);
boost::asio::awaitable<int> failures(Scope scope);
boost::asio::awaitable<int> report(Scope scope);
boost::asio::awaitable<int> explain(Scope scope);
boost::asio::awaitable<int> breaker(Scope scope);
boost::asio::awaitable<int> pause(Scope scope);
boost::asio::awaitable<int> resume(Scope scope);
/// `flush` sends out what was printed so far.
boost::asio::awaitable<int> doctor(Scope scope, std::function<void()> flush);
int show_config(const Invocation& line, const config::Source& source, Output& output);
int replay(const Invocation& line, const Offline& offline, Output& output);
int diagnose(const Invocation& line, const Offline& offline, Output& output);
int migrate(const Invocation& line, Output& output);
int version(Output& output);

/// Says what failed and what to type next: one line on the error stream, or {"error": …} with --json.
int report_error(Output& output, const Error& error, std::string_view next);
/// 3 when the service could not be reached or did not answer, else 1.
int exit_code(const Error& error);
bool is_unreachable(ErrorKind kind);

/// Tells `redactor` every secret of the configuration. What a command prints is redacted when it leaves; what
/// it wraps, cuts or escapes must be so before.
void teach(Redactor& redactor, const config::Loaded& loaded);

/// Indented JSON and a line end; broken UTF-8 is replaced.
void print_json(Output& output, const Json& json);
Json time_or_null(const std::optional<WallTime>& time);
/// Empty text is null.
Json text_or_null(const std::string& text);
double seconds(Duration duration);

}  // namespace gpuwarden::cli
