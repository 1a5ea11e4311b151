#pragma once

#include <string>
#include <string_view>

#include "gpuwarden/config/keys.hpp"

namespace gpuwarden::config {

/// Facts from a public key in SSH's wire form; refuses types that the daemon's SSH cannot use.
Result<SshKeyFacts> facts_of_blob(std::string_view blob);

/// First field of the wire form (uint32 length, bytes) and the rest; false when it is cut short.
bool take_field(std::string_view& rest, std::string_view& field);
/// The same field, written.
std::string wire_field(std::string_view field);

/// Public key in wire form of a PEM private key (SEC1 or PKCS#8) that needs no passphrase.
Result<std::string> blob_of_pem(std::string_view pem);

}  // namespace gpuwarden::config
