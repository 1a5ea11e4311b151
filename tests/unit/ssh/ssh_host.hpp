#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

namespace gpuwarden::ssh {

/// A real sshd of its own on loopback, with host and user keys made for it in a temporary directory.
class SshHost {
 public:
  struct Options {
    std::vector<std::string> host_keys{"ed25519", "ecdsa"};
    std::string more_config;
  };
  explicit SshHost(Options options);
  SshHost() : SshHost(Options()) {}
  ~SshHost();
  SshHost(const SshHost&) = delete;
  SshHost& operator=(const SshHost&) = delete;

  std::uint16_t port() const { return port_; }
  const std::string& user() const { return user_; }
  /// "SHA256:..." as ssh-keygen prints it.
  std::string fingerprint(const std::string& type) const;
  /// Private key that the host accepts. Types: ed25519, ecdsa, encrypted (passphrase "open sesame").
  std::string user_key(const std::string& type = "ed25519") const;
  std::string stranger_key() const;
  /// What sshd logged so far, at level DEBUG1.
  std::string log() const;
  const std::string& directory() const { return directory_; }

 private:
  std::string directory_, user_;
  std::uint16_t port_{0};
  pid_t sshd_{-1};
};

std::string read_text(const std::string& path);

}  // namespace gpuwarden::ssh
