#include "support/stack.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include <stdlib.h>

namespace gpuwarden::test {
namespace {

using namespace std::chrono_literals;

std::map<std::string, std::string> read_env_file(const std::string& path) {
  std::map<std::string, std::string> result;
  std::istringstream lines(read_file(path));
  for (std::string line; std::getline(lines, line);) {
    const std::size_t equals = line.find('=');
    if (line.empty() || line.front() == '#' || equals == std::string::npos) continue;
    std::string value = line.substr(equals + 1);
    if (value.size() >= 2 && (value.front() == '\'' || value.front() == '"') &&
        value.back() == value.front()) {
      value = value.substr(1, value.size() - 2);
    }
    result[line.substr(0, equals)] = value;
  }
  return result;
}

}  // namespace

bool eventually(std::chrono::milliseconds limit, const std::function<bool()>& done,
                std::chrono::milliseconds every) {
  const auto until = std::chrono::steady_clock::now() + limit;
  while (true) {
    if (done()) return true;
    if (std::chrono::steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(every);
  }
}

Stack::Stack(Options options) {
  std::string pattern = (std::filesystem::temp_directory_path() / "gpuwarden-stack.XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  dir_ = pattern;
  std::filesystem::permissions(dir_, std::filesystem::perms(0755));
  std::vector<std::string> argv{GPUWARDEN_SANDBOX_PROGRAM, "--dir", dir_ + "/sandbox", "--scenario",
                                options.scenario};
  argv.insert(argv.end(), options.sandbox_arguments.begin(), options.sandbox_arguments.end());
  sandbox_ = std::make_unique<Process>(argv, own_environment(), dir_ + "/sandbox.log", dir_ + "/ready.json");
  const bool up = eventually(60s, [&] {
    return read_file(dir_ + "/ready.json").find('\n') != std::string::npos || !sandbox_->running();
  });
  if (!up || !sandbox_->running())
    throw std::runtime_error("the sandbox did not start: " + read_file(dir_ + "/sandbox.log"));
  ready_ = Json::parse(read_file(dir_ + "/ready.json"));
  control_ = ready_.at("control").get<std::string>();
  environment_ = read_env_file(ready_.at("env_file").get<std::string>());
  for (const auto& name : {"PATH", "HOME", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"}) {
    const auto own = own_environment();
    if (const auto found = own.find(name); found != own.end()) environment_[name] = found->second;
  }
  for (const auto& [name, value] : options.overrides) environment_[name] = value;
}

Stack::~Stack() {
  daemon_.reset();
  sandbox_.reset();
  std::error_code ignored;
  if (std::getenv("GPUWARDEN_KEEP_STACK") == nullptr) std::filesystem::remove_all(dir_, ignored);
}

void Stack::start_daemon() {
  daemon_ = std::make_unique<Process>(std::vector<std::string>{GPUWARDEN_PROGRAM, "run"}, environment_,
                                      dir_ + "/daemon.log");
}

void Stack::kill_daemon() {
  if (!daemon_) return;
  daemon_->signal(SIGKILL);
  daemon_->wait(5s);
}

std::optional<int> Stack::stop_daemon(std::chrono::milliseconds limit) {
  daemon_->signal(SIGTERM);
  return daemon_->wait(limit);
}

Finished Stack::cli(std::vector<std::string> arguments, std::chrono::milliseconds limit) {
  arguments.insert(arguments.begin(), GPUWARDEN_PROGRAM);
  return run(std::move(arguments), environment_, limit);
}

Json Stack::request(const std::string& method, const std::string& path, const std::string& body) {
  std::vector<std::string> argv{"/usr/bin/curl", "-sS", "--max-time", "20", "-X", method, control_ + path};
  if (!body.empty()) argv.insert(argv.end(), {"-H", "content-type: application/json", "-d", body});
  const Finished finished = run(argv, own_environment());
  if (finished.exit_code != 0) throw std::runtime_error(method + " " + path + ": " + finished.output);
  return Json::parse(finished.output);
}

Json Stack::state() {
  return request("GET", "/sandbox/state");
}
void Stack::scenario(const std::string& name) {
  request("POST", "/sandbox/scenario", Json{{"name", name}}.dump());
}
void Stack::add_tasks(int count, double seconds) {
  request("POST", "/sandbox/tasks", Json{{"count", count}, {"seconds", seconds}}.dump());
}

Json Stack::status() {
  const Finished finished = run({"/usr/bin/curl", "-sS", "--max-time", "5", "--unix-socket",
                                 environment_.at("GPUWARDEN_SOCKET"), "http://localhost/v1/status"},
                                own_environment());
  return finished.exit_code == 0 ? Json::parse(finished.output, nullptr, false) : Json();
}

Json Stack::sql(const std::string& query) {
  const Finished finished =
      run({"/usr/bin/psql", "-XAtq", "-v", "ON_ERROR_STOP=1", ready_.at("database_url").get<std::string>(),
           "-c", "select coalesce(json_agg(q), '[]') from (" + query + ") q"},
          own_environment());
  if (finished.exit_code != 0) throw std::runtime_error(query + ": " + finished.output);
  return Json::parse(finished.output);
}

std::string Stack::daemon_log() const {
  return read_file(dir_ + "/daemon.log");
}

std::vector<Json> Stack::log_events(const std::string& event) const {
  std::vector<Json> found;
  std::istringstream lines(daemon_log());
  for (std::string line; std::getline(lines, line);) {
    Json entry = Json::parse(line, nullptr, false);
    if (entry.is_object() && entry.value("event", "") == event) found.push_back(std::move(entry));
  }
  return found;
}

}  // namespace gpuwarden::test
