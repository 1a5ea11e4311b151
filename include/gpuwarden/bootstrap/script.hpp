#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "gpuwarden/base/ids.hpp"
#include "gpuwarden/base/secret.hpp"
#include "gpuwarden/bootstrap/settings.hpp"

namespace gpuwarden::bootstrap {

/// What only this worker may know.
struct WorkerSecrets {
  Secret token;  ///< GPUWARDEN_WORKER_TOKEN
  Secret publishable_key;
};

/// Text for the stdin of `launch_command()`: writes env file (0600, tmpfs), startup script and agent on the
/// pod, starts the script detached and then follows its status file until the script has ended (worker's
/// first heartbeat accepted, or a fail line).
std::string launch_payload(const WorkerId& worker, const Settings& settings, const WorkerSecrets& secrets);

/// Remote command for the first contact; carries no secret. Exits with kNotStarted when told to resume on a
/// pod where nothing ran.
std::string launch_command(const WorkerId& worker);

/// Remote command that prints the status file from byte `offset` on and follows it; exit status kNotStarted
/// when the script never ran on this pod.
std::string follow_command(const WorkerId& worker, std::size_t offset);

/// Remote command that says whether the worker process lives: exit 0 alive, 1 dead, prints the last lines of
/// its log. Any other status says nothing about the worker; after 10 s it ends itself with 124.
std::string probe_command(const WorkerId& worker);

/// Remote command that prints the evidence: sections "@@ name" with tails of the status file, bootstrap and
/// worker logs, and outputs of nvidia-smi, df, free, ps. The last section is the empty one "end": without it
/// the output was cut off.
std::string collect_command(const WorkerId& worker);

/// Logs that the scripts keep on a pod.
enum class PodLog { worker, bootstrap };
struct LogRequest {
  PodLog log{PodLog::worker};
  int lines{100};                       ///< the last ones, 0..5000; no more than lie in the last 64 KB
  bool follow{false};                   ///< also what is added, for 45 s: exit status kStillRunning
  std::optional<std::size_t> offset{};  ///< go on from this byte instead of the last lines
};
/// Remote command that prints a log without its secrets. While it follows, standard error says "@@ N"
/// whenever everything before byte N has been printed. Works on pods of older versions too: the script comes
/// along.
std::string logs_command(const WorkerId& worker, const LogRequest& request);

inline constexpr int kNotStarted = 97;
/// Exit status of launch and follow when the script has not ended yet after 45 s: follow again, from the
/// offset reached. So a dead connection is noticed soon and no follower stays behind on the pod.
inline constexpr int kStillRunning = 98;

/// Identity of what new pods will run: hash over script texts and the settings that shape them, never over
/// secrets.
std::string script_hash(const Settings& settings, std::string_view image);

}  // namespace gpuwarden::bootstrap
