#pragma once

#include <string>
#include <vector>

#include "gpuwarden/domain/pod.hpp"

namespace gpuwarden::control {

/// Fingerprints ("SHA256:...") in a container's log: only of lines as `ssh-keygen -lf` prints them ("256
/// SHA256:... comment (ED25519)"), because sshd logs the keys of its clients too.
std::vector<std::string> host_keys_in(const std::vector<PodLogLine>& lines);

}  // namespace gpuwarden::control
