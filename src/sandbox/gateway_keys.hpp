#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "gpuwarden/http/server.hpp"
#include "gpuwarden/sandbox/gateway.hpp"

namespace gpuwarden::sandbox {

/// JSON Web Token (HS256) that PostgREST takes for `role`; without an end.
std::string make_jwt(std::string_view role, std::string_view secret);

/// What the key rules make of a request.
struct Admission {
  std::optional<http::ServerResponse> refusal;
  std::string jwt;              ///< for PostgREST
  bool publishable_key{false};  ///< what pods hold
  bool service_key{false};
};

/// Supabase's rules: sb_ keys belong in the header apikey alone, secret ones not in browsers; a legacy JWT in
/// apikey, and in Authorization where that is sent.
Admission admit(const http::ServerRequest& request, const GatewayOptions& options);

}  // namespace gpuwarden::sandbox
