#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "gpuwarden/base/result.hpp"

namespace gpuwarden::sandbox {

/// What a container is started with.
struct PodBoot {
  std::string id;
  std::map<std::string, std::string> env;  ///< PUBLIC_KEY in it may log in
  std::string volume_id, mount_path;       ///< both empty = no network volume
  std::string gpu;
  int gpu_memory_mb{0};
  // Faults
  bool sshd{true};            ///< false: nothing listens on the port
  bool authorise{true};       ///< false: PUBLIC_KEY is not put into authorized_keys
  bool true_host_keys{true};  ///< false: the log shows the fingerprint of some other key
  bool has_gpu{true};         ///< false: no nvidia-smi
};

struct HostedPod {
  std::uint16_t ssh_port{0};
  std::string ssh_user;
};

/// Where the stand-in's containers run.
class PodHost {
 public:
  virtual ~PodHost() = default;
  /// `on_line` gets each line that pid 1 and its children print; `on_exit` is called once when pid 1 ends by
  /// itself. Errors: internal.
  virtual Result<HostedPod> start(PodBoot boot, std::function<void(std::string)> on_line,
                                  std::function<void()> on_exit) = 0;
  /// Ends the pod's SSH server and its sessions; its port stays closed.
  virtual void end_ssh(const std::string& id) = 0;
  /// Returns when no process of the pod lives and its files are gone. Unknown ids are fine.
  virtual boost::asio::awaitable<void> remove(std::string id) = 0;
};

}  // namespace gpuwarden::sandbox
