#include "simulation/launch_payload.hpp"

#include <cstdlib>

namespace gpuwarden::simulation {
namespace {

/// What stands between `before` and `after`; empty when it is not there.
std::string_view between(std::string_view text, std::string_view before, std::string_view after) {
  const std::size_t at = text.find(before);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + before.size());
  return text.substr(0, text.find(after));
}

/// Of the file `env`, which stands in the payload as one quoted word: its own quotes are '\''.
std::string setting(std::string_view text, const std::string& name) {
  return std::string(between(text, "\n" + name + "='\\''", "'\\''"));
}

Duration seconds_in(const std::string& text, Duration otherwise) {
  if (text.empty()) return otherwise;
  constexpr double kMs = 1000;
  return Duration(static_cast<Duration::rep>(std::strtod(text.c_str(), nullptr) * kMs));
}

}  // namespace

std::optional<LaunchPayload> read_launch_payload(std::string_view text) {
  LaunchPayload payload;
  payload.worker = between(text, "gw_worker='", "'");
  payload.token = between(text, "\n'token' '", "\n");
  if (payload.worker.empty() || payload.token.empty()) return std::nullopt;
  payload.heartbeat_interval = seconds_in(setting(text, "gw_heartbeat_interval"), payload.heartbeat_interval);
  payload.lease = seconds_in(setting(text, "gw_pod_lease"), payload.lease);
  payload.max_restarts = std::atoi(setting(text, "gw_max_restarts").c_str());
  return payload;
}

}  // namespace gpuwarden::simulation
