#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "gpuwarden/base/result.hpp"
#include "gpuwarden/domain/pod.hpp"
#include "gpuwarden/ports/task_store.hpp"

namespace gpuwarden::ports {

/// Fingerprints that the container printed at boot ("SHA256:..."). Empty = trust on first use.
struct HostKeyPin {
  std::vector<std::string> sha256;
};

struct ShellTarget {
  SshEndpoint endpoint;
  HostKeyPin pin;
  Duration timeout{
      std::chrono::seconds(15)};  ///< connect, handshake and authentication together, from its turn on
};

struct ShellCommand {
  std::string command;
  std::string stdin_data;                           ///< sent, then end of file
  std::function<void(std::string_view)> on_stdout;  ///< chunks as they come; on the loop
  std::function<void(std::string_view)> on_stderr;
  Duration timeout{std::chrono::seconds(60)};
};
struct ShellResult {
  int exit_status{-1};
  std::string exit_signal;  ///< "TERM"; empty = none
};

/// One SSH connection; closed by its destructor. One command at a time; after an error it must be thrown
/// away.
class ShellSession {
 public:
  virtual ~ShellSession() = default;
  virtual Async<ShellResult> run(ShellCommand command) = 0;
  /// "SHA256:<base64>" of the key that the host showed.
  virtual std::string host_key() const = 0;
};

/// Opens shells on pods. At most 16 handshakes at a time; further ones wait up to a minute for their turn,
/// which is not counted in their timeout. Errors: unavailable/timeout (no answer, no turn), unauthorized (key
/// refused), conflict (host key does not match the pin), invalid_input (our own key is unusable).
class PodShell {
 public:
  virtual ~PodShell() = default;
  virtual Async<std::unique_ptr<ShellSession>> connect(ShellTarget target) = 0;
};

}  // namespace gpuwarden::ports
