#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gpuwarden::cli {

/// What `gpuwarden --help` says about one command.
struct CommandInfo {
  std::string name, group, summary;
  std::string examples;  ///< one a line, shown by `gpuwarden NAME --help`
};

/// All commands in the order of the help text.
const std::vector<CommandInfo>& command_list();
std::string help_text();

}  // namespace gpuwarden::cli
