#include <fmt/format.h>

#include "gpuwarden/config/keys.hpp"

#include "checks.hpp"
#include "text.hpp"
#include "url.hpp"

namespace gpuwarden::config {
namespace {

constexpr std::string_view kWhere = "Supabase dashboard, Project Settings, API Keys";

void check_secret_key(const Draft& draft, Loaded& loaded) {
  const auto refuse = [&](std::string message) {
    loaded.errors.push_back({"SUPABASE_SECRET_KEY", std::move(message)});
  };
  const SupabaseKeyKind kind = supabase_key_kind(draft.config.supabase.secret_key.reveal());
  switch (kind) {
    case SupabaseKeyKind::secret:
    case SupabaseKeyKind::service_role_jwt:
      return;
    case SupabaseKeyKind::publishable:
    case SupabaseKeyKind::anon_jwt:
      return refuse(fmt::format("is the {}, which may not do the daemon's work. Give the secret key ({}).",
                                to_string(kind), kWhere));
    case SupabaseKeyKind::other_jwt:
    case SupabaseKeyKind::unrecognized:
      return refuse(
          fmt::format("is neither sb_secret_... nor a service_role JWT. Copy it again ({}).", kWhere));
  }
}

void check_publishable_key(const Draft& draft, Loaded& loaded) {
  const auto refuse = [&](std::string message) {
    loaded.errors.push_back({"SUPABASE_PUBLISHABLE_KEY", std::move(message)});
  };
  const SupabaseKeyKind kind = supabase_key_kind(draft.config.supabase.publishable_key.reveal());
  switch (kind) {
    case SupabaseKeyKind::publishable:
    case SupabaseKeyKind::anon_jwt:
      return;
    case SupabaseKeyKind::secret:
    case SupabaseKeyKind::service_role_jwt:
      return refuse(fmt::format(
          "is the {}: every pod would hold the key to the whole database. Give the publishable key ({}).",
          to_string(kind), kWhere));
    case SupabaseKeyKind::other_jwt:
    case SupabaseKeyKind::unrecognized:
      return refuse(
          fmt::format("is neither sb_publishable_... nor an anon JWT. Copy it again ({}).", kWhere));
  }
}

}  // namespace

void check_services(const Draft& draft, const Usable& usable, Loaded& loaded) {
  if (usable.contains("SUPABASE_SECRET_KEY")) check_secret_key(draft, loaded);
  if (usable.contains("SUPABASE_PUBLISHABLE_KEY")) check_publishable_key(draft, loaded);
  const DaemonSettings& daemon = draft.config.daemon;
  if (usable.contains("GPUWARDEN_LISTEN") && daemon.listen_port != 0 && !is_loopback(daemon.listen_host)) {
    loaded.warnings.push_back({"GPUWARDEN_LISTEN",
                               "is reachable from other machines, and everyone there can read the status. "
                               "Prefer 127.0.0.1 behind a proxy that asks for a password."});
  }
  const std::string& url = draft.config.runpod.api_url;
  if (url.find("rest.runpod.io") != std::string::npos || url.ends_with("/v1") || url.ends_with("/graphql")) {
    loaded.errors.push_back({"RUNPOD_API_URL",
                             "is an API that Runpod has retired. Use https://api.runpod.io/v2 or remove the "
                             "variable."});
  }
}

}  // namespace gpuwarden::config
