#pragma once

#include <string>
#include <string_view>

#include "gpuwarden/base/ids.hpp"
#include "gpuwarden/bootstrap/script.hpp"
#include "gpuwarden/bootstrap/settings.hpp"

namespace gpuwarden::bootstrap {

/// Text of an embedded script: "lib.sh".
std::string_view script_text(std::string_view name);

/// The file `env` on the pod: settings of the scripts, and the worker's environment. Holds secrets.
std::string env_file(const WorkerId& worker, const Settings& settings, const WorkerSecrets& secrets);

/// The file `curl.conf` on the pod: where reports go, with the publishable key in the header that its kind
/// needs.
std::string report_config(const Settings& settings, const Secret& publishable_key);

/// Where the repository's checkouts lie: WORKER_DIR or <mount>/<repository's name>.
std::string worker_dir_of(const Settings& settings);

}  // namespace gpuwarden::bootstrap
