#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "gpuwarden/config/config.hpp"

namespace gpuwarden::config {

/// The configuration while it is being put together: what becomes a setting only after a look at other
/// variables or at files waits here.
struct Draft {
  Config config;
  std::string ssh_private_key, ssh_private_key_path, ssh_public_key, ssh_public_key_path;
  std::string state_dir;
  std::vector<std::string> pass_env;
};

/// What values a variable takes, and where a value goes.
struct Type {
  std::string words;  ///< "seconds, 1 or more": for --explain and messages
  /// Stores the value, or says what is wrong with it ("must be ..."); the message repeats no secret.
  std::function<std::string(std::string_view text, Draft& draft)> store;
};

/// One row of the configuration table.
struct Variable {
  std::string name, group;
  Type type;
  std::string default_value;  ///< empty = none
  std::string unset_means;    ///< in words, where there is no default value
  std::string meaning;        ///< one sentence
  std::string example;        ///< shown where there is no default value
  bool required{false};
  bool secret{false};   ///< also as NAME_FILE and as a systemd credential; never shown
  bool restart{false};  ///< a change takes effect only after a restart, not with SIGHUP
  std::vector<std::string> old_names{};
};

/// The whole table, in the order in which people should read it.
const std::vector<Variable>& table();

// Its parts.
std::vector<Variable> supabase_variables();
std::vector<Variable> runpod_variables();
std::vector<Variable> scaling_variables();
std::vector<Variable> time_variables();
std::vector<Variable> failure_variables();
std::vector<Variable> worker_variables();
std::vector<Variable> daemon_variables();

}  // namespace gpuwarden::config
