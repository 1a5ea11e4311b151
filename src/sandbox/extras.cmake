# The files that pods and the sample worker consist of travel inside the program.
set(sandbox_dir "${CMAKE_CURRENT_LIST_DIR}")
gpuwarden_embed(gw_sandbox NAMESPACE gpuwarden::sandbox VARIABLE kPodFiles
  FILES "${sandbox_dir}/pod/pod_root.sh" "${sandbox_dir}/pod/start.sh" "${sandbox_dir}/pod/nvidia-smi")
gpuwarden_embed(gw_sandbox NAMESPACE gpuwarden::sandbox VARIABLE kSampleWorker
  FILES "${sandbox_dir}/sample_worker/worker.sh" "${sandbox_dir}/sample_worker/start.sh"
        "${sandbox_dir}/sample_worker/setup.sh" "${sandbox_dir}/sample_worker/worker.env")
file(GLOB sandbox_migrations CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/deploy/supabase/migrations/*.sql")
gpuwarden_embed(gw_sandbox NAMESPACE gpuwarden::sandbox VARIABLE kMigrations FILES ${sandbox_migrations})
# Where `npm ci --prefix deploy/npm` puts PostgREST, for programs in a build directory elsewhere.
set_source_files_properties("${sandbox_dir}/postgrest.cpp" PROPERTIES
  COMPILE_DEFINITIONS "GPUWARDEN_SOURCE_DIR=\"${CMAKE_SOURCE_DIR}\"")
