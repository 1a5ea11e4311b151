# `migrate --print` writes the SQL out of the program itself; `version` says what CMake says.
file(GLOB migrations CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/deploy/supabase/migrations/*.sql")
list(SORT migrations)
gpuwarden_embed(gw_cli NAMESPACE gpuwarden::cli VARIABLE kMigrations FILES ${migrations})
target_compile_definitions(gw_cli PRIVATE GPUWARDEN_VERSION="${PROJECT_VERSION}")
