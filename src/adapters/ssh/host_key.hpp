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

std::string base64_without_padding(std::string_view bytes);

}  // namespace gpuwarden::ssh
