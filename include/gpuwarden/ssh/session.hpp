#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "gpuwarden/base/result.hpp"
#include "gpuwarden/base/secret.hpp"
#include "gpuwarden/base/time.hpp"

namespace gpuwarden::ssh {

struct Target {
  std::string host, user{"root"};
  std::uint16_t port{22};
  Secret private_key;  ///< OpenSSH or PEM text, ed25519 or ECDSA; from memory only
  Secret passphrase;
  std::vector<std::string>
      host_key_sha256;  ///< "SHA256:<base64 without padding>"; empty = accept what is shown
  Duration timeout{std::chrono::seconds(15)};    ///< connect, handshake and authentication together
  Duration slot_wait{std::chrono::seconds(60)};  ///< for a handshake slot; not counted in `timeout`
  Duration keepalive{std::chrono::seconds(15)};  ///< a peer that is silent for three of these is given up
};

struct Exec {
  std::string command, stdin_data;
  std::function<void(std::string_view)> on_stdout, on_stderr;
  Duration timeout{std::chrono::seconds(60)};
};
struct ExecResult {
  int exit_status{-1};
  std::string exit_signal;
};

/// At most `limit` handshakes at a time (toolchain figure: 16 keeps the loop's lag below 32 ms at 200
/// sessions).
class HandshakeLimit {
 public:
  HandshakeLimit(boost::asio::any_io_executor executor, int limit = 16);
  ~HandshakeLimit();
  struct Impl;
  std::shared_ptr<Impl> impl() const { return impl_; }
  /// Highest number of handshakes that were under way together.
  int most_at_once() const;

 private:
  std::shared_ptr<Impl> impl_;
};

/// One libssh2 session on Asio. One exec at a time; any error means: discard. Nothing blocks the loop.
/// Errors of connect: unavailable (no handshake slot in time included), timeout, unauthorized (key refused),
/// conflict (host key differs from the pins; no secret was sent), invalid_input (our own key is unusable),
/// cancelled. Errors of exec: the same while the command was certainly not started; afterwards ambiguous or
/// timeout, for it may run on.
class Session {
 public:
  static boost::asio::awaitable<Result<std::unique_ptr<Session>>> connect(
      boost::asio::any_io_executor executor, HandshakeLimit& limit, Target target);
  boost::asio::awaitable<Result<ExecResult>> exec(Exec exec);
  const std::string& host_key_sha256() const;
  ~Session();

 private:
  struct Impl;
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gpuwarden::ssh
