#include "redaction.hpp"

#include <algorithm>
#include <vector>

namespace gpuwarden::control {
namespace {

/// As one text, because a private key spans several lines.
std::vector<std::string> redacted_lines(const Environment& environment,
                                        const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text.append(line).push_back('\n');
  const std::string clean = environment.redact(text);
  std::vector<std::string> result;
  for (std::string_view rest = clean; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    result.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return result;
}

}  // namespace

std::string redacted(const Environment& environment, std::string_view text) {
  return environment.redact ? environment.redact(text) : std::string(text);
}

Evidence redacted(const Environment& environment, Evidence evidence) {
  if (!environment.redact) return evidence;
  for (auto& [source, lines] : evidence.tails) lines = redacted_lines(environment, lines);
  for (auto& [name, text] : evidence.probe) text = environment.redact(text);
  for (std::string& reason : evidence.missing) reason = environment.redact(reason);
  if (evidence.api) evidence.api->detail = environment.redact(evidence.api->detail);
  if (evidence.pod) evidence.pod->status = environment.redact(evidence.pod->status);
  return evidence;
}

}  // namespace gpuwarden::control
