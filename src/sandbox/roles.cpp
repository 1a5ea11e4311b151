#include "roles.hpp"

#include <fmt/format.h>

namespace gpuwarden::sandbox {

std::string roles_sql(std::string_view password) {
  return fmt::format(R"sql(
create role anon nologin noinherit;
create role authenticated nologin noinherit;
create role service_role nologin noinherit bypassrls;
create role authenticator login noinherit password '{0}';
create role postgres login createdb createrole bypassrls password '{0}';
grant anon, authenticated, service_role to authenticator;
grant anon, authenticated, service_role to postgres;
alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role authenticator set statement_timeout = '8s';
)sql",
                     password);
}

std::string database_sql(bool open_defaults) {
  std::string sql = R"sql(
alter schema public owner to postgres;
grant usage on schema public to anon, authenticated, service_role;
create schema gateway;
grant usage on schema gateway to public;
create function gateway.pre_request() returns void language plpgsql as $$
begin
  if current_setting('request.headers', true)::json ->> 'x-sandbox-read-only' is not null then
    set transaction read only;
  end if;
end
$$;
)sql";
  if (open_defaults) {
    for (const auto* kind : {"tables", "functions", "sequences"})
      sql += fmt::format(
          "alter default privileges for role postgres in schema public grant all on {} to anon, "
          "authenticated, service_role;\n",
          kind);
  }
  return sql;
}

}  // namespace gpuwarden::sandbox
