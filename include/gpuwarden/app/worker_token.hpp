#pragma once

#include <string>
#include <string_view>

#include "gpuwarden/control/environment.hpp"

namespace gpuwarden::app {

/// 256 random bits as hex and their SHA-256, by OpenSSL. Aborts when the system has no randomness.
control::WorkerToken make_worker_token();
std::string sha256_hex(std::string_view text);

}  // namespace gpuwarden::app
