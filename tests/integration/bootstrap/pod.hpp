#pragma once

#include <chrono>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/bootstrap/script.hpp"
#include "gpuwarden/bootstrap/status_line.hpp"

#include "unit/bootstrap/bash.hpp"

namespace gpuwarden::bootstrap::test {

using namespace std::chrono_literals;

inline std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Looks again and again until it is so; false when it never was.
inline bool eventually(std::chrono::milliseconds limit, const std::function<bool()>& so) {
  for (const auto end = std::chrono::steady_clock::now() + limit; std::chrono::steady_clock::now() < end;) {
    if (so()) return true;
    std::this_thread::sleep_for(20ms);
  }
  return so();
}

/// Directories that pods share: a volume, a repository, tools of the image.
struct Site {
  TempDir dir;
  std::string volume = dir.path + "/volume";
  std::string repository = dir.path + "/worker.git";
  std::string tools = dir.path + "/bin";

  Site() {
    for (const auto& path : {volume, repository, tools}) std::filesystem::create_directories(path);
    tool("nvidia-smi",
         "case \"$*\" in *query-gpu=name*) echo 'NVIDIA GeForce RTX 4090, 570.86.15, 24564' ;; "
         "*query-gpu=memory*) echo '24564, 3072, 41'; echo '24564, 1, 7' ;; "
         "*) echo '| NVIDIA-SMI 570.86.15   Driver Version: 570.86.15   CUDA Version: 12.8 |' ;; esac");
    git("init -q -b main");
    commit("echo up; exec sleep 1000");
  }
  void tool(const std::string& name, const std::string& script) const {
    const std::string path = tools + "/" + name;
    std::ofstream(path) << "#!/bin/bash\n" << script << "\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  }
  std::string git(const std::string& arguments) const {
    const auto ran =
        run_bash("cd " + repository + " && git -c user.name=t -c user.email=t@example.invalid " + arguments);
    EXPECT_EQ(ran.exit_code, 0) << ran.output;
    return ran.output;
  }
  /// A new commit whose worker.sh is this; its hash.
  std::string commit(const std::string& worker) const {
    std::ofstream(repository + "/worker.sh") << worker << "\n";
    git("add . && git -c user.name=t -c user.email=t@example.invalid commit -qm change");
    return git("rev-parse HEAD").substr(0, 40);
  }
};

/// A worker id of this process alone: agents find what they started by it, and other tests' agents run
/// beside.
inline WorkerId own_worker_id(unsigned number) {
  return make_worker_id("test", parse_time("2026-11-24T01:01:01Z").value(),
                        (static_cast<std::uint32_t>(::getpid()) << 8) | (number & 0xffU));
}

/// One pod: a run directory and settings. Everything that it started ends with it.
class Pod {
 public:
  Pod(const Site& site, const std::string& url, unsigned number = 0)
      : worker(own_worker_id(number)), root_(site.dir.path + "/shm") {
    std::filesystem::create_directories(root_);
    settings.repo_url = site.repository;
    settings.mount_path = site.volume;
    settings.start_cmd = "bash worker.sh";
    settings.supabase_url = url;
    settings.heartbeat_interval = 1s;
    settings.min_disk_free_mb = 1;
    environment = {{"GPUWARDEN_RUN_ROOT", root_}, {"PATH", site.tools + ":" + std::getenv("PATH")}};
  }
  ~Pod() {
    if (pid_in("agent.pid") > 1) ::kill(pid_in("agent.pid"), SIGTERM);
    eventually(15s, [this] { return !alive(pid_in("agent.pid")); });
  }
  Pod(const Pod&) = delete;
  Pod& operator=(const Pod&) = delete;

  struct Stream {
    int exit_code{-1};
    std::string text;
    std::vector<StatusLine> lines;
    const StatusLine* last() const { return lines.empty() ? nullptr : &lines.back(); }
    std::vector<std::string> story() const {
      std::vector<std::string> events;
      for (const StatusLine& line : lines)
        events.push_back(std::string(to_string(line.step)) +
                         (line.event == StatusLine::Event::begin ? " begin"
                          : line.event == StatusLine::Event::end ? " end"
                                                                 : " fail"));
      return events;
    }
  };

  Stream launch(const std::string& token = "token_planted_secret") {
    const std::string payload = root_ + "/payload." + worker.str();
    std::ofstream(payload) << launch_payload(worker, settings,
                                             {Secret(token), Secret("sb_publishable_planted")});
    Stream stream = stream_of(launch_command(worker), " <" + payload);
    std::filesystem::remove(payload);
    return stream;
  }
  Stream follow(std::size_t offset) { return stream_of(follow_command(worker, offset), ""); }
  Ran run(const std::string& command) { return run_bash(prefix() + shell_quoted(command)); }

  std::string directory() const { return root_ + "/gpuwarden-" + worker.str(); }
  std::string file(const std::string& name) const { return read_text(directory() + "/" + name); }
  int pid_in(const std::string& name) const { return std::atoi(file(name).c_str()); }
  static bool alive(int pid) {
    const std::string stat = read_text("/proc/" + std::to_string(pid) + "/stat");
    const std::size_t state = stat.rfind(')');
    return state != std::string::npos && stat.at(state + 2) != 'Z';
  }
  /// The checkout in which the worker runs.
  std::string checkout() const {
    std::error_code none;
    return std::filesystem::read_symlink("/proc/" + std::to_string(pid_in("worker.pid")) + "/cwd", none);
  }

  WorkerId worker;
  Settings settings;
  std::map<std::string, std::string> environment;

 private:
  std::string prefix() const {
    std::string text = "env";
    for (const auto& [name, value] : environment) text += " " + shell_quoted(name + "=" + value);
    return text + " timeout 60 bash -c ";
  }
  Stream stream_of(const std::string& command, const std::string& redirection) const {
    const Ran ran = run_bash(prefix() + shell_quoted(command) + redirection);
    Stream stream{ran.exit_code, ran.output, {}};
    StatusStream cut;
    for (const std::string& line : cut.feed(ran.output))
      if (auto status = parse_status_line(line)) stream.lines.push_back(std::move(*status));
    return stream;
  }

  std::string root_;
};

}  // namespace gpuwarden::bootstrap::test
