#include <algorithm>

#include <fmt/format.h>

#include "gpuwarden/base/redact.hpp"

#include "checks.hpp"
#include "lookup.hpp"
#include "text.hpp"
#include "variable.hpp"

namespace gpuwarden::config {
namespace {

std::string missing(const Variable& variable) {
  std::string text = fmt::format("is required and not set. {} Example: {}={}", variable.meaning,
                                 variable.name, variable.example);
  if (variable.secret)
    text +=
        fmt::format(" (or {}_FILE=/path, or a systemd credential {})", variable.name, lower(variable.name));
  return text;
}

/// Both ends in the same quote and none inside: what docker's --env-file leaves of NAME="value".
bool looks_quoted(std::string_view text) {
  return text.size() >= 2 && (text.front() == '"' || text.front() == '\'') && text.back() == text.front() &&
         text.substr(1, text.size() - 2).find(text.front()) == std::string_view::npos;
}

void read_variable(const Variable& variable, const Source& source, Draft& draft, Usable& usable,
                   Loaded& loaded) {
  Entry entry{variable.name,
              "",
              "default",
              variable.meaning,
              variable.group,
              variable.default_value,
              variable.type.words,
              variable.secret,
              false};
  if (entry.default_value.empty() && !variable.unset_means.empty())
    entry.default_value = "(" + variable.unset_means + ")";
  const std::size_t errors_before = loaded.errors.size();
  const auto given = find_value(variable, source, loaded);
  const std::string value = given ? given->value : variable.default_value;
  if (given) {
    entry.given = true;
    entry.origin = given->origin;
    if (!variable.secret && looks_quoted(value))
      loaded.warnings.push_back({given->name, "is in quotes, and they count as part of it. Remove them."});
  } else if (value.empty()) {
    entry.origin = "not set";
  }
  entry.value = variable.secret ? (value.empty() ? "" : "[set]") : redact_shapes(value);
  loaded.entries.push_back(std::move(entry));

  if (value.empty()) {
    // An error about a file that cannot be read already says why there is no value.
    if (!variable.required)
      usable.insert(variable.name);
    else if (loaded.errors.size() == errors_before)
      loaded.errors.push_back({variable.name, missing(variable)});
    return;
  }
  loaded.values.emplace(variable.name, Secret(value));
  const std::string wrong = variable.type.store(value, draft);
  if (!wrong.empty()) {
    loaded.entries.back().value = variable.secret ? "[set]" : "(not valid)";
    const std::string place = given && given->origin != "environment" ? " (" + given->origin + ")" : "";
    loaded.errors.push_back({given ? given->name : variable.name, wrong + place});
  } else if (loaded.errors.size() == errors_before) {
    usable.insert(variable.name);
  }
}

/// Where the environment file cannot be read, that something is not set follows from it: only what is wrong
/// with given values is news.
void forget_consequences(const Source& source, Loaded& loaded) {
  const auto given = [&](const std::string& name) {
    return source.environment.contains(name) ||
           std::any_of(loaded.entries.begin(), loaded.entries.end(),
                       [&](const Entry& entry) { return entry.given && entry.name == name; });
  };
  std::erase_if(loaded.errors, [&](const Problem& problem) { return !given(problem.name); });
}

void check_log_file(const Draft& draft, const Source& source, Loaded& loaded) {
  const std::string& path = draft.config.daemon.log_file;
  if (path.empty() || !source.may_append) return;
  if (const auto usable = source.may_append(path); !usable)
    loaded.warnings.push_back({"LOG_FILE", log_file_problem(path, usable.error().message)});
}

void check_journal(const Draft& draft, const Source& source, Loaded& loaded) {
  const std::string& path = draft.config.daemon.journal;
  if (path.empty() || !source.may_append) return;
  if (const auto usable = source.may_append(path); !usable)
    loaded.warnings.push_back(
        {"GPUWARDEN_JOURNAL",
         fmt::format("{} cannot be opened: {}. Nothing is recorded. Choose a path that the daemon's user may "
                     "write, or none, then: systemctl restart gpuwarden",
                     path, usable.error().message)});
}

}  // namespace

void share(Config& config) {
  policy::Settings& policy = config.policy;
  control::Settings& control = config.control;
  bootstrap::Settings& bootstrap = config.bootstrap;
  policy.breaker_probe_max = std::max(policy.breaker_probe_max, policy.breaker_probe_interval);
  control.owner = policy.owner;
  control.poll = policy.poll;
  bootstrap.mount_path = control.mount_path;
  bootstrap.has_volume = !policy.volume_names.empty();
  bootstrap.heartbeat_interval = policy.heartbeat_interval;
  bootstrap.min_memory_gb = control.min_memory_gb;
  bootstrap.min_cuda = control.min_cuda;
  bootstrap.supabase_url = config.supabase.url;
  bootstrap.bootstrap_timeout = policy.spawning_timeout;
  // Well before the worker as a whole is overdue: an SSH server that never answers is to be named as such.
  constexpr Duration kLeast = std::chrono::seconds(10);  // a server needs a moment to start
  bootstrap.connect_timeout = std::min({bootstrap.connect_timeout, Duration(policy.spawning_timeout / 2),
                                        std::max(kLeast, Duration(policy.provision_timeout / 2))});
}

std::string log_file_problem(std::string_view path, std::string_view why) {
  return fmt::format(
      "{} cannot be opened: {}. The log goes to standard error only. Give the daemon's user the "
      "directory (install -d -o gpuwarden {}), or choose another path or none, then: systemctl restart "
      "gpuwarden",
      path, why, path.substr(0, std::max<std::size_t>(path.rfind('/'), 1)));
}

Loaded load(const Source& source, SshKey need) {
  Loaded loaded;
  loaded.file = source.file;
  Draft draft;
  Usable usable;
  for (const Variable& variable : table()) read_variable(variable, source, draft, usable, loaded);
  check_services(draft, usable, loaded);
  check_pods(draft, usable, loaded);
  check_fleet(draft, usable, loaded);
  check_times(draft, usable, loaded);
  resolve_pass_env(draft, source, loaded);
  check_unknown_names(draft, source, loaded);
  check_log_file(draft, source, loaded);
  check_journal(draft, source, loaded);
  draft.config.daemon.state_dir = draft.state_dir.empty() ? source.state_directory : draft.state_dir;
  if (source.file.unreadable) forget_consequences(source, loaded);
  loaded.errors.insert(loaded.errors.begin(), source.file.errors.begin(), source.file.errors.end());
  loaded.warnings.insert(loaded.warnings.begin(), source.file.warnings.begin(), source.file.warnings.end());
  resolve_ssh_key(draft, source, need, loaded);
  if (!loaded.errors.empty()) return loaded;
  share(draft.config);
  loaded.config = std::move(draft.config);
  return loaded;
}

}  // namespace gpuwarden::config
