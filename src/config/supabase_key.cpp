#include <nlohmann/json.hpp>

#include "gpuwarden/config/keys.hpp"

#include "text.hpp"

namespace gpuwarden::config {
namespace {

/// Role claim of a JWT; none when the text is no JWT.
std::optional<std::string> jwt_role(std::string_view key) {
  const auto first = key.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const auto second = key.find('.', first + 1);
  if (second == std::string_view::npos || key.find('.', second + 1) != std::string_view::npos)
    return std::nullopt;
  const auto payload = base64_decode(key.substr(first + 1, second - first - 1));
  if (!payload) return std::nullopt;
  const auto claims = nlohmann::json::parse(*payload, nullptr, false);
  if (!claims.is_object()) return std::nullopt;
  const auto role = claims.find("role");
  return role != claims.end() && role->is_string() ? role->get<std::string>() : std::string();
}

}  // namespace

SupabaseKeyKind supabase_key_kind(std::string_view key) {
  if (key.starts_with("sb_secret_")) return SupabaseKeyKind::secret;
  if (key.starts_with("sb_publishable_")) return SupabaseKeyKind::publishable;
  const auto role = jwt_role(key);
  if (!role) return SupabaseKeyKind::unrecognized;
  if (*role == "service_role") return SupabaseKeyKind::service_role_jwt;
  if (*role == "anon") return SupabaseKeyKind::anon_jwt;
  return SupabaseKeyKind::other_jwt;
}

std::string_view to_string(SupabaseKeyKind kind) {
  switch (kind) {
    case SupabaseKeyKind::secret:
      return "secret key (sb_secret_...)";
    case SupabaseKeyKind::publishable:
      return "publishable key (sb_publishable_...)";
    case SupabaseKeyKind::service_role_jwt:
      return "legacy service_role key (JWT)";
    case SupabaseKeyKind::anon_jwt:
      return "legacy anon key (JWT)";
    case SupabaseKeyKind::other_jwt:
      return "JWT of another role";
    case SupabaseKeyKind::unrecognized:
      return "not a Supabase key";
  }
  return "";
}

}  // namespace gpuwarden::config
