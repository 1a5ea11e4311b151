#include "simulation/shell_command.hpp"

#include <charconv>

namespace gpuwarden::simulation {
namespace {

std::string_view between(std::string_view text, std::string_view before, std::string_view after) {
  const std::size_t at = text.find(before);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + before.size());
  return text.substr(0, text.find(after));
}

}  // namespace

std::string_view to_string(ParsedCommand::Kind kind) {
  switch (kind) {
    case ParsedCommand::Kind::launch:
      return "launch";
    case ParsedCommand::Kind::follow:
      return "follow";
    case ParsedCommand::Kind::probe:
      return "probe";
    case ParsedCommand::Kind::collect:
      return "collect";
  }
  return "";
}

std::optional<ParsedCommand> parse_command(std::string_view command) {
  using Kind = ParsedCommand::Kind;
  ParsedCommand parsed;
  if (command.starts_with("exec bash -s")) {
    parsed.worker = between(command, "gpuwarden-launch ", "'");
    if (parsed.worker.empty()) return std::nullopt;
    return parsed;
  }
  parsed.worker = between(command, "$root/gpuwarden-", "/");
  if (parsed.worker.empty()) return std::nullopt;
  if (command.find("/follow.sh\"") != std::string_view::npos) {
    parsed.kind = Kind::follow;
    const std::string_view offset = between(command, "follow.sh\" \"$run\" ", " ");
    std::from_chars(offset.data(), offset.data() + offset.size(), parsed.offset);
    return parsed;
  }
  if (command.find("/probe.sh\"") != std::string_view::npos) {
    parsed.kind = Kind::probe;
    return parsed;
  }
  if (command.find("/collect.sh\"") != std::string_view::npos) {
    parsed.kind = Kind::collect;
    return parsed;
  }
  return std::nullopt;
}

}  // namespace gpuwarden::simulation
