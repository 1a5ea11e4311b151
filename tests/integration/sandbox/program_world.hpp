#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "integration/sandbox/pod_world.hpp"
#include "integration/sandbox/running_program.hpp"

namespace gpuwarden::sandbox {

/// Tests of the program: sandboxes in a directory of this test, with pods that do something.
class ProgramWorld : public testing::Test {
 protected:
  std::string dir(const std::string& name = "sandbox") const { return world.dir + "/" + name; }

  /// Value of a variable in the environment file.
  static std::string variable(const RunningProgram& program, const std::string& name) {
    std::ifstream file(program.url("env_file"));
    for (std::string line; std::getline(file, line);)
      if (line.starts_with(name + "=\"")) return line.substr(name.size() + 2, line.size() - name.size() - 3);
    return "";
  }
  /// SSH port of a new pod, once it has one.
  int pod(const RunningProgram& program, const std::string& name = "gpu-a") {
    const nlohmann::json body{{"name", name},        {"image", "x"},
                              {"disk", 20},          {"gpu", {{"id", "NVIDIA L40S"}}},
                              {"ports", {"22/tcp"}}, {"env", {{"PUBLIC_KEY", world.public_key()}}}};
    run_command({"/usr/bin/curl", "-sS", "-X", "POST", "-H",
                 "authorization: Bearer " + variable(program, "RUNPOD_API_KEY"), "-H",
                 "content-type: application/json", "-d", body.dump(), program.url("runpod_url") + "/pods"});
    int port = 0;
    world.eventually(std::chrono::seconds(60), [&] {
      const auto state = program.state();
      for (const auto& each : state.value("pods", nlohmann::json::array()))
        if (each.at("name") == name) port = each.at("ssh_port");
      return port != 0;
    });
    return port;
  }
  /// A pod with a process of ours in it; returns words of that process's command line.
  std::string busy_pod(const RunningProgram& program) {
    const auto mark = fmt::format("9{}{}", ::getpid(), program.pid);
    world.ssh_when_up(pod(program), "(setsid nohup sleep " + mark + " >/dev/null 2>&1 &)");
    EXPECT_TRUE(world.eventually(std::chrono::seconds(30), [&] { return !processes_with(mark).empty(); }));
    return mark;
  }

  PodWorld world;
};

/// Parent of a process; 0 when it has gone or only waits to be reaped.
inline int parent_of(int pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text;
  std::getline(file, text);
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos || text.compare(name_end, 4, ") Z ") == 0) return 0;
  return std::atoi(text.c_str() + name_end + 4);
}

/// All processes that `ancestor` started, directly or not.
inline std::set<int> descendants(int ancestor) {
  std::set<int> found{ancestor};
  for (std::size_t before = 0; before != found.size();) {
    before = found.size();
    for (const auto pid : processes_with(""))
      if (found.contains(parent_of(pid))) found.insert(pid);
  }
  found.erase(ancestor);
  return found;
}

}  // namespace gpuwarden::sandbox
