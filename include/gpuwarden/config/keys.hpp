#pragma once

#include <string>
#include <string_view>

#include "gpuwarden/base/result.hpp"

namespace gpuwarden::config {

enum class SupabaseKeyKind { secret, publishable, service_role_jwt, anon_jwt, other_jwt, unrecognized };

/// By prefix, or by the role claim of a JWT. The signature is not checked.
SupabaseKeyKind supabase_key_kind(std::string_view key);
/// "secret key (sb_secret_…)", "legacy service_role JWT", ...
std::string_view to_string(SupabaseKeyKind kind);

/// A usable SSH private key.
struct SshKeyFacts {
  std::string type;         ///< "ssh-ed25519", "ecdsa-sha2-nistp256", ...
  std::string public_line;  ///< "ssh-ed25519 AAAA…"
  std::string fingerprint;  ///< "SHA256:…", as ssh-keygen -l prints it
};

/// Reads a private key in OpenSSH or PEM form. Refuses, with the command that helps, what the daemon's SSH
/// cannot use: RSA and DSA in any container, keys behind a passphrase or on a token, PuTTY files, public
/// keys.
Result<SshKeyFacts> inspect_ssh_key(std::string_view private_key);

}  // namespace gpuwarden::config
