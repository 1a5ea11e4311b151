#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gpuwarden/base/redact.hpp"
#include "gpuwarden/base/result.hpp"
#include "gpuwarden/base/secret.hpp"
#include "gpuwarden/bootstrap/settings.hpp"
#include "gpuwarden/control/settings.hpp"
#include "gpuwarden/policy/settings.hpp"

namespace gpuwarden::config {

struct SupabaseSettings {
  std::string url;
  Secret secret_key;       ///< sb_secret_... or a service_role JWT; headers follow the kind
  Secret publishable_key;  ///< sb_publishable_... or an anon JWT
  bool count_by_edge_function{false};
  bool db_logging{false};
};
struct RunpodSettings {
  std::string api_url;
  Secret api_key;
};
struct SshSettings {
  Secret private_key;      ///< text of the key; empty = none yet, or see `problem`
  std::string public_key;  ///< one line
  std::string origin;      ///< where it came from, for people
  /// Why the key cannot be used; only where load() was told to bear it. Empty = nothing is known against it.
  std::string problem;
  bool not_ours{false};  ///< the problem is only that this user may not read the key's file
};
struct DaemonSettings {
  std::string log_level{"info"}, log_format, log_file;
  std::string listen_host{"127.0.0.1"};
  int listen_port{9464};  ///< 0 = off
  std::string socket_path{"/run/gpuwarden/control.sock"};
  std::string state_dir;
  std::string alert_webhook_url;
  std::string journal;  ///< where decisions are recorded; empty = nowhere
  bool drain_on_exit{false};
};

/// The whole configuration, valid.
struct Config {
  SupabaseSettings supabase;
  RunpodSettings runpod;
  SshSettings ssh;
  DaemonSettings daemon;
  policy::Settings policy;
  bootstrap::Settings bootstrap;
  control::Settings control;
};

struct Problem {
  std::string name;  ///< variable, or "file:line"
  /// What is wrong, in the first sentence, and how to mend it, in the others; no secret value.
  std::string message;
};

/// What the service and, without GPUWARDEN_ENV_FILE, the commands read.
inline constexpr const char* kServiceEnvFile = "/etc/gpuwarden/gpuwarden.env";

/// The environment file that a source was overlaid with.
struct EnvFile {
  std::string path;        ///< empty = none
  bool by_default{false};  ///< nobody named it: it is kServiceEnvFile
  bool unreadable{false};  ///< it is there or was named, and nothing of it is known
  std::vector<Problem> errors, warnings;
};

/// Environment and files, so that tests need neither.
struct Source {
  std::map<std::string, std::string> environment;
  /// Of variables that the environment file gave: "/etc/gpuwarden/gpuwarden.env:12".
  std::map<std::string, std::string> origins;
  EnvFile file;
  /// Contents of a file or why it can't be read.
  std::function<Result<std::string>(const std::string& path)> read_file;
  std::string credentials_directory;  ///< systemd's; empty = none
  std::string state_directory;        ///< where the daemon keeps its own SSH key
  /// Whether this user could append to a file that may not exist yet, or why not, in the system's words.
  /// Changes nothing. Unset: not checked.
  std::function<Result<void>(const std::string& path)> may_append{};
};
/// The process's own environment. State directory: systemd's STATE_DIRECTORY, else /var/lib/gpuwarden for
/// root and ~/.local/state/gpuwarden for others.
Source process_source();

/// Overlays the environment with the file that GPUWARDEN_ENV_FILE names (an empty value: with none) or, where
/// neither that nor SUPABASE_URL is set, with kServiceEnvFile if it is there. Values of the file win. What is
/// wrong with it is kept in `source.file`, so that load() reports it beside everything else.
void read_env_file(Source& source);

struct Entry {
  std::string name, value, origin, meaning, group, default_value;  ///< value is "[set]" for secrets
  std::string type;                                                ///< what values are accepted, in words
  bool secret{false};
  bool given{false};  ///< the operator gave a value; else the default holds
};
struct Loaded {
  std::optional<Config> config;  ///< only when there are no errors
  std::vector<Problem> errors, warnings;
  std::vector<Entry> entries;  ///< every variable of the table, for --explain
  /// Values by name, defaults included, for `differences`; empty ones are not in it.
  std::map<std::string, Secret> values;
  EnvFile file;  ///< as it was in the source
};

/// What a command needs of the SSH key.
enum class SshKey {
  unused,  ///< it opens no SSH connection: what is wrong with the key goes to SshSettings::problem
  check,   ///< what is wrong is an error; that there is no own key yet, or another user's, is none
  make     ///< it connects: the daemon's own key is made where none is configured and there is none
};

/// Reads, validates, reports everything at once. Writes nothing but the daemon's own SSH key, and that only
/// for SshKey::make when everything else is valid.
Loaded load(const Source& source, SshKey need);

/// Text of config/gpuwarden.env.example, from the same table.
std::string example_file();

/// Warning about a LOG_FILE that cannot be opened, with the remedy. `why` are the system's words.
std::string log_file_problem(std::string_view path, std::string_view why);

/// Every secret of the configuration goes into the redactor.
void teach(Redactor& redactor, const Config& config);

/// Variables of the environment that decisions depend on, in the table's order: what a replay can change.
std::vector<std::string> decision_variables();
/// Sets what the variable sets, and only that; invalid_input: no such variable (the message names the
/// nearest), or a value that it does not take.
Result<void> set_decision_variable(policy::Settings& settings, std::string_view name, std::string_view value);

/// A variable whose value differs.
struct Change {
  std::string name;
  std::string text;     ///< "3 -> 10"; "[changed]" for secrets
  bool restart{false};  ///< takes effect only after a restart
};
/// What SIGHUP reports: how the configuration on disk, `after`, differs from the one in force.
std::vector<Change> differences(const Loaded& in_force, const Loaded& after);

/// What SIGHUP applies: `after`, but everything that needs a restart as it is in force, so that no pair of
/// settings is half applied. Both must be valid.
Loaded keep_until_restart(const Loaded& in_force, const Loaded& after);

}  // namespace gpuwarden::config
