#pragma once

#include <string>
#include <string_view>

#include "gpuwarden/http/client.hpp"

#include "simulation/pod.hpp"

namespace gpuwarden::simulation {

// Runpod's own words (REST v2).
inline constexpr std::string_view kNoCapacity =
    "There are no longer any instances available with the requested specifications. Please refresh and try "
    "again.";
inline constexpr std::string_view kNoBalance =
    "Your account balance is too low to rent a pod. Please add funds to your account.";
inline constexpr std::string_view kServerError =
    "Something went wrong. Please try again later or contact support.";
inline constexpr std::string_view kPodNotFound = "pod not found";

/// application/problem+json
http::Response problem(int status, std::string_view detail, std::string_view error = {});
http::Response json_answer(int status, std::string body);

/// The part of a pod's object that never changes, and the whole object as of now.
std::string fixed_pod_json(const SimPod& pod, std::string_view mounts, WallTime created_at);
std::string pod_json(const SimPod& pod, MonoTime now, std::string_view host);

/// Of "/pods?limit=10&cursor=x": the value of `name`, decoded; empty when it is not there.
std::string query_value(std::string_view query, std::string_view name);

}  // namespace gpuwarden::simulation
