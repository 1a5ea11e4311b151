#pragma once

#include <string>

#include "gpuwarden/base/result.hpp"

namespace gpuwarden::config {

/// Where the daemon keeps the key that it made itself.
std::string own_key_path(const std::string& state_directory);

/// Makes an ed25519 key with ssh-keygen at `own_key_path`, mode 0600; the directory is made with mode 0700.
/// Made by root in another user's directory, it belongs to that user. Appears whole or not at all; a key that
/// is there already stays.
Result<void> make_own_key(const std::string& state_directory);

}  // namespace gpuwarden::config
