# The scripts travel inside the program; see scripts/bootstrap.sh.
set(bootstrap_scripts "${CMAKE_CURRENT_LIST_DIR}/scripts")
gpuwarden_embed(gw_bootstrap NAMESPACE gpuwarden::bootstrap VARIABLE kScripts
  FILES "${bootstrap_scripts}/lib.sh" "${bootstrap_scripts}/bootstrap.sh" "${bootstrap_scripts}/couriers.sh"
        "${bootstrap_scripts}/preflight.sh" "${bootstrap_scripts}/checkout.sh" "${bootstrap_scripts}/lock.sh"
        "${bootstrap_scripts}/process.sh" "${bootstrap_scripts}/agent.sh" "${bootstrap_scripts}/lease.sh"
        "${bootstrap_scripts}/follow.sh" "${bootstrap_scripts}/probe.sh" "${bootstrap_scripts}/collect.sh"
        "${bootstrap_scripts}/logs.sh" "${bootstrap_scripts}/launch.sh" "${bootstrap_scripts}/log_lines.sh")
target_link_libraries(gw_bootstrap PRIVATE nlohmann_json::nlohmann_json)
