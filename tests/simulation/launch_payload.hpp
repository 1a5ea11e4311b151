#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "gpuwarden/base/time.hpp"

namespace gpuwarden::simulation {

/// What a pod takes out of bootstrap::launch_payload.
struct LaunchPayload {
  std::string worker, token;
  Duration heartbeat_interval{std::chrono::seconds(20)};
  Duration lease{std::chrono::hours(1)};
  int max_restarts{0};
};

/// Nullopt when worker or token are not to be found: the real script would not start either.
std::optional<LaunchPayload> read_launch_payload(std::string_view text);

}  // namespace gpuwarden::simulation
