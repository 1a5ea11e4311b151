#pragma once

#include <map>
#include <string>

#include "gpuwarden/base/result.hpp"
#include "gpuwarden/sandbox/sandbox.hpp"

namespace gpuwarden::sandbox {

struct SandboxKeys {
  std::string runpod, supabase_secret, supabase_publishable, ssh_key_path;
};

/// The configuration of a gpuwarden that works with this sandbox; times are short so that a demo is.
std::map<std::string, std::string> make_environment(const SandboxReady& ready, const SandboxKeys& keys,
                                                    const std::string& dir, bool shared_file_system);

/// Writes it in the form that both `source` and systemd read. Mode 0600: it holds keys.
Result<void> write_environment(const std::string& path,
                               const std::map<std::string, std::string>& environment);

}  // namespace gpuwarden::sandbox
