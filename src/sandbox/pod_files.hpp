#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gpuwarden/base/result.hpp"

#include "child_process.hpp"
#include "pod_host.hpp"

namespace gpuwarden::sandbox {

/// Where things of one pod lie on the host.
struct PodPaths {
  std::string pod;     ///< everything of the pod
  std::string root;    ///< mount point of its root file system; without namespaces the pod's own tree
  std::string files;   ///< what is copied into it
  std::string volume;  ///< the network volume's directory, empty = none
};
PodPaths pod_paths(const std::string& dir, const PodBoot& boot);

/// Writes the files that the pod starts from. Errors: internal.
Result<void> write_pod_files(const PodPaths& paths, const PodBoot& boot, std::uint16_t ssh_port,
                             Isolation isolation);

/// How pid 1 of the pod is started.
SpawnSpec pod_command(const PodPaths& paths, const PodBoot& boot, Isolation isolation);

/// Every process whose environment names the pod; for pods without a process namespace.
std::vector<pid_t> marked_processes(std::string_view pod_id);

/// Every process in the process namespace of `first`, itself included.
std::vector<pid_t> namespace_processes(pid_t first);
/// Arguments of a process, separated by blanks; empty when it has gone.
std::string command_line(pid_t pid);

/// Writes text to a new file, making its directory; mode such as 0755.
Result<void> write_text(const std::string& path, std::string_view text, unsigned mode = 0644);

/// Text of an embedded file of the pod: "start.sh", "pod_root.sh", "nvidia-smi".
std::string_view pod_file(std::string_view name);

}  // namespace gpuwarden::sandbox
