#pragma once

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

namespace gpuwarden::sandbox {

/// Runs pieces of shell in a directory of their own, with $root (the sources) and $dir (the directory) set.
class ShellWorld : public testing::Test {
 protected:
  void SetUp() override {
    auto pattern = (std::filesystem::temp_directory_path() / "gpuwarden-shell.XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    dir = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(dir); }
  /// What the script prints, to either stream; the last line is "exit N".
  std::string run(const std::string& script) const {
    std::ofstream(dir + "/script.sh") << "root=" GPUWARDEN_SOURCE_DIR " dir=" << dir << "\n"
                                      << script << "\necho \"exit $?\"\n";
    std::string output;
    auto* pipe = ::popen(("bash " + dir + "/script.sh 2>&1").c_str(), "r");
    if (pipe == nullptr) return "";
    char buffer[256];
    while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) output += buffer;
    ::pclose(pipe);
    return output;
  }
  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(dir + "/" + name).parent_path());
    std::ofstream(dir + "/" + name) << text;
  }
  std::string dir;
};

}  // namespace gpuwarden::sandbox
