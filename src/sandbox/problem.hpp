#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gpuwarden/http/server.hpp"

namespace gpuwarden::sandbox {

// The texts of Runpod's refusals, to the letter: clients tell a rule from a shortage by them.
inline constexpr std::string_view kNoCapacity =
    "There are no longer any instances available with the requested specifications. Please refresh and try "
    "again.";
inline constexpr std::string_view kNoDisk =
    "You must either provide a template id or pod configuration parameters";
inline constexpr std::string_view kNoBalance =
    "Your account balance is too low to rent a pod. Please add funds to your account.";
inline constexpr std::string_view kMissingToken = "missing bearer token";
inline constexpr std::string_view kAccessDenied = "access denied";
inline constexpr std::string_view kValidationFailed = "Request validation failed.";
inline constexpr std::string_view kRateLimited = "rate limit exceeded for the {} window";
inline constexpr std::string_view kServerError =
    "Something went wrong. Please try again later or contact support.";
inline constexpr std::string_view kPodNotFound = "pod not found";

/// application/problem+json with title, status, detail and, where given, errors[].
http::ServerResponse problem(int status, std::string_view detail,
                             const std::vector<std::string>& errors = {});
http::ServerResponse json_answer(int status, std::string body);
/// What the edge in front of the API says to a client without a User-Agent.
http::ServerResponse edge_block();

}  // namespace gpuwarden::sandbox
