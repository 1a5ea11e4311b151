#pragma once

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <sys/wait.h>

#include "bootstrap/quote.hpp"

namespace gpuwarden::bootstrap::test {

struct Ran {
  int exit_code{-1};
  std::string output;
};

/// Runs a text by the real bash; output and errors together.
inline Ran run_bash(const std::string& script) {
  Ran ran;
  FILE* pipe = ::popen(("exec bash -c " + shell_quoted(script) + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return ran;
  std::array<char, 4096> buffer{};
  while (const std::size_t size = std::fread(buffer.data(), 1, buffer.size(), pipe))
    ran.output.append(buffer.data(), size);
  const int status = ::pclose(pipe);
  ran.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return ran;
}

inline const std::string kScriptsDir = std::string(GPUWARDEN_SOURCE_DIR) + "/src/bootstrap/scripts";

/// A directory of its own.
class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gpuwarden-boot.XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    path = pattern;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  std::string path;
};

}  // namespace gpuwarden::bootstrap::test
