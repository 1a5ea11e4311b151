#include <algorithm>
#include <atomic>
#include <filesystem>
#include <set>
#include <sstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/stack.hpp"

namespace gpuwarden::test {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

/// Name of a secret and the texts that must not be found: several for a key of many lines.
using Secrets = std::map<std::string, std::vector<std::string>>;

constexpr const char* kToken = "worker tokens";
constexpr const char* kPassed = "HF_TOKEN";
constexpr const char* kPodKey = "pods' own Runpod keys";

/// Where is looked, what was found there, and which secrets must be there for the product to work.
struct Place {
  std::string name;
  std::string text;
  std::set<std::string> may_hold{};
};

std::string found_in(const Place& place, const Secrets& secrets) {
  std::string found;
  for (const auto& [name, texts] : secrets) {
    if (place.may_hold.contains(name)) continue;
    for (const std::string& text : texts)
      if (place.text.find(text) != std::string::npos) found += name + "; ";
  }
  return found;
}

/// Text of every file below a directory, but for those named; files may go while we read.
std::string text_below(const fs::path& dir, const std::set<std::string>& but_for = {}) {
  std::string all;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(dir, fs::directory_options::skip_permission_denied, error), end;
       !error && entry != end; entry.increment(error)) {
    std::error_code gone;
    if (entry->is_symlink(gone) || !entry->is_regular_file(gone) || but_for.contains(entry->path().string()))
      continue;
    all += read_file(entry->path().string()) + "\n";
  }
  return all;
}

/// Watches all processes of the machine: every command line ever seen, and what the processes of pods hold.
class Watch {
 public:
  Watch()
      : thread_([this] {
          while (!over_) {
            look();
            std::this_thread::sleep_for(15ms);
          }
        }) {}
  ~Watch() { stop(); }
  void stop() {
    over_ = true;
    if (thread_.joinable()) thread_.join();
  }

  std::string command_lines() const { return joined(command_lines_); }
  std::string environments() const { return joined(environments_); }
  std::string pod_files() const { return joined(pod_files_); }
  std::string pod_memory_files() const { return joined(pod_memory_files_); }
  std::set<std::string> tokens() const { return tokens_; }
  std::set<std::string> pod_keys() const { return pod_keys_; }
  std::size_t pods() const { return pods_.size(); }

 private:
  static std::string joined(const std::set<std::string>& texts) {
    std::string all;
    for (const std::string& text : texts) all += text + "\n";
    return all;
  }

  void look() {
    std::error_code error;
    for (fs::directory_iterator entry("/proc", error), end; !error && entry != end; entry.increment(error)) {
      const std::string name = entry->path().filename().string();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      command_lines_.insert(read_file(entry->path().string() + "/cmdline"));
      look_at_pod(entry->path().string());
    }
  }

  void look_at_pod(const std::string& process) {
    std::string environment = read_file(process + "/environ");
    const std::string pod = value_of(environment, "GPUWARDEN_SANDBOX_POD");
    if (pod.empty()) return;
    const std::string token = value_of(environment, "GPUWARDEN_WORKER_TOKEN");
    const std::string key = value_of(environment, "RUNPOD_API_KEY");
    if (!key.empty()) pod_keys_.insert(key);
    environments_.insert(std::move(environment));
    if (token.empty()) return;
    tokens_.insert(token);
    // Once for each pod, when its worker runs: everything has been written by then.
    if (!pods_.insert(pod).second) return;
    for (const auto* dir : {"/root", "/workspace", "/tmp", "/etc", "/var", "/opt", "/home"})
      pod_files_.insert(text_below(process + "/root" + dir));
    pod_memory_files_.insert(text_below(process + "/root/dev/shm"));
  }

  static std::string value_of(const std::string& environment, const std::string& name) {
    std::istringstream entries(environment);
    for (std::string entry; std::getline(entries, entry, '\0');)
      if (entry.starts_with(name + "=")) return entry.substr(name.size() + 1);
    return "";
  }

  std::atomic<bool> over_{false};
  std::set<std::string> command_lines_, environments_, pod_files_, pod_memory_files_, tokens_, pod_keys_,
      pods_;
  std::thread thread_;  // last: it uses the others
};

Secrets plant(Stack& stack) {
  Secrets secrets;
  for (const auto* name : {"SUPABASE_SECRET_KEY", "RUNPOD_API_KEY"})
    secrets[name] = {stack.environment().at(name)};
  std::istringstream key(read_file(stack.environment().at("RUNPOD_SSH_PRIVATE_KEY_PATH")));
  // All keys of this kind begin alike; the later lines are this one's alone.
  int number = 0;
  for (std::string line; std::getline(key, line);)
    if (++number > 3 && line.size() > 40) secrets["SSH private key"].push_back(line);
  secrets[kPassed] = {"hf_planted_1f0c7b52e9aa"};
  secrets["repository password"] = {"git_planted_8a6642f0d1"};
  stack.set("HF_TOKEN", secrets[kPassed][0]);
  stack.set("WORKER_PASS_ENV", "HF_TOKEN");
  const std::string url = stack.environment().at("WORKER_REPO_URL");
  stack.set("WORKER_REPO_URL", "http://planter:" + secrets["repository password"][0] + "@" + url.substr(7));
  // A worker that prints what it was given: evidence and logs are tempted.
  stack.set("WORKER_START_CMD",
            "echo token $GPUWARDEN_WORKER_TOKEN hf $HF_TOKEN pod $RUNPOD_API_KEY >&2; exec ./start.sh");
  return secrets;
}

std::string said_on_the_socket(Stack& stack) {
  std::string all;
  for (const auto* path : {"/", "/v1/status", "/v1/plan", "/metrics", "/healthz"})
    all += stack.ask_daemon(path) + "\n";
  return all;
}

std::string said_by_commands(Stack& stack) {
  std::string all;
  const std::string worker = stack.sql("select worker_id from gpuwarden_failures limit 1")[0]["worker_id"];
  const std::vector<std::vector<std::string>> commands{
      {"status"}, {"plan"},     {"workers", "--all"},   {"worker", worker},
      {"tasks"},  {"failures"}, {"failures", "--each"}, {"logs", worker},
      {"events"}, {"doctor"}};
  for (std::vector<std::string> command : commands) {
    all += stack.cli(command).output;
    command.emplace_back("--json");
    all += stack.cli(command).output;
  }
  return all + stack.cli({"config", "--explain"}).output + stack.cli({"config"}).output;
}

std::string dump_of(const Stack& stack) {
  return run({"/usr/lib/postgresql/15/bin/pg_dump", "--inserts", stack.database_url()}, own_environment())
      .output;
}

TEST(Case16Secrets, AreFoundOnlyWhereTheyMustBe) {
  Stack::Options options;
  options.scenario = "worker-crash";
  options.overrides = {{"MAX_ACTIVE_GPUS", "2"}};
  Stack stack(options);
  Secrets secrets = plant(stack);
  stack.add_tasks(3, 2.0);
  Watch watch;
  stack.start_daemon();
  EXPECT_TRUE(eventually(60s, [&] { return !stack.sql("select 1 from gpuwarden_failures").empty(); }))
      << stack.daemon_log();
  const std::string limits = read_file("/proc/" + std::to_string(stack.daemon().pid()) + "/limits");
  stack.scenario("healthy");
  EXPECT_TRUE(eventually(120s, [&] { return stack.state().at("tasks").value("complete", 0) == 3; }))
      << stack.daemon_log();
  const std::string socket = said_on_the_socket(stack);
  const std::string commands = said_by_commands(stack);
  EXPECT_TRUE(eventually(60s, [&] { return all_complete_and_no_pod(stack, 3); })) << stack.daemon_log();
  watch.stop();
  for (const std::string& token : watch.tokens()) secrets[kToken].push_back(token);
  for (const std::string& key : watch.pod_keys()) secrets[kPodKey].push_back(key);
  ASSERT_GE(secrets[kPodKey].size(), 2u);
  ASSERT_GE(secrets[kToken].size(), 2u) << "one that crashed and one that worked";
  ASSERT_GE(secrets["SSH private key"].size(), 2u);

  const std::string sandbox = stack.dir() + "/sandbox";
  const std::string dump = dump_of(stack);
  const std::vector<Place> places{
      {"the program", read_file(GPUWARDEN_PROGRAM)},
      {"command lines of all processes, all the time", watch.command_lines()},
      {"the daemon's log", stack.daemon_log()},
      {"answers on the control socket", socket},
      {"what the commands print", commands},
      {"the database, every table", dump},
      // The sandbox plays Supabase and Runpod and writes the daemon's environment and key: those two files
      // aside.
      {"the sandbox's files: container logs, services' logs, database, volumes",
       text_below(sandbox, {sandbox + "/gpuwarden.env", sandbox + "/ssh_key"})},
      {"environment of pods' processes", watch.environments(), {kToken, kPassed, kPodKey}},
      {"files of pods", watch.pod_files(), {kPodKey}},  // the image keeps its environment for logins
      {"files of pods in memory (/dev/shm)",
       watch.pod_memory_files(),
       {kToken, kPassed, kPodKey, "repository password"}},
  };
  for (const Place& place : places) {
    EXPECT_FALSE(place.text.empty()) << place.name;
    EXPECT_EQ(found_in(place, secrets), "") << "found in: " << place.name;
  }
  // Had they not been hidden, this test would have seen them: the worker printed them into the evidence.
  EXPECT_THAT(dump, testing::HasSubstr("token [redacted] hf [redacted] pod [redacted]"));
  EXPECT_EQ(found_in({"", watch.environments()}, {{kToken, {*watch.tokens().begin()}}}),
            std::string(kToken) + "; ");
  EXPECT_THAT(limits, testing::ContainsRegex("Max core file size +0 +0 "));
}

}  // namespace
}  // namespace gpuwarden::test
