#include "support/stack.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

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

Stack::Stack(Options options) : user_(options.user) {
  std::string pattern = (std::filesystem::temp_directory_path() / "gpuwarden-stack.XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  dir_ = pattern;
  std::filesystem::permissions(dir_, std::filesystem::perms(0755));
  if (user_ != 0 && chown(dir_.c_str(), user_, user_) != 0) throw std::runtime_error("chown failed");
  std::vector<std::string> argv{GPUWARDEN_SANDBOX_PROGRAM, "--dir", dir_ + "/sandbox", "--scenario",
                                options.scenario};
  argv.insert(argv.end(), options.sandbox_arguments.begin(), options.sandbox_arguments.end());
  sandbox_ = std::make_unique<Process>(as_user(argv), own_environment(), dir_ + "/sandbox.log",
                                       dir_ + "/ready.json");
  const bool up = eventually(60s, [&] {
    return read_file(dir_ + "/ready.json").find('\n') != std::string::npos || !sandbox_->running();
  });
  if (!up || !sandbox_->running())
    throw std::runtime_error("the sandbox did not start: " + read_file(dir_ + "/sandbox.log"));
  ready_ = Json::parse(read_file(dir_ + "/ready.json"));
  control_ = ready_.at("control").get<std::string>();
  database_url_ = ready_.at("database_url").get<std::string>();
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
  daemon_ =
      std::make_unique<Process>(as_user({GPUWARDEN_PROGRAM, "run"}), environment_, dir_ + "/daemon.log");
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

std::vector<std::string> Stack::as_user(std::vector<std::string> argv) const {
  if (user_ == 0) return argv;
  const std::string id = std::to_string(user_);
  // A change of user forgets the signal at the parent's death: setpriv asks for it again.
  std::vector<std::string> all{"/usr/bin/setpriv", "--reuid",     id,     "--regid", id,
                               "--clear-groups",   "--pdeathsig", "KILL", "--"};
  all.insert(all.end(), std::make_move_iterator(argv.begin()), std::make_move_iterator(argv.end()));
  return all;
}

Finished Stack::cli(std::vector<std::string> arguments, std::chrono::milliseconds limit) {
  arguments.insert(arguments.begin(), GPUWARDEN_PROGRAM);
  return run(as_user(std::move(arguments)), environment_, limit);
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

std::string Stack::ask_daemon(const std::string& path) {
  const Finished finished = run({"/usr/bin/curl", "-sS", "--max-time", "5", "--unix-socket",
                                 environment_.at("GPUWARDEN_SOCKET"), "http://localhost" + path},
                                own_environment());
  return finished.exit_code == 0 ? finished.output : "";
}

Json Stack::status() {
  const std::string answer = ask_daemon("/v1/status");
  return answer.empty() ? Json() : Json::parse(answer, nullptr, false);
}

Finished Stack::psql(const std::string& text) {
  Finished finished =
      run({"/usr/bin/psql", "-XAtq", "-v", "ON_ERROR_STOP=1", database_url_, "-c", text}, own_environment());
  if (finished.exit_code != 0) throw std::runtime_error(text + ": " + finished.output);
  return finished;
}

Json Stack::sql(const std::string& query) {
  return Json::parse(psql("select coalesce(json_agg(q), '[]') from (" + query + ") q").output);
}
void Stack::execute(const std::string& statements) {
  psql(statements);
}
void Stack::insert_tasks(int count, double seconds) {
  execute("insert into tasks (task_type, params, status) select 'sample', jsonb_build_object('seconds', " +
          std::to_string(seconds) + "), 'Queued' from generate_series(1, " + std::to_string(count) + ")");
}
void Stack::fault(const Json& what) {
  request("POST", "/sandbox/fault", what.dump());
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

bool all_complete_and_no_pod(Stack& stack, int tasks) {
  const Json state = stack.state();
  return state.at("tasks").value("complete", 0) == tasks && state.at("pods").empty();
}

void expect_each_task_completed_once(Stack& stack, int tasks) {
  const Json rows = stack.sql("select status::text, count(*) as n from tasks group by 1");
  ASSERT_EQ(rows.size(), 1u) << rows.dump();
  EXPECT_EQ(rows[0]["status"], "Complete");
  EXPECT_EQ(rows[0]["n"], tasks);
  EXPECT_EQ(stack.state().at("tasks").value("completed_twice", -1), 0);
}

}  // namespace gpuwarden::test
