#include "types.hpp"

namespace gpuwarden::config {

std::vector<Variable> supabase_variables() {
  const std::string group = "Supabase";
  return {
      {.name = "SUPABASE_URL",
       .group = group,
       .type = url(in(&Config::supabase, &SupabaseSettings::url), false),
       .meaning = "The project that holds the task queue.",
       .example = "https://abcdefghijkl.supabase.co",
       .required = true,
       .restart = true},
      {.name = "SUPABASE_SECRET_KEY",
       .group = group,
       .type = secret_text(in(&Config::supabase, &SupabaseSettings::secret_key)),
       .meaning =
           "The daemon's own key: sb_secret_... or the legacy service_role JWT. Never leaves the daemon.",
       .example = "sb_secret_...",
       .required = true,
       .secret = true,
       .restart = true,
       .old_names = {"SUPABASE_SERVICE_ROLE_KEY"}},
      {.name = "SUPABASE_PUBLISHABLE_KEY",
       .group = group,
       .type = secret_text(in(&Config::supabase, &SupabaseSettings::publishable_key)),
       .meaning =
           "The key that pods use, each with its own token: sb_publishable_... or the legacy anon JWT.",
       .example = "sb_publishable_...",
       .required = true,
       .secret = true,
       .restart = true,
       .old_names = {"SUPABASE_ANON_KEY"}},
      {.name = "TASK_COUNT_SOURCE",
       .group = group,
       .type = either(in(&Config::supabase, &SupabaseSettings::count_by_edge_function), "sql", "edge"),
       .default_value = "sql",
       .meaning =
           "Who counts the waiting tasks: gpuwarden_queue_depth() (sql) or the edge function task-counts.",
       .restart = true},
      {.name = "ENABLE_DB_LOGGING",
       .group = group,
       .type = yes_no(in(&Config::supabase, &SupabaseSettings::db_logging)),
       .default_value = "false",
       .meaning =
           "Also write log lines into the table system_logs: the daemon's own, and those of its workers.",
       .restart = true},
  };
}

}  // namespace gpuwarden::config
