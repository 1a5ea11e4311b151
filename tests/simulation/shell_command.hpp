#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gpuwarden::simulation {

/// What a remote command of bootstrap asks for.
struct ParsedCommand {
  enum class Kind { launch, follow, probe, collect } kind{Kind::launch};
  std::string worker;
  std::size_t offset{0};  ///< of follow
};
std::string_view to_string(ParsedCommand::Kind kind);

/// Reads the text of bootstrap's command functions; nullopt for any other command.
std::optional<ParsedCommand> parse_command(std::string_view command);

}  // namespace gpuwarden::simulation
