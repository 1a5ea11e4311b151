# The version in logs, status and the HTTP user agent is CMake's.
target_compile_definitions(gw_app PUBLIC GPUWARDEN_VERSION="${PROJECT_VERSION}")
