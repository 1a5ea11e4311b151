#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <sys/types.h>

namespace gpuwarden::http {

/// A real HTTP/2 server (nghttpd) of its own on loopback, with a certificate for the name localhost by a
/// certificate authority that nobody else knows. GET /small gives "ok", GET /big 20 MB; a POST gives its
/// body.
class H2Server {
 public:
  H2Server();
  ~H2Server();
  H2Server(const H2Server&) = delete;
  H2Server& operator=(const H2Server&) = delete;

  std::string url(const std::string& path, const std::string& host = "localhost") const;
  std::uint16_t port() const { return port_; }
  /// Of the certificate authority.
  std::string ca_file() const { return directory_ + "/ca.pem"; }
  /// Stops reading and answering; the kernel keeps accepting.
  void freeze() const;
  void thaw() const;
  /// Ends it, cutting its connections off, and starts another one on the same port.
  void replace();

  /// How often the server's log says so, since it was started: frames, headers, connections.
  int logged(std::string_view text) const;
  int connections() const { return logged("SSL/TLS handshake completed"); }
  /// Most requests that were open together.
  int most_open() const;

  static constexpr std::size_t kBig = 20'000'000;

 private:
  void start();
  void kill();
  std::string log() const;
  std::string directory_;
  std::uint16_t port_{0};
  pid_t process_{-1};
};

}  // namespace gpuwarden::http
