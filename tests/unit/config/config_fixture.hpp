#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "gpuwarden/config/config.hpp"

namespace gpuwarden::config::testing {

// Planted secrets: no message may repeat any of them.
inline constexpr const char* kSecretKey = "sb_secret_PLANTEDsecretPLANTED01";
inline constexpr const char* kPublishableKey = "sb_publishable_PLANTEDpub02";
inline constexpr const char* kRunpodKey = "rpa_PLANTEDrunpodPLANTED03";

/// A source that touches neither the process nor the disk.
struct FakeSource {
  std::map<std::string, Result<std::string>> files;
  Source source;

  /// Everything required, nothing else.
  FakeSource();
  FakeSource& set(const std::string& name, const std::string& value);
  FakeSource& unset(const std::string& name);
  FakeSource& file(const std::string& path, Result<std::string> text);
  /// As the program does it, environment file included.
  Loaded load(SshKey need = SshKey::check) const;
};

/// Message of the first problem with this name; "" when there is none.
std::string about(const std::vector<Problem>& problems, std::string_view name);
/// "NAME: message" lines, for readable failures.
std::string all_of(const std::vector<Problem>& problems);
const Entry& entry(const Loaded& loaded, std::string_view name);

/// A JWT with this role; its signature is no signature.
std::string jwt(std::string_view role);

/// A private key made for one test run.
struct MadeKey {
  std::string text;
  std::string public_line, fingerprint;  ///< as ssh-keygen derives them; empty when it refuses the key
};
/// Runs a command that writes the file `key` into a fresh directory.
MadeKey made_key(const std::string& command);
/// The same key for all tests of a run.
const MadeKey& ed25519();

}  // namespace gpuwarden::config::testing
