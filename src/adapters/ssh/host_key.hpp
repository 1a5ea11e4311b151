#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <libssh2.h>

namespace gpuwarden::ssh {

/// "SHA256:<base64 without padding>" of the key that the host proved to own; empty before the handshake.
std::string host_key_fingerprint(LIBSSH2_SESSION* session);
/// No pins: whatever is shown is right.
bool is_pinned(const std::vector<std::string>& pins, std::string_view fingerprint);

/// The host key types that a peer offers in its first packet, as it wrote them ("ssh-ed25519,rsa-sha2-512").
/// `greeting`: what it sent first, from its first byte on. Empty when that is not (yet) there.
std::string_view offered_host_key_types(std::string_view greeting);
/// True when two lists of names, separated by commas, share one.
bool has_common_name(std::string_view some, std::string_view others);

std::string base64_without_padding(std::string_view bytes);

}  // namespace gpuwarden::ssh
