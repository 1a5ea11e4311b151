#pragma once

#include <string>
#include <string_view>

namespace gpuwarden::sandbox {

/// SQL that makes a cluster's roles what they are in a Supabase project; for the superuser, once a cluster.
/// `password` is that of the roles that may log in.
std::string roles_sql(std::string_view password);

/// SQL for the superuser in a new database: owner and rights of schema public, default privileges, and the
/// hook by which the gateway makes a request's transaction read-only.
std::string database_sql(bool open_defaults);

/// Name of that hook, for PostgREST.
inline constexpr std::string_view kPreRequest = "gateway.pre_request";
/// The header that it looks at; only the gateway sets it.
inline constexpr std::string_view kReadOnlyHeader = "x-sandbox-read-only";

}  // namespace gpuwarden::sandbox
